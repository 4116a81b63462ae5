"""The process that compiles: `python -m uci.loading.compiler FOLDER NAME OPTIONS`, started by
`uci.loading.background`.

It asks for the lock before it imports anything large, because many may be started while one is at
work. Where there are two processors a second process compiles alpha-beta meanwhile: Numba compiles
on one thread of a process at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.files.atomic import write_file
from engine.native.locks import FileLock

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from engine.options import EngineOptions

# MiB of address space that compiled code needs, measured.
TO_LOAD_MIB = 200  # for all kernels from the cache, with the search's threads; measured
TO_COMPILE_MIB = 450

# Exit statuses of compilers, which no death of a process has: Windows gives 3 to one that aborts.
LOCKED: Final = 73  # another one is at work
NOT_KEPT: Final = 74  # kernels cannot be written, as on a full disk

# Steps of the progress bar (`CompileSteps`) for a search without alpha-beta, and for alpha-beta.
# Counted for the default engine where nothing is kept yet, by estimate for the others.
SEARCH_STEPS = {"auto": 348, "sparse": 348}
SEARCH_STEPS_OF_OTHERS = 308
HINT_STEPS = 95
PEOPLE_STEPS = 14  # of the network of people, beside those of a search: its kernels
STEPS_OF_A_VARIANT = 22  # of a network, whose search needs no others

_LONGEST_WORDS = 200  # characters of an error
_TOTAL_BYTES = 6  # digits and a line end, at the beginning of the file of progress


class Place(NamedTuple):
    """Files in the kernel cache about the kernels for some options."""

    folder: Path
    name: str
    choice: str  # JSON: options of an engine that needs these kernels

    @property
    def done(self) -> Path:
        """Lists the files of the kernels, once everything is compiled."""
        return self.folder / f"compiled-{self.name}"

    @property
    def is_compiled(self) -> bool:
        """Whether everything is compiled, and all its files are still there and whole: cleaners of
        caches delete some, and power failures cut some.
        """
        try:
            rows = [line.split(maxsplit=1) for line in self.done.read_text("utf-8").splitlines()]
            return all((self.folder / name).stat().st_size == int(size) for size, name in rows)
        except (OSError, ValueError):
            return False

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
        """Return the last line that a failed compiler wrote, such as the error that ended it, or
        "".
        """
        try:
            lines = self.errors.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return ""
        with contextlib.suppress(OSError):
            self.errors.unlink()
        for line in map(str.strip, reversed(lines)):
            if line:
                return line[:_LONGEST_WORDS]
        return ""

    def counted(self) -> tuple[int, int]:
        """Return steps done by the compiler at work, and how many there are by estimate; (0, 1)
        where none is.
        """
        try:
            text = self.progress.read_bytes()
            total = int(text[:_TOTAL_BYTES])
        except (OSError, ValueError):
            return 0, 1
        return min(len(text) - _TOTAL_BYTES, total), total


def check_room(needed_mib: int) -> None:
    """Raise MemoryError where a limit (`ulimit -v`) leaves less than this: LLVM then aborts, or is
    busy for ever.
    """
    if resource is None or not hasattr(resource, "RLIMIT_AS"):
        return
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    try:
        used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    except OSError:  # not Linux
        used = 0
    left = (most - used) >> 20
    if most != resource.RLIM_INFINITY and left < needed_mib:
        raise MemoryError(
            f"{left} MiB of address space are left (ulimit -v), and compiled code needs {needed_mib} MiB"
        )


def child_environment() -> dict[str, str]:
    """Return an environment in which `python -P -m MODULE` finds the modules that this process
    does.

    Without -P it would look into the working folder first, and run whatever lies there under our
    modules' names.
    """
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def main(folder: str, name: str, choice: str, part: str = "") -> int:
    """Compile everything for these options (JSON), unless that was done or another process is at
    it.

    Returns the exit status. The `part` "hints" is compiled without asking.
    """
    place = Place(Path(folder), name, choice)
    if part:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        with _counting(place):
            _compile_hints(place)
        return 0
    lock = FileLock(place.lock)
    # A full disk, or a file system without locks: two compilers cost time only.
    with contextlib.suppress(OSError):
        if not lock.try_acquire():
            return LOCKED
    try:
        if not place.is_compiled:
            _compile(place)
            from engine.native.kernel_use import loses_kernels, used_files

            if loses_kernels():
                return NOT_KEPT
            with contextlib.suppress(OSError):
                write_file(place.done, used_files())
        with contextlib.suppress(OSError):
            place.errors.unlink()
    finally:
        with contextlib.suppress(OSError):
            place.progress.unlink()
        lock.release()
    return 0


def _compile(place: Place) -> None:
    from engine.native.jit import remove_unused
    from engine.options import usable_cpus
    from engine.player import Engine

    check_room(TO_COMPILE_MIB)
    with _chosen(place.choice) as (options, *variants):
        hinted = options.tactical_nodes > 0
        steps = SEARCH_STEPS.get(options.evaluator, SEARCH_STEPS_OF_OTHERS)
        steps += HINT_STEPS * hinted + STEPS_OF_A_VARIANT * len(variants)
        steps += PEOPLE_STEPS * (options.play_like == "people")
        with contextlib.suppress(OSError):
            place.progress.write_bytes(b"%*d\n" % (_TOTAL_BYTES - 1, steps))
        apart = hinted and usable_cpus() > 1
        with (
            _counting(place),
            Engine(replace(options, tactical_nodes=0.0) if apart else options) as engine,
        ):
            if apart:
                with _hint_compiler(place):
                    engine.warm_up()
            for variant in (options, *variants):
                engine.set_options(variant)
                engine.warm_up()
    remove_unused()  # What is new may take the place of an old version.


def _compile_hints(place: Place) -> None:
    from engine.player import Engine

    # Alpha-beta is the same with any evaluator, and this one has no network that takes memory.
    with (
        _chosen(place.choice) as (options, *_),
        Engine(replace(options, evaluator="material")) as engine,
    ):
        engine.warm_up_hints()


@contextlib.contextmanager
def _chosen(choice: str) -> Iterator[list[EngineOptions]]:
    """Provide the options of engines that need all kernels of a choice."""
    from engine.options import EngineOptions

    values = json.loads(choice)
    has_stand_ins = values.pop("stand_ins", False)
    options = EngineOptions(**values)
    if not has_stand_ins:
        yield [options]
        return
    from engine.network.weightless import write_stand_ins

    with tempfile.TemporaryDirectory() as folder:
        yield [replace(options, weights_file=str(path)) for path in write_stand_ins(Path(folder))]


def _end_with_parent() -> None:
    """End this process once its standard input does: the parent holds the other end, whatever kills
    it.
    """
    # A stream would be locked when Python ends, which then aborts.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


@contextlib.contextmanager
def _hint_compiler(place: Place) -> Iterator[None]:
    """Have another process compile alpha-beta meanwhile, and wait for it, if one can be started."""
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
    with process:
        try:
            yield
            process.wait()
        finally:
            process.kill()


@contextlib.contextmanager
def _counting(place: Place) -> Iterator[None]:
    """Append a byte to the file of progress for every step of what is compiled meanwhile."""
    from engine.native.compile_events import CompileSteps
    from engine.native.kernel_use import loses_kernels

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

    with stream, CompileSteps(count):
        yield


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
