"""A screen that nobody watches, for GUI programs, and the processes that they start there."""

import contextlib
import os
import subprocess
import time
import uuid
from pathlib import Path

from tests.new_process import running
from uci.loading.compiler import child_environment

# where Debian puts games
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/games"])
SCREEN = "1100x700x24"
POLL_S = 0.05
_MARK = "AINO_TEST_SCREEN"  # environment variable by which the processes of a screen are found


@contextlib.contextmanager
def virtual_screen():
    """An X server without a screen; gives the environment in which programs find it, and this copy
    of the sources.
    """
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", SCREEN, "-nolisten", "tcp"]
    streams = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
    with running(command, pass_fds=[write], **streams) as server:
        os.close(write)
        with os.fdopen(read) as pipe:
            display = pipe.readline().strip()
        screen = {"DISPLAY": f":{display}", "PATH": SEARCH_PATH, _MARK: str(uuid.uuid4())}
        yield {**child_environment(), **screen}
        server.terminate()
        server.wait()


def processes_left(screen, program, seconds=0.0):
    """Command lines that begin with `program`, of the screen's processes that have not ended after
    this time.

    Reads /proc: their environment tells them, whoever their parent is by then. Needs Linux.
    """
    deadline = time.monotonic() + seconds
    while True:
        left = [
            command
            for command in _commands(f"{_MARK}={screen[_MARK]}".encode())
            if command.startswith(program)
        ]
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(POLL_S)


def _commands(mark):
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is somebody else's
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
