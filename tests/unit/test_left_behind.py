"""The check's look for processes that the tests have left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.new_process import ROOT, running

CHECK = ROOT / ".ci" / "left_behind"
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists() or not CHECK.exists(), reason="Linux alone tells"
)


def looked(mark):
    program = (
        "import runpy, sys\n"
        f"check = runpy.run_path({str(CHECK)!r})['main']\n"
        "check.__globals__['PATIENCE_S'] = 0.0\n"
        "sys.exit(check())\n"
    )
    environment = {**os.environ, "AINO_CI_MARK": mark}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )


def test_a_process_that_a_test_left_behind_is_named(tmp_path):
    environment = {**os.environ, "AINO_CI_MARK": str(tmp_path)}
    command = [sys.executable, "-c", "input()", "pretended"]
    with running(command, env=environment, stdin=subprocess.PIPE) as process:
        check = looked(str(tmp_path))
        process.stdin.close()
    assert check.returncode == 1
    assert f"left behind: {process.pid}" in check.stderr
    assert "pretended" in check.stderr


def test_processes_of_others_are_not_left_behind(tmp_path):
    check = looked(str(tmp_path))
    assert (check.returncode, check.stderr) == (0, "")


def test_processes_of_tests_end_with_their_block():
    """A test that failed left a board or a generation at work, and one hung waiting for it."""
    own_ends = {"new_process", "aino_process", "workshop"}
    starters = {
        path.stem
        for path in (ROOT / "tests").rglob("*.py")
        if "subprocess.Popen(" in path.read_text(encoding="utf-8")
    }
    assert starters - {Path(__file__).stem} == own_ends
