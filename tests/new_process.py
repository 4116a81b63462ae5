"""Programs in a Python process of their own, waiting for what they do, a limit on the files of this
one, and marks of tests that not every system can run.
"""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What python-chess and Tornado do, with Python 3.14.
OF_LIBRARIES = "ignore:'asyncio:DeprecationWarning"
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def output_of(program, *words, warnings="default", **environment):
    """What a program prints that must end well; it finds the project, and modules in `PYTHONPATH`
    before it.
    """
    path = os.pathsep.join(filter(None, [environment.pop("PYTHONPATH", ""), str(ROOT)]))
    done = subprocess.run(
        [sys.executable, "-P", "-W", warnings, "-W", OF_LIBRARIES, "-c", program, *words],
        env={**os.environ, **environment, "PYTHONPATH": path}, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def running(command, **how):
    """A process that does not outlive its block, however that ends."""
    with subprocess.Popen(command, **how) as process:
        try:
            yield process
        finally:
            process.kill()


def talking(command):
    """A program in the project's folder, whose words are written and read by the test."""
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return running(command, cwd=ROOT, **streams)


def wait_until(happens):
    """Look every few milliseconds until something has happened."""
    deadline = time.monotonic() + 400
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextlib.contextmanager
def largest_file(size):
    """No file of this process may grow beyond `size` bytes: what a full disk is like, without
    filling one.
    """
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python keeps files that were cut
    keeps_none = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        sys.dont_write_bytecode = keeps_none
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
