"""Aino as a process of its own, spoken to line by line."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "uci"]
START_S = 200.0  # a start that compiles everything, on a busy machine
ANSWER_S = 60.0


class AinoProcess:
    """A started engine; every read has a deadline, so that a hanging engine fails the test."""

    def __init__(self, *flags: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *flags], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.decode().rstrip("\r\n"))
        self._lines.put(None)

    def send(self, *lines: str) -> None:
        self.send_bytes("".join(f"{line}\n" for line in lines).encode())

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read_until(self, word: str, seconds: float = ANSWER_S) -> list[str]:
        """All lines up to the first that begins with a word, that one included."""
        deadline = time.monotonic() + seconds
        seen: list[str] = []
        while not seen or seen[-1].split(" ")[0] != word:
            line = self._next(deadline)
            assert line is not None, f"the engine ended before {word!r}: {seen}"
            seen.append(line)
        return seen

    def read_to_end(self, seconds: float = ANSWER_S) -> list[str]:
        """All lines until the process closes its output."""
        deadline = time.monotonic() + seconds
        seen = []
        while (line := self._next(deadline)) is not None:
            seen.append(line)
        return seen

    def _next(self, deadline: float) -> str | None:
        return self._lines.get(timeout=max(0.001, deadline - time.monotonic()))

    def ready(self) -> list[str]:
        """Sends isready and waits for the answer."""
        self.send("isready")
        return self.read_until("readyok", START_S)

    def close_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def finish(self) -> tuple[int, str]:
        """Exit status and stderr, once the process has ended by itself."""
        assert self.process.stderr is not None
        status = self.process.wait(ANSWER_S)
        return status, self.process.stderr.read().decode()

    def __enter__(self) -> AinoProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:  # what the dead engine never read
                continue
