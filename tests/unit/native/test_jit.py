"""The kernel cache: a folder for each set of sources, and the bit intrinsics in both worlds."""

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine.native import bits, jit, lanes
from engine.native.dependencies import code_digest
from tests.new_process import ROOT, output_of


@jit.kernel()
def all_three(x):
    return bits.ctz(x), bits.popcount(x), bits.byteswap(x)


@pytest.mark.parametrize("value", [0, 1, 0x8000000000000000, 0x00F0_1234_5678_9ABC, 2**64 - 1])
def test_intrinsics_agree_with_plain_python(value):
    x = np.uint64(value)
    compiled = all_three(x)
    assert compiled == tuple(all_three.py_func(x))
    assert compiled[1] == bin(value).count("1")
    assert compiled[2] == int.from_bytes(value.to_bytes(8, "little"), "big")
    assert compiled[0] == (64 if value == 0 else (value & -value).bit_length() - 1)


@jit.kernel()
def total_of_lanes(numbers):
    return lanes.lane_sum(lanes.load(numbers, 3))


def test_lanes_are_summed_in_one_order():
    numbers = np.random.default_rng(1).standard_normal(40).astype(np.float32)
    assert total_of_lanes(numbers) == total_of_lanes.py_func(numbers)
    assert total_of_lanes(numbers) == pytest.approx(numbers[3:19].sum(), abs=1e-5)


def test_another_processor_or_python_compiles_anew(monkeypatch):
    fresh_hash = jit._compiler_hash.__wrapped__
    before = fresh_hash()
    with monkeypatch.context() as patch:
        patch.setattr(jit.numba.config, "CPU_NAME", "generic")
        assert fresh_hash() != before
    with monkeypatch.context() as patch:
        patch.setattr(sys.implementation, "cache_tag", "another-python")
        assert fresh_hash() != before
    assert fresh_hash() == before


def test_what_sources_say_is_noted_until_they_change(monkeypatch, tmp_path):
    (source := tmp_path / "lanes.py").touch()
    read = []
    monkeypatch.setattr(jit, "cache_base", lambda: tmp_path)
    monkeypatch.setattr(jit, "code_digest", lambda paths: read.append(1) or f"d{len(read)}")
    assert [jit._noted([source]), jit._noted([source])] == ["d1", "d1"]
    os.utime(source, ns=(1, 1))
    assert jit._noted([source]) == "d2"
    monkeypatch.setattr(jit, "cache_base", lambda: None)
    assert jit._noted([source]) == "d3"


COUNT = """
import numpy as np
from tests.compile_events import CompileLog
with CompileLog() as log:
    from engine.board.attacks import in_check
    in_check(np.zeros(16, np.uint64))
import engine
print(len(log.compilations), engine.__file__)
"""


def test_another_installation_with_other_comments_compiles_nothing(tmp_path):
    compiled = []
    for name in ("first", "second"):
        shutil.copytree(
            ROOT / "engine",
            tmp_path / name / "engine",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for source in (tmp_path / name / "engine").glob("[bn]*/*.py"):
            source.write_text(f"# A comment of the {name}.\n{source.read_text()}")
        folders = {"AINO_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(tmp_path / name)}
        count, path = output_of(COUNT, **folders).split()
        assert Path(path).is_relative_to(tmp_path / name)
        compiled.append(int(count))
    assert compiled[0] > compiled[1] == 0


def test_kernels_of_old_versions_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "cache_base", lambda: tmp_path)

    def double(x):
        return x + x

    used, unused = jit.kernel()(double), jit.kernel()(lambda x: x - x)
    assert (used(21), unused(21)) == (42, 0)
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 2
    long_ago = time.time() - (jit.UNUSED_DAYS + 1) * 86400
    for path in folder.iterdir():
        os.utime(path, (long_ago, long_ago))
    assert jit.kernel()(double)(21) == 42  # from the cache
    jit.remove_unused()
    assert [path.name.split("-")[0] for path in folder.iterdir()] == ["double"]


def test_a_user_without_a_home_folder_keeps_kernels_elsewhere(monkeypatch):
    monkeypatch.setenv(jit.CACHE_ENVIRONMENT_VARIABLE, "~nobody-of-that-name/cache")
    monkeypatch.setattr(jit, "user_folder", lambda kind: None)
    temporary = jit._temporary_folder()
    assert jit.cache_base.__wrapped__() == temporary / "aino-kernels"


def test_without_a_writable_folder_kernels_are_compiled_without_a_cache(monkeypatch):
    monkeypatch.setattr(jit, "cache_base", lambda: None)

    @jit.kernel()
    def double(x):
        return x + x

    assert double(21) == 42


def test_bounds_are_checked_on_request_in_spite_of_unchecked_code_in_the_cache(
    tmp_path, output_here
):
    (tmp_path / "reader.py").write_text(
        "import numpy as np\n"
        "from engine.native.jit import kernel\n\n"
        "@kernel()\n"
        "def read(a, i): return a[i]\n\n"
        "def answer():\n"
        "    try: return str(read(np.zeros(3), 3) is None)\n"
        "    except IndexError: return 'refused'\n"
    )
    program = "import reader; print(reader.answer())"
    answers = [
        output_here(program, NUMBA_BOUNDSCHECK=checked).strip() for checked in ("0", "1", "0")
    ]
    assert answers == ["False", "refused", "False"]


COUNTING = """
import numba
import numpy as np
from engine.native.jit import kernel

@kernel()
def ours(a, i): return a[i]

@numba.njit
def theirs(a, i): return a[i]

def answer():
    a = np.arange(3.0)
    last = theirs(a, np.int64(-1)), theirs(a, np.int32(-3))
    try: return str(ours(a, np.int64(-1))) + str(last)
    except IndexError: return "refused " + str(last)
"""


def test_kernels_count_from_the_front_alone_and_other_libraries_from_both_ends(
    tmp_path, output_here
):
    (tmp_path / "counting.py").write_text(COUNTING)
    program = "import counting; print(counting.answer())"
    assert output_here(program, NUMBA_BOUNDSCHECK="1").strip() == "refused (2.0, 0.0)"


def test_other_libraries_keep_their_cache_folder(tmp_path, output_here):
    (tmp_path / "stranger.py").write_text(
        "import numba\n\n@numba.njit(cache=True)\ndef double(x): return x + x\n"
    )
    program = (
        "import numba\n"
        "before = numba.config.CACHE_DIR\n"
        "import engine.board.attacks\n"
        "import stranger\n"
        "assert stranger.double(21) == 42\n"
        "print(numba.config.CACHE_DIR == before, stranger.double._cache.cache_path)\n"
    )
    folders = {
        "NUMBA_CACHE_DIR": str(tmp_path / "theirs"),
        "AINO_CACHE_DIR": str(tmp_path / "ours"),
    }
    unchanged, folder = output_here(program, **folders).split()
    assert unchanged == "True"
    assert (tmp_path / "theirs") in Path(folder).parents
    assert not list((tmp_path / "theirs").rglob("attacks*"))


def test_a_changed_comment_starts_no_compiler(tmp_path):
    """The mark that everything is compiled is named by a digest of the sources."""
    texts = [
        'def f(x):\n    """That."""\n    return x + 1\n',
        '# A comment.\ndef f(x):\n    """What."""\n\n    return x + 1  # why\n',
        "def f(x):\n    return x + 2\n",
        "def f(x:\n",
    ]
    digests = []
    for text in texts:
        (tmp_path / "kernels.py").write_text(text)
        digests.append(code_digest([tmp_path / "kernels.py"]))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
