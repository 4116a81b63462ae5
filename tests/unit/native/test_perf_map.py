"""The names that `benchmarks.perf_map` tells perf."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.perf_map import readable
from tests.new_process import ROOT


def test_symbol_of_numba_is_readable() -> None:
    assert readable("part._ZN6engine5board3seeB2v1B54c8tJTI") == "engine.board.see"
    assert readable("memcpy") == "memcpy"


@pytest.mark.skipif(shutil.which("nm") is None or sys.platform != "linux", reason="perf is a program of Linux")
def test_kernels_from_the_cache_have_names() -> None:
    for _ in range(2):  # The first may have to compile them.
        command = [sys.executable, "-m", "benchmarks.perf_map", "perft", "2"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            process.communicate(timeout=600)
        names = Path(f"/tmp/perf-{process.pid}.map")
        lines = [line.split(" ", 2) for line in names.read_text(encoding="ascii").splitlines() if line]
        names.unlink()
    assert all(int(address, 16) > 0 and int(size, 16) >= 0 for address, size, _ in lines)
    assert any(name.startswith("engine.board.") for _, _, name in lines)
