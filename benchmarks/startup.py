"""How long a GUI waits: `python -m benchmarks.startup [FLAGS FOR AINO]` prints one table.

    warm              everything compiled before; median of five starts
    cold              an empty kernel cache
    four at once      four engines started together on an empty cache: the slowest of them
    read-only home    no cache folder can be created in the home folder or in AINO_CACHE_DIR; kernels cached
                      in the temporary folder by an earlier such start
    quit, end         from `quit`, or the end of input, during a search to the end of the process; worst of five

Times in seconds: `uciok` from the start of the process, `readyok` from `isready` (with the import
of everything), the first move of 20 nodes from `go`: on an empty cache it waits until everything is
compiled.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from engine.native.pool import ThreadPool
from tests.protocol.aino_process import START_S, AinoProcess

WARM_STARTS = 5
ENGINES_AT_ONCE = 4

# Seconds to `uciok`, from there to `readyok`, and from there to the first move.
Start = tuple[float, float, float]


def measure_start(flags: tuple[str, ...], environment: Mapping[str, str]) -> Start:
    """Start an engine, wait until it is ready and let it search a little. Raises AssertionError if
    it cannot.
    """
    begun = time.perf_counter()
    with AinoProcess(*flags, environment=environment) as engine:
        engine.send("uci")
        engine.read_until("uciok", START_S)
        greeted = time.perf_counter()
        engine.ready()
        ready = time.perf_counter()
        engine.go("startpos", "nodes 20")
        moved = time.perf_counter()
        engine.send("quit")
        status, errors = engine.finish()
    assert (status, errors) == (0, "")
    return greeted - begun, ready - greeted, moved - ready


def measure_together(flags: tuple[str, ...], environment: Mapping[str, str]) -> Start:
    """Start several engines at the same time: the slowest time of each kind."""
    with ThreadPool(ENGINES_AT_ONCE, "start") as pool:
        starts = pool.map(lambda _: measure_start(flags, environment), range(ENGINES_AT_ONCE))
    return _each(max, starts)


def _each(choose: Callable[[Iterable[float]], float], starts: Sequence[Start]) -> Start:
    greeted, ready, moved = (choose(times) for times in zip(*starts, strict=True))
    return greeted, ready, moved


def no_home() -> dict[str, str]:
    """Return an environment in which nobody, not even root, can create a cache folder in the usual
    places.
    """
    return dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "AINO_CACHE_DIR"), os.devnull)


def measure_end(flags: tuple[str, ...], end: Callable[[AinoProcess], None]) -> float:
    """Seconds from the request to quit, in the middle of a search, to the end of the process."""
    with AinoProcess(*flags) as engine:
        engine.ready()
        engine.send("go infinite")
        engine.read_for(0.5)
        begun = time.perf_counter()
        end(engine)
        engine.process.wait(START_S)
        return time.perf_counter() - begun


def main(flags: tuple[str, ...]) -> None:
    print(f"{'':16}{'uciok':>8}{'readyok':>9}{'first move':>12}")

    def show(name: str, start: Start) -> None:
        print(f"{name:16}{start[0]:8.3f}{start[1]:9.3f}{start[2]:12.3f}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        cache = {"AINO_CACHE_DIR": str(Path(folder) / "one")}
        show("cold", measure_start(flags, cache))
        starts = [measure_start(flags, cache) for _ in range(WARM_STARTS)]
        show("warm", _each(statistics.median, starts))
        cache = {"AINO_CACHE_DIR": str(Path(folder) / "four")}
        show("four at once", measure_together(flags, cache))
        show("four, warm", measure_together(flags, cache))
    measure_start(flags, no_home())
    show("read-only home", measure_start(flags, no_home()))
    ends: dict[str, Callable[[AinoProcess], None]] = {
        "quit": lambda engine: engine.send("quit"),
        "end": AinoProcess.close_input,
    }
    for name, end in ends.items():
        slowest = max(measure_end(flags, end) for _ in range(WARM_STARTS))
        print(f"{name:16}{slowest:8.3f}")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
