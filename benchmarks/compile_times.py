"""What the first start compiles: kernels and their CPU seconds.

    python -m benchmarks.compile_times

The engine is the default one, in a process of its own with an empty cache. Seconds are without
those of kernels compiled meanwhile, so that they may be added up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import compile_events
from benchmarks.compile_events import Compilation
from benchmarks.measuring import new_parser, report

_LONGEST_S = 1800.0
_SHOWN = 25  # functions with a line of their own

# The listener is loaded from its file, so that nothing of ours is imported before it listens.
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


def main(arguments: Sequence[str] | None = None) -> None:
    options = new_parser(__doc__).parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        compilations = start(Path(__file__).resolve().parents[1], Path(folder))
    kernels = [one for one in compilations if one.ours]
    groups = {"all": compilations, "kernels": kernels}
    for one in sorted(kernels, key=lambda one: -one.seconds)[:_SHOWN]:
        groups.setdefault(one.name, []).append(one)
    rows = [
        {"kernel": name, "CPU seconds": sum(one.seconds for one in group), "number": len(group)}
        for name, group in groups.items()
    ]
    report(rows, options.json)


if __name__ == "__main__":
    main()
