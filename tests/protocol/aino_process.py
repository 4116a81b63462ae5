"""A UCI engine as a process of its own, spoken to line by line.

No python-chess here: the tests send bytes that it would never send, and read lines that it would
drop.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from uci.loading.compiler import child_environment

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "uci"]
START_S = 600.0  # seconds; enough to compile everything on a busy machine
ANSWER_S = 200.0


class EngineProcess:
    """A started engine; every read has a deadline, so that a hanging engine fails the test."""

    def __init__(self, command, environment=None):
        self.process: Any = subprocess.Popen(  # Any: a type checker doubts that its pipes exist
            command,
            env={**child_environment(), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: list[bytes] = []
        self._readers = [
            threading.Thread(target=work, daemon=True) for work in (self._read, self._read_errors)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.decode().rstrip("\r\n"))
        self._lines.put(None)

    def _read_errors(self):
        """Read stderr too, because an engine that writes a lot there must not block on a full pipe."""
        self._errors.extend(self.process.stderr)

    def send(self, *lines):
        self.send_bytes("".join(f"{line}\n" for line in lines).encode())

    def send_bytes(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read_until(self, word, seconds=ANSWER_S):
        """All lines up to the first that begins with a word, that one included; compiling may take
        longer.
        """
        deadline = time.monotonic() + seconds
        seen: list[str] = []
        while not seen or seen[-1].split(" ")[0] != word:
            line = self._next(deadline, word)
            assert line is not None, f"the engine ended before {word!r}: {seen}"
            seen.append(line)
            if line.startswith("info string compiling"):
                deadline = max(deadline, time.monotonic() + seconds)
        return seen

    def read_for(self, seconds):
        """All lines that come within a time."""
        deadline = time.monotonic() + seconds
        seen = []
        with contextlib.suppress(queue.Empty):
            while (
                line := self._lines.get(timeout=max(0.001, deadline - time.monotonic()))
            ) is not None:
                seen.append(line)
        return seen

    def read_to_end(self, seconds=ANSWER_S):
        """All lines until the process closes its output."""
        deadline = time.monotonic() + seconds
        lines = []
        while (line := self._next(deadline, "the end")) is not None:
            lines.append(line)
        return lines

    def _next(self, deadline, word):
        try:
            return self._lines.get(timeout=max(0.001, deadline - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"the engine did not say {word!r} in time") from None

    def go(self, position, command, seconds=ANSWER_S):
        """All lines of one search; `position` as after the word position."""
        self.send(f"position {position}", f"go {command}")
        return self.read_until("bestmove", seconds)

    def ready(self):
        """Sends isready and waits for the answer."""
        self.send("isready")
        return self.read_until("readyok", START_S)

    def close_input(self):
        self.process.stdin.close()

    def finish(self):
        """Exit status and stderr, once the process has ended by itself."""
        status = self.process.wait(ANSWER_S)
        self._readers[1].join()
        return status, b"".join(self._errors).decode()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):  # the dead engine never read its input
                pipe.close()


class AinoProcess(EngineProcess):
    """Aino with some command-line flags, and without the options that the user of this machine may
    keep in a file.
    """

    def __init__(self, *flags, environment=None):
        config = () if "--config" in flags else ("--config", os.devnull)
        super().__init__([*COMMAND, *config, *flags], environment)
