"""What the first start compiles: `python -m benchmarks.compile_times [CHECKOUT]` lists kernels and
their CPU seconds.

With the folder of another checkout, that one's times stand beside ours. Each engine is the default
one, in a process of its own with an empty cache. Seconds are without those of kernels compiled
meanwhile, so that they may be added up.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from benchmarks import compile_events
from benchmarks.compile_events import Compilation
from benchmarks.measuring import existing

_OURS = Path(__file__).resolve().parents[1]
_LONGEST_S = 1800.0
_SHOWN = 25  # functions with a line of their own

# Runs in a checkout that may lack our listener, so the listener is loaded from its file.
_PROGRAM = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("compile_events", sys.argv[1])
listener = sys.modules["compile_events"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(listener)
with listener.CompileTimes() as times:
    from engine.options import EngineOptions
    from engine.player import Engine
    with Engine(EngineOptions()) as engine:
        engine.warm_up()
print(json.dumps(times.compilations))
"""


def start(checkout: Path, cache: Path) -> list[Compilation]:
    """Return the compilations of one start of a checkout's default engine with this folder for its
    cache.

    Raises subprocess.CalledProcessError when it fails.
    """
    environment = os.environ | {"PYTHONPATH": str(checkout), "AINO_CACHE_DIR": str(cache)}
    command = [sys.executable, "-P", "-c", _PROGRAM, compile_events.__file__]
    done = subprocess.run(
        command,
        env=environment,
        cwd=checkout,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=_LONGEST_S,
    )
    return [Compilation(*row) for row in json.loads(done.stdout)]


def compile_times(checkout: Path) -> list[Compilation]:
    """Return the compilations of a start with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        return start(checkout, Path(folder))


def main(checkouts: tuple[str, ...]) -> None:
    runs = [
        compile_times(path)
        for path in (*(Path(checkout).resolve() for checkout in checkouts), _OURS)
    ]
    print("".join(f"{name:>16}" for name in (*checkouts, "here")))
    for title, chosen in (
        ("all", runs),
        ("kernels", [[one for one in run if one.ours] for run in runs]),
    ):
        print(
            "".join(f"{sum(one.seconds for one in run):9.2f} s{len(run):5}" for run in chosen),
            f" {title}",
        )
    seconds = [defaultdict[str, float](float) for _ in runs]
    counts = [Counter[str]() for _ in runs]
    for run, total, count in zip(runs, seconds, counts, strict=True):
        for one in run:
            total[one.name] += one.seconds
            count[one.name] += 1
    names = sorted(
        {name for total in seconds for name in total},
        key=lambda name: -max(t[name] for t in seconds),
    )
    for name in names[:_SHOWN]:
        cells = (
            f"{total[name]:9.2f} s{count[name]:5}"
            for total, count in zip(seconds, counts, strict=True)
        )
        print("".join(cells), f" {name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "checkouts", nargs="*", type=existing, metavar="CHECKOUT", help="compare with this folder's"
    )
    main(tuple(map(str, parser.parse_args().checkouts)))
