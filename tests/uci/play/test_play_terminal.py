"""A question of `aino play` in a real terminal: a falling flag."""

import contextlib
import os
import subprocess
import sys

import pytest

from tests.new_process import running
from tests.protocol.aino_process import ROOT
from uci.play.asking import _until_the_flag_falls

if sys.platform == "win32":
    pytest.skip("pseudo-terminals of POSIX", allow_module_level=True)

import pty
import select

ANSWER_S = 200.0
# A question with a clock, without an engine; then one without a clock.
ASKING = """
import readline, sys
from uci.play.asking import FlagFell, ask_line
try:
    print("answer", repr(ask_line("your move: ", float(sys.argv[1]))))
except FlagFell:
    print("the flag fell")
print("answer", repr(ask_line("next: ")))
"""


@contextlib.contextmanager
def asking(seconds):
    """The side of a pseudo-terminal in which the questions are asked, with some seconds on the clock."""
    side, inner = pty.openpty()
    command = [sys.executable, "-c", ASKING, str(seconds)]
    with running(command, cwd=ROOT, stdin=inner, stdout=inner, stderr=inner):
        os.close(inner)
        yield side
    os.close(side)


def read_to(side, words):
    """What is written until these words come."""
    seen = ""
    while words not in seen:
        assert select.select([side], [], [], ANSWER_S)[0], f"no {words!r} in {seen!r}"
        seen += os.read(side, 4096).decode()
    return seen


def test_flag_that_falls_takes_the_half_typed_line_along():
    with asking(4.0) as terminal:  # long enough to type something on a busy machine
        read_to(terminal, "your move: ")
        os.write(terminal, b"Nf")
        assert "the flag fell" in read_to(terminal, "next: ")
        os.write(terminal, b"d4\n")
        read_to(terminal, "answer 'd4'")


def test_the_flag_does_not_fall_while_the_program_is_stopped():
    with _until_the_flag_falls(1.5):
        subprocess.run(
            ["sh", "-c", f"kill -STOP {os.getpid()}; sleep 2; kill -CONT {os.getpid()}"], check=True
        )
