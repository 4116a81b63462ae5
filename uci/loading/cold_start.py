"""The first start compiles everything: a second process takes the net's kernels while the first takes the search's.

Numba compiles on one thread of a process at a time, so that two processes need about half the time. They share the
kernel cache: what one has compiled the other loads.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from engine.options import EngineOptions

__all__ = ["child_environment", "main", "second_compiler"]

_LEAVES = 8  # a full chunk; a single leaf follows, so both forms of the net's matrix products compile


@contextlib.contextmanager
def second_compiler(options: EngineOptions) -> Iterator[None]:
    """Let a second process compile the net's kernels meanwhile, if there is a second processor and a net."""
    if options.evaluator == "material" or options.thread_count < 2:
        yield
        return
    command = [sys.executable, "-P", "-m", __name__, options.evaluator, options.weights_file]
    try:
        helper = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # no black window on Windows
        )
    except OSError:  # if we may not start processes, the first one compiles everything
        yield
        return
    try:
        yield
    finally:
        helper.kill()  # the helper has finished, or is no longer needed
        helper.wait()


def child_environment() -> dict[str, str]:
    """An environment in which `python -P -m MODULE` finds the modules that this process does.

    Without -P it would look into the working folder first, and run whatever lies there under our modules' names.
    """
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def main(evaluator_name: str, weights_file: str) -> None:
    """Evaluate a few positions with a net. Raises NetFileError, which the first process reports in more detail."""
    from engine.evaluation import make_evaluator
    from engine.evaluation.protocol import new_leaf_batch

    leaves = new_leaf_batch(_LEAVES)
    leaves.n_moves[:] = 1
    evaluator = make_evaluator("network" if evaluator_name == "hybrid" else evaluator_name, weights_file)
    for count in (_LEAVES, 1):
        evaluator.evaluate(leaves, count)
    evaluator.close()


if __name__ == "__main__":
    main(*sys.argv[1:3])
