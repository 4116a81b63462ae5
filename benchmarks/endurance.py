"""Memory over a long life: many visits on a tree that fills up, and many searches in one process.

    python -m benchmarks.endurance --visits 10000000 --searches 500 --hash-mib 256

One position is searched until its root has `--visits` visits. Then positions of many games are
searched one after another, some of them with the subtree kept. Resident memory is sampled all the
time (Linux). It may grow by `Hash` and 100 MiB beyond what the engine uses when it is ready and its
tree is empty. The exit status is 1 if it grows more.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import chess
import numpy as np

from benchmarks.measuring import (
    EVALUATORS,
    Progress,
    new_engine,
    new_parser,
    report,
    resident_bytes,
)
from engine import Engine
from engine.search.limits import Limits

ALLOWANCE_MIB = 100
VISITS_A_STEP = 200_000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser(
        __doc__, threads=1, visits=10_000_000, searches=500, search_nodes=2000, hash_mib=256
    )
    parser.add_argument("--evaluator", choices=EVALUATORS, default="material")
    options = parser.parse_args(arguments)
    if not resident_bytes():
        sys.exit("this system does not tell how much memory a process holds")
    rows = []
    with new_engine(options.evaluator, options.threads, options.hash_mib) as engine:
        baseline = resident_mib()
        for phase, work in (
            (f"{options.visits:,} visits", lambda: grow(engine, options.visits)),
            (
                f"{options.searches:,} searches",
                lambda: play_on(engine, options.searches, options.search_nodes),
            ),
        ):
            begun = time.monotonic()
            with sampled() as samples:
                visits = work()
            growth = max(samples) - baseline
            rows.append(
                {
                    "evaluator": options.evaluator,
                    "phase": phase,
                    "visits": visits,
                    "seconds": time.monotonic() - begun,
                    "tree full": engine._search.fullness,
                    "MiB before": baseline,
                    "most MiB": max(samples),
                    "MiB at the end": samples[-1],
                    "growth": growth,
                    "allowed": options.hash_mib + ALLOWANCE_MIB,
                    "kept": growth <= options.hash_mib + ALLOWANCE_MIB,
                }
            )
    report(rows, options.json)
    return 0 if all(row["kept"] for row in rows) else 1


def resident_mib() -> float:
    return resident_bytes() / 2**20


@contextmanager
def sampled(interval_s: float = 0.2) -> Iterator[list[float]]:
    """Resident memory all through the block, at its end too."""
    samples = [resident_mib()]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(interval_s):
            samples.append(resident_mib())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield samples
    finally:
        done.set()
        watcher.join()
        samples.append(resident_mib())


def grow(engine: Engine, visits: int) -> int:
    """Search the start position, step by step, until its root has this many visits; returns how
    many it has.
    """
    progress = Progress("visits", visits)
    engine.new_game()
    engine.set_position(chess.Board())
    done = 0
    while done < visits:
        done += max(1, engine.search(Limits(nodes=min(visits, done + VISITS_A_STEP))).nodes)
        progress.update(done)
    return done


def play_on(engine: Engine, searches: int, nodes: int) -> int:
    """Search positions of random games, in which two thirds of the moves are the engine's; returns
    the visits made.
    """
    rng = np.random.default_rng(1)
    progress = Progress("searches", searches)
    board = chess.Board()
    visits = 0
    for number in range(searches):
        engine.set_position(board)
        result = engine.search(Limits(nodes=nodes))
        visits += result.nodes
        moves = list(board.legal_moves)
        best = result.best_move or moves[0]
        board.push(best if rng.random() < 2 / 3 else moves[rng.integers(len(moves))])
        if board.is_game_over() or len(board.move_stack) > 200:
            board = chess.Board()
        progress.update(number + 1)
    return visits


if __name__ == "__main__":
    sys.exit(main())
