"""How much of an evaluator's raw speed the search keeps: nodes per second against evaluations per second.

    python -m uci.bench.nodes_per_evaluation --evaluators network hybrid --threads 1 2

Searches and raw batches take turns, each search beside the raw speed just before and after it; every search begins with
an empty tree, so that its small first rounds count too. The table has the medians; `kept` is the median of the ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from itertools import pairwise

from engine.evaluation.protocol import Evaluator, LeafBatch
from engine.measuring import Row, game_boards, new_engine, new_parser, report
from engine.player import Engine
from engine.search.limits import Limits
from uci.bench.inference import positions


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = new_parser(__doc__)
    parser.add_argument("--evaluators", nargs="+", default=["network", "hybrid"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--nodes", type=int, default=4000)
    parser.add_argument("--searches", type=int, default=16)
    text = "time each run of bare evaluations for this many seconds (default %(default)s)"
    parser.add_argument("--seconds", type=float, default=0.25, help=text)
    options = parser.parse_args(arguments)
    rows = []
    for name in options.evaluators:
        for threads in options.threads:
            with new_engine(name, threads, hash_mib=64) as engine:
                rows.append(measured(engine, options.searches, options.nodes, options.seconds))
    report(rows, options.json)


def measured(engine: Engine, searches: int, nodes: int, seconds: float) -> Row:
    """One row of the table."""
    evaluator = engine.evaluator
    batch = positions(evaluator.round_size)
    raw_speed(evaluator, batch, seconds)  # the first call allocates the buffers
    raw, searched = [raw_speed(evaluator, batch, seconds)], []
    boards = game_boards()
    for number in range(searches):
        engine.new_game()
        engine.set_position(boards[number * len(boards) // searches])
        begun = time.perf_counter()
        done = engine.search(Limits(nodes=nodes)).nodes
        searched.append(done / (time.perf_counter() - begun))
        raw.append(raw_speed(evaluator, batch, seconds))
    kept = [speed / ((before + after) / 2) for speed, (before, after) in zip(searched, pairwise(raw), strict=True)]
    return {
        "evaluator": evaluator.name,
        "threads": engine.options.thread_count,
        "batch": evaluator.round_size,
        "evaluations/s": round(statistics.median(raw)),
        "nodes/s": round(statistics.median(searched)),
        "kept": statistics.median(kept),
        "best/best": max(searched) / max(raw),
    }


def raw_speed(evaluator: Evaluator, batch: LeafBatch, seconds: float) -> float:
    """Evaluations per second, measured over this many seconds."""
    count, done, begun = evaluator.round_size, 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < seconds:
        evaluator.evaluate(batch, count)
        done += count
    return done / elapsed


if __name__ == "__main__":
    main()
