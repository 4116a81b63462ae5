"""The start-up part of `aino bench`: how long a new engine process takes to answer, with warm and with empty caches."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from engine.errors import ConfigError
from uci.loading.child import child_environment

__all__ = ["measure_start"]

RUNS = 3
LONGEST_S = 300.0  # seconds; longest time to compile everything on a slow machine


def measure_start(cold: bool = False) -> dict[str, float]:
    """Seconds from the start of the process to `uciok`, `readyok` and the first move, the best of several starts.

    With warm caches, after one start that fills them; `cold` adds the times of a start whose kernel cache is empty.
    Raises ConfigError when an engine process does not answer.
    """
    _start({})
    best = [min(times) for times in zip(*(_start({}) for _ in range(RUNS)), strict=True)]
    results = dict(zip(("uciok", "readyok", "first move"), best, strict=True))
    if cold:
        with tempfile.TemporaryDirectory() as folder:
            empty = _start({"AINO_CACHE_DIR": folder})
        names = ("uciok, empty cache", "readyok, empty cache", "first move, empty cache")
        results |= dict(zip(names, empty, strict=True))
    return results


def _start(variables: dict[str, str]) -> tuple[float, ...]:
    """Seconds to (uciok, readyok, bestmove) of one new process, with these environment variables besides our own."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "uci"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment() | variables,
        text=True,
    )
    try:
        times = []
        for command, word in (("uci", "uciok"), ("isready", "readyok"), ("go nodes 1", "bestmove")):
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{command}\n")
            process.stdin.flush()
            while (line := process.stdout.readline()).split(" ")[0].strip() != word:
                if not line or time.perf_counter() - begin > LONGEST_S:
                    raise ConfigError(f"{' '.join(process.args)} did not answer {word}")  # type: ignore[arg-type]
            times.append(time.perf_counter() - begin)
        process.communicate("quit\n", timeout=LONGEST_S)
    finally:
        process.kill()
        process.wait()
    return tuple(times)
