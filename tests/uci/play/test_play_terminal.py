"""`aino play` in a real terminal: a falling flag, what follows a game, loading a game."""

import contextlib
import os
import re
import subprocess
import sys
import time

import pytest

from tests.boards import games_in
from tests.protocol.aino_process import COMMAND, ROOT, START_S
from uci.play.asking import _until_the_flag_falls

if sys.platform == "win32":
    pytest.skip("pseudo-terminals of POSIX", allow_module_level=True)

import fcntl
import pty
import select
import struct
import termios

ANSWER_S = 200.0
FLAGS = "--evaluator material --threads 1 --hash-mib 16 --ascii".split()
MATE_NEXT = "6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1"


class Terminal:
    """A process in a pseudo-terminal of 100 columns. `seen` is all that it has written."""

    def __init__(self, command, home):
        self._side, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        environment = {**os.environ, "TERM": "xterm", "XDG_DATA_HOME": str(home), "NO_COLOR": "1"}
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), inner)
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, **streams)
        os.close(inner)
        self.seen = ""
        self._read_to = 0

    def type(self, *lines):
        for line in lines:
            self.type_letters(f"{line}\n")

    def type_letters(self, text):
        os.write(self._side, text.encode())

    def wait_for(self, pattern, seconds=ANSWER_S):
        """What the pattern matches in new output. Fails when it does not come."""
        deadline = time.monotonic() + seconds
        while (match := re.search(pattern, self.seen[self._read_to :])) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.seen[self._read_to :]!r}"
            if select.select([self._side], [], [], left)[0]:
                try:
                    self.seen += os.read(self._side, 4096).decode()
                except OSError:  # how Linux tells the end
                    pytest.fail(
                        f"the process ended before {pattern!r}: {self.seen[self._read_to :]!r}"
                    )
        self._read_to += match.end()
        return match[0]

    def leave(self, word):
        """Types what ends the program, and waits for its end."""
        self.type(word)
        self.wait_for("saved to ")
        assert self.process.wait(ANSWER_S) == 0

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._side)


@pytest.fixture
def opened(tmp_path):
    """Starts a command that asks for a move; it ends with the test."""
    with contextlib.ExitStack() as started:

        def start(*command):
            terminal = Terminal(command, tmp_path)
            started.callback(terminal.close)
            terminal.wait_for("your move: ", START_S)
            return terminal

        yield start


@pytest.fixture
def start(opened):
    """Starts `aino play`."""
    return lambda *words: opened(*COMMAND, "play", *FLAGS, *words)


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


@pytest.fixture
def asking(opened):
    """Starts the questions with some seconds on the clock."""
    return lambda seconds: opened(sys.executable, "-c", ASKING, str(seconds))


def test_flag_that_falls_takes_the_half_typed_line_along(asking):
    terminal = asking(4.0)  # long enough to type something on a busy machine
    terminal.type_letters("Nf")
    terminal.wait_for("the flag fell")
    terminal.wait_for("next: ")
    terminal.type("d4")
    terminal.wait_for("answer 'd4'")


def test_the_flag_does_not_fall_while_the_program_is_stopped():
    with _until_the_flag_falls(1.5):
        subprocess.run(
            ["sh", "-c", f"kill -STOP {os.getpid()}; sleep 2; kill -CONT {os.getpid()}"], check=True
        )


def saved_files(home):
    return sorted((home / "aino" / "games").glob("*.pgn"))


def test_a_rematch_follows_with_colours_swapped(start, tmp_path):
    terminal = start("--level", "nodes 20", "--fen", MATE_NEXT)
    terminal.type("Ra8", "t", "h3", "resign", "y", "nonsense", "swap")
    terminal.wait_for("1-0: checkmate")
    terminal.wait_for("0-1: you resigned")
    terminal.wait_for("saved to ")
    terminal.wait_for("1-0: checkmate")
    terminal.wait_for("quit")
    terminal.leave("quit")
    first, second = (game for path in saved_files(tmp_path) for game in games_in(path))
    assert (first.headers["White"], first.headers["Result"]) == ("You", "0-1")
    assert (second.headers["Black"], second.headers["Result"], second.headers["FEN"]) == (
        "You",
        "1-0",
        MATE_NEXT,
    )


def test_a_loaded_game_goes_on_as_it_was(start, tmp_path):
    terminal = start("--level", "nodes 20", "--side", "black", "--clock", "10+2")
    terminal.type("e5")
    terminal.wait_for(r"2\.\.\. your move: ")
    terminal.leave("quit")
    shown = start("--load", "last").seen
    assert "you have Black; Aino's level: nodes 20" in shown
    assert re.search(r"\[you \d+:\d\d, Aino 10:\d\d\] 2\.\.\. $", shown.partition("your move")[0])
    assert "level: full" in start("--load", "last", "--level", "full").seen
