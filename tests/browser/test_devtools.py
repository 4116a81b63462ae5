"""The browser of the tests, where it does not start."""

import subprocess

import pytest

from tests.browser import devtools
from tests.new_process import posix


@posix  # a shell script
def test_a_browser_that_does_not_start_is_ended(tmp_path, monkeypatch):
    """Its process stayed."""
    program = tmp_path / "browser"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o700)
    started = []
    start = subprocess.Popen
    monkeypatch.setattr(devtools, "WAIT_S", 0.0)
    monkeypatch.setattr(
        subprocess,
        "Popen",
        lambda *words, **how: started.append(start(*words, **how)) or started[0],
    )
    with (
        pytest.raises(AssertionError, match="did not start"),
        devtools.chromium_running(program, tmp_path),
    ):
        pass
    assert started[0].returncode is not None
