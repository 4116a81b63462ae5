"""Does an evaluation cache pay? Hit rate, and nodes per second with and without it, in a game and in an analysis.

    python -m benchmarks.cache_hits --evaluators hybrid network --nodes 2000 --positions 20

`game` searches one side's positions of a game in order and keeps the subtree; `analysis` searches every position of it
from the last to the first, as when one steps back in a GUI. Both ways take turns, so that a busy machine slows both.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import chess

from benchmarks.measuring import game_boards, new_parser, report
from engine import Engine
from engine.evaluation import make_evaluator
from engine.evaluation.cache import CachedEvaluator
from engine.options import EngineOptions
from engine.search.limits import Limits

HASH_MIB = 128


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--evaluators", nargs="+", default=["hybrid"])
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--positions", type=int, default=20)
    parser.add_argument("--cache-mib", type=float, default=32.0)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args(arguments)
    boards = game_boards()
    sequences = {
        "game": boards[6::2][: options.positions],
        "analysis": boards[6:][: options.positions][::-1],
    }
    rows = []
    for name in options.evaluators:
        for kind, sequence in sequences.items():
            rows.append(measure(name, kind, sequence, options.nodes, options.cache_mib, options.rounds))
    report(rows, options.json)


def measure(
    name: str, kind: str, boards: Sequence[chess.Board], nodes: int, mebibytes: float, rounds: int
) -> dict[str, object]:
    """One row: the best speed of each way."""
    plain = make_evaluator(name, threads=1)
    cached = CachedEvaluator(plain, mebibytes)
    options = EngineOptions(hash_mib=HASH_MIB, threads=1)
    speeds = {"plain": 0.0, "cached": 0.0}
    for _ in range(rounds):
        for way, evaluator in (("plain", plain), ("cached", cached)):
            cached.clear()
            with Engine(options, evaluator) as engine:
                engine.warm_up()
                speeds[way] = max(speeds[way], nodes_per_second(engine, boards, nodes))
    plain.close()
    return {
        "evaluator": name,
        "sequence": kind,
        "hit rate": cached.hits / max(1, cached.lookups),
        "nodes/s without": speeds["plain"],
        "nodes/s with": speeds["cached"],
        "gain": speeds["cached"] / speeds["plain"],
        "full": cached.fullness,
    }


def nodes_per_second(engine: Engine, boards: Sequence[chess.Board], nodes: int) -> float:
    """Speed over all positions, to the same number of root visits each."""
    done, begun = 0, time.perf_counter()
    for board in boards:
        engine.set_position(board)
        done += engine.search(Limits(nodes=nodes)).nodes
    return done / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
