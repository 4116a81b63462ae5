"""The kernel cache: a folder for each set of sources, and the bit intrinsics in both worlds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numba.core.errors import TypingError

from engine.native import bits, jit, lanes

ROOT = Path(__file__).resolve().parents[3]


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


def fresh_hash(path) -> str:
    jit._closure_hash.cache_clear()
    jit._project_imports.cache_clear()
    return jit._closure_hash(path)


def test_a_changed_callee_in_another_module_changes_the_cache_folder(tmp_path, monkeypatch):
    package = tmp_path / "engine"
    package.mkdir()
    callee, between, caller, stranger = (package / f"{name}.py" for name in ("callee", "between", "caller", "stranger"))
    callee.write_text("VALUE = 1\n")
    between.write_text("import math\nfrom engine.stranger import x\nfrom engine.callee import VALUE  # a constant\n")
    caller.write_text("from engine.stranger import x\nfrom engine import (\n    between,\n)\n\nf(1)\n")
    stranger.write_text("import math\n")
    monkeypatch.setattr(jit, "_SOURCE_ROOT", tmp_path)
    before = fresh_hash(caller), fresh_hash(stranger)
    callee.write_text("VALUE = 2\n")
    after = fresh_hash(caller), fresh_hash(stranger)
    assert before[0] != after[0]
    assert before[1] == after[1]
    fresh_hash(callee)


def test_another_processor_or_python_believed_the_mark_that_everything_was_compiled(tmp_path, monkeypatch):
    source = tmp_path / "source.py"
    source.write_text("VALUE = 1\n")
    before = fresh_hash(source)
    with monkeypatch.context() as patch:
        patch.setattr(jit.numba.config, "CPU_NAME", "generic")
        assert fresh_hash(source) != before
    with monkeypatch.context() as patch:
        patch.setattr(sys.implementation, "cache_tag", "another-python")
        assert fresh_hash(source) != before
    assert fresh_hash(source) == before


COUNT = """
import numpy as np
from engine.native.compile_events import CompileTimes
with CompileTimes() as times:
    from engine.board.attacks import in_check
    in_check(np.zeros(16, np.uint64))
import engine
print(len(times.compilations), engine.__file__)
"""


def test_second_installation_at_another_path_compiled_everything_again(tmp_path):
    counts = []
    for name in ("first", "second"):
        shutil.copytree(ROOT / "engine", tmp_path / name / "engine", ignore=shutil.ignore_patterns("__pycache__"))
        environment = os.environ | {"AINO_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(tmp_path / name)}
        command = [sys.executable, "-P", "-c", COUNT]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        count, path = done.stdout.split()
        assert Path(path).is_relative_to(tmp_path / name)
        counts.append(int(count))
    assert counts[0] > 0
    assert counts[1] == 0


def test_kernels_of_old_versions_stayed_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "cache_base", lambda: tmp_path)
    monkeypatch.setattr(jit, "cache_folder", lambda source: tmp_path / "used")
    long_ago = time.time() - (jit.UNUSED_DAYS + 1) * 86400
    for name in ("used", "unused", "recent"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kernel.nbc").touch()
    for name in ("used", "unused"):
        os.utime(tmp_path / name, (long_ago, long_ago))

    @jit.kernel()
    def double(x):
        return x + x

    jit.remove_unused()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recent", "used"]


def test_a_user_without_a_home_folder_keeps_kernels_elsewhere(monkeypatch):
    monkeypatch.setenv(jit.CACHE_ENVIRONMENT_VARIABLE, "~nobody-of-that-name/cache")
    monkeypatch.setattr(jit, "_user_cache_folder", lambda: "~nobody-of-that-name/.cache")
    assert jit.cache_base.__wrapped__() == Path(jit._temporary_folder()) / "aino-kernels"


def test_without_a_writable_folder_kernels_are_compiled_without_a_cache(monkeypatch):
    monkeypatch.setattr(jit, "cache_base", lambda: None)

    @jit.kernel()
    def double(x):
        return x + x

    assert double(21) == 42


def test_bounds_are_checked_on_request_in_spite_of_unchecked_code_in_the_cache(tmp_path):
    (tmp_path / "reader.py").write_text(
        "import numpy as np\n"
        "from engine.native.jit import kernel\n\n"
        "@kernel()\n"
        "def read(a, i): return a[i]\n\n"
        "def answer():\n"
        "    try: return str(read(np.zeros(3), 3) is None)\n"
        "    except IndexError: return 'refused'\n"
    )
    answers = []
    for checked in ("0", "1", "0"):
        environment = os.environ | {
            "NUMBA_BOUNDSCHECK": checked,
            "AINO_CACHE_DIR": str(tmp_path),
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        }
        command = [sys.executable, "-c", "import reader; print(reader.answer())"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        answers.append(done.stdout.strip())
    assert answers == ["False", "refused", "False"]


def test_importing_kernels_rewrote_the_numba_cache_folder_of_every_other_library(tmp_path):
    (tmp_path / "stranger.py").write_text("import numba\n\n@numba.njit(cache=True)\ndef double(x): return x + x\n")
    program = (
        "import numba\n"
        "before = numba.config.CACHE_DIR\n"
        "import engine.board.attacks\n"
        "import stranger\n"
        "assert stranger.double(21) == 42\n"
        "print(numba.config.CACHE_DIR == before, stranger.double._cache.cache_path)\n"
    )
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(tmp_path / "theirs"),
        "AINO_CACHE_DIR": str(tmp_path / "ours"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    unchanged, folder = done.stdout.split()
    assert unchanged == "True"
    assert (tmp_path / "theirs") in Path(folder).parents
    assert not list((tmp_path / "theirs").rglob("attacks*"))


class Family(NamedTuple):
    x: np.ndarray


def _one(model, leaves, leaf):
    raise TypeError


def _two(model, leaves, leaf):
    raise TypeError


@jit.kernel()
def write_one(model, leaves, leaf):
    leaves[leaf] = 1.0


@jit.kernel()
def write_two(model, leaves, leaf):
    leaves[leaf] = 2.0


one, register_one = jit.kernel_by_type(_one)
two, register_two = jit.kernel_by_type(_two)
register_one(Family, write_one)
register_two(Family, write_two)


@jit.kernel()
def both(model, leaves):
    one(model, leaves, 0)
    two(model, leaves, 1)


def test_a_call_by_type_reaches_the_kernel_of_that_type_and_refuses_others():
    family, leaves = Family(np.zeros(1)), np.zeros(2)
    both(family, leaves)
    assert leaves.tolist() == [1.0, 2.0]
    two(family, leaves, 0)
    assert leaves.tolist() == [2.0, 2.0]
    with pytest.raises(TypingError, match="_one: no kernel for"):
        both((np.zeros(1),), leaves)
