"""The process that compiles: its steps, where what it compiles cannot be kept, and where its parent
dies.
"""

import subprocess
import sys
import time

import numba
import pytest

from engine.native import jit, kernel_use
from engine.native.compile_events import CompileSteps
from tests.new_process import ROOT, running
from uci.loading import compiler

HINTS_ALONE = """
import threading, time
from uci.loading import compiler
threading.Thread(target=compiler._end_with_parent, daemon=True).start()
print("working", flush=True)
time.sleep(600)
"""


def test_kernels_that_could_not_be_written_are_not_marked_as_compiled(monkeypatch, tmp_path):
    """Each later start then believed the mark, and compiled while its user waited."""
    monkeypatch.setattr(compiler, "_compile", lambda place: None)
    monkeypatch.setattr(kernel_use, "used", set())  # of tests before, whose files are gone
    monkeypatch.setattr(kernel_use, "lost", ["a kernel"])
    assert compiler.main(str(tmp_path), "name", "{}") == compiler.NOT_KEPT
    assert not list(tmp_path.glob("compiled-*"))
    monkeypatch.setattr(kernel_use, "lost", [])
    assert compiler.main(str(tmp_path), "name", "{}") == 0
    assert list(tmp_path.glob("compiled-*"))


def test_the_mark_lists_the_kernels_that_were_compiled_or_loaded(monkeypatch, tmp_path):
    def compile_one(place):
        (tmp_path / "new-1.kernel").write_bytes(b"code")
        monkeypatch.setattr(kernel_use, "used", {tmp_path / "new-1.kernel"})

    monkeypatch.setattr(compiler, "_compile", compile_one)
    assert compiler.main(str(tmp_path), "name", "{}") == 0
    assert (tmp_path / "compiled-name").read_text() == "4 new-1.kernel\n"
    (tmp_path / "new-1.kernel").unlink()
    assert compiler.main(str(tmp_path), "name", "{}") == 0
    assert (tmp_path / "new-1.kernel").exists(), "the compiler believed the mark"


def test_the_compiler_of_hints_ends_with_its_parent():
    """It went on alone on a core after its parent had been aborted."""
    streams = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with running([sys.executable, "-c", HINTS_ALONE], cwd=ROOT, **streams) as child:
        assert child.stdout.readline().strip() == b"working"
        child.stdin.close()  # as when the system takes down the process that holds it
        begun = time.monotonic()
        assert child.wait(timeout=280) == 1
        assert time.monotonic() - begun < 280


HINTS_WITH_NOTHING_TO_DO = """
import sys
from uci.loading import compiler
compiler._compile_hints = lambda place: None
sys.exit(compiler.main(sys.argv[1], "name", "{}", "hints"))
"""


def test_a_compiler_of_hints_ends_once_its_work_is_done(tmp_path):
    """Python waited at its end for the stream that a thread was reading."""
    command = [sys.executable, "-c", HINTS_WITH_NOTHING_TO_DO, str(tmp_path)]
    streams = dict.fromkeys(("stdin", "stderr"), subprocess.PIPE)
    with running(command, cwd=ROOT, **streams) as child:
        assert child.wait(timeout=280) == 0, child.stderr.read()


def test_a_system_without_a_temporary_folder_keeps_kernels_elsewhere(monkeypatch, tmp_path):
    """As in a container whose files are read-only, although there was a folder for kernels."""

    def nowhere():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(jit.tempfile, "gettempdir", nowhere)
    monkeypatch.setenv(jit.CACHE_ENVIRONMENT_VARIABLE, str(tmp_path))
    assert jit.cache_base.__wrapped__() == tmp_path / "aino-kernels"
    assert jit._temporary_folder() is None


def test_functions_without_a_module_are_counted():
    """The compiler's process ended with another error, and the first start compiled in the engine's
    own.
    """
    names = {}
    # as Numba makes some
    exec("def twice(x):\n    return 2 * x\n\ndef spoilt(x):\n    return x.nothing\n", names)
    steps = []
    with CompileSteps(steps.append):
        assert numba.njit(names["twice"])(3) == 6
        with pytest.raises(numba.TypingError, match="nothing"):
            numba.njit(names["spoilt"])(3)
    assert steps == [1]
