"""The process that compiles: `python -m uci.loading.compiler FOLDER NAME OPTIONS`, started by `uci.loading.background`.

It asks for the lock before it imports anything large, because many may be started while one is at work. Where there
are two processors a second process compiles alpha-beta meanwhile: Numba compiles on one thread of a process at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from engine.native.locks import FileLock

# Exit statuses of compilers, which no death of a process has: Windows gives 3 to one that aborts.
LOCKED: Final = 73  # another one is at work
NOT_KEPT: Final = 74  # kernels cannot be written, as on a full disk

# Steps of the progress bar (`CompileTimes`) for a search with an evaluator, alpha-beta left aside; and for alpha-beta.
# Counted on two processors for the default engine, by estimate for the others.
SEARCH_STEPS = {"auto": 271, "sparse": 271, "hybrid": 330, "network": 300, "material": 200}
HINT_STEPS = 100

_LONGEST_WORDS = 200  # characters of an error
_TOTAL_BYTES = 6  # digits and a line end, at the beginning of the file of progress


class Place(NamedTuple):
    """Files in the kernel cache about the kernels for some options."""

    folder: Path
    name: str
    choice: str  # JSON: options of an engine that needs these kernels

    @property
    def done(self) -> Path:
        """Exists once everything is compiled."""
        return self.folder / f"compiled-{self.name}"

    @property
    def progress(self) -> Path:
        """How many steps there are, and a byte for each that is done."""
        return self.folder / f"progress-{self.name}"

    @property
    def errors(self) -> Path:
        """What compilers that failed wrote on stderr."""
        return self.folder / f"errors-{self.name}"

    @property
    def lock(self) -> Path:
        """Held by the compiler."""
        return self.folder / "lock"

    def take_last_words(self) -> str:
        """The last line that a failed compiler wrote, such as the error that ended it; "" where there is none."""
        try:
            lines = self.errors.read_text(encoding="utf-8", errors="replace").split("\n")
            self.errors.unlink()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:_LONGEST_WORDS]

    def counted(self) -> tuple[int, int]:
        """Steps done by the compiler at work, and how many there are by estimate; (0, 1) where none is."""
        try:
            text = self.progress.read_bytes()
            total = int(text[:_TOTAL_BYTES])
        except (OSError, ValueError):
            return 0, 1
        return min(len(text) - _TOTAL_BYTES, total), total


def child_environment() -> dict[str, str]:
    """An environment in which `python -P -m MODULE` finds the modules that this process does.

    Without -P it would look into the working folder first, and run whatever lies there under our modules' names.
    """
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def main(folder: str, name: str, choice: str, part: str = "") -> int:
    """Compiles everything for these options (JSON), unless that was done or another process is at it.

    Returns the exit status. The `part` "hints" is compiled without asking.
    """
    place = Place(Path(folder), name, choice)
    if part:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        with _counting(place):
            _compile_hints(place)
        return 0
    lock = FileLock(place.lock)
    with contextlib.suppress(OSError):  # a full disk, or a file system without locks: two compilers cost time only
        if not lock.try_acquire():
            return LOCKED
    try:
        if not place.done.exists():
            _compile(place)
            from engine.native.jit import loses_kernels

            if loses_kernels():
                return NOT_KEPT
            with contextlib.suppress(OSError):
                place.done.touch()
        with contextlib.suppress(OSError):
            place.errors.unlink()
    finally:
        with contextlib.suppress(OSError):
            place.progress.unlink()
        lock.release()
    return 0


def _compile(place: Place) -> None:
    from engine.native.jit import remove_unused
    from engine.options import EngineOptions, usable_cpus
    from engine.player import Engine

    options = EngineOptions(**json.loads(place.choice))
    hinted = options.tactical_nodes > 0
    steps = SEARCH_STEPS.get(options.evaluator, SEARCH_STEPS["network"]) + HINT_STEPS * hinted
    with contextlib.suppress(OSError):
        place.progress.write_text(f"{steps:{_TOTAL_BYTES - 1}}\n", encoding="ascii")
    with _counting(place):
        if hinted and usable_cpus() > 1:
            with _hint_compiler(place), Engine(replace(options, tactical_nodes=0.0)) as engine:
                engine.warm_up()
        with Engine(options) as engine:
            engine.warm_up()
    remove_unused()  # What is new may take the place of an old version.


def _compile_hints(place: Place) -> None:
    from engine.options import EngineOptions
    from engine.player import Engine

    with Engine(EngineOptions(**json.loads(place.choice))) as engine:
        engine.warm_up_hints()


def _end_with_parent() -> None:
    """Ends this process once its standard input does: the parent holds the other end, whatever kills it."""
    sys.stdin.buffer.read()
    os._exit(1)


@contextlib.contextmanager
def _hint_compiler(place: Place) -> Iterator[None]:
    """Has another process compile alpha-beta meanwhile, and waits for it; if none can be started, nothing happens."""
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "uci.loading.compiler", *map(str, place), "hints"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # no black window on Windows
        )
    except OSError:
        yield
        return
    try:
        yield
        process.wait()
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


@contextlib.contextmanager
def _counting(place: Place) -> Iterator[None]:
    """Appends a byte to the file of progress for every step of what is compiled meanwhile."""
    from engine.native.compile_events import CompileTimes
    from engine.native.jit import loses_kernels

    try:
        stream = place.progress.open("ab", buffering=0)
    except OSError:
        yield
        return

    def count(steps: int) -> None:
        if loses_kernels():  # The engine has to compile for itself; nothing is gained by going on.
            sys.exit(NOT_KEPT)
        with contextlib.suppress(OSError):
            stream.write(b"." * steps)

    with stream, CompileTimes(count):
        yield


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
