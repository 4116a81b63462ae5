"""Measure how far networks are from a teacher's labels, for example on positions from the search tree.

    aino-train label --engine cmd=stockfish --pgn games.pgn --per-game 8 --tree 14 --multipv 3 --out searched.txt.xz
    python -m selfplay.measure.value_error searched.txt.xz old.dit new.dit

Prints the mean squared error and the mean error of Q against the label's win minus loss, and how often the network's
best move is the teacher's. Only labels without a game result count: their value is the teacher's score alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from engine.evaluation import make_evaluator
from engine.evaluation.leaves import fill_leaf
from engine.evaluation.protocol import new_leaf_batch
from engine.measuring import Row, new_parser, report
from selfplay.data.teacher import read_teacher
from selfplay.records.collect import GameRecord

BATCH = 256


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one row per network."""
    parser = new_parser(__doc__)
    parser.add_argument("labels", type=Path, help="measure on these labels of single positions")
    parser.add_argument("nets", nargs="+", metavar="NET")
    parser.add_argument("--evaluator", default="sparse", help="evaluate with sparse or network (default %(default)s)")
    text = "take the first N (default %(default)s)"
    parser.add_argument("--positions", type=int, default=15_000, metavar="N", help=text)
    options = parser.parse_args(arguments)
    records = list(islice(single_positions(options.labels), options.positions))
    report([row(net, options.evaluator, records) for net in options.nets], options.json)


def single_positions(path: Path) -> Iterator[GameRecord]:
    """The label lines that hold a single position, with no move before it."""
    return (record for record in read_teacher(path) if len(record.moves) == 1 and record.usable[0])


def row(net: str, evaluator_name: str, records: Sequence[GameRecord]) -> Row:
    """The errors of one network."""
    evaluator, leaves = make_evaluator(evaluator_name, net), new_leaf_batch(BATCH)
    errors, hits = [], 0
    for first in range(0, len(records), BATCH):
        part = records[first : first + BATCH]
        for leaf, record in enumerate(part):
            fill_leaf(leaves, leaf, record.start[None])
        evaluator.evaluate(leaves, len(part))
        for leaf, record in enumerate(part):
            q = leaves.wdl[leaf, 0] - leaves.wdl[leaf, 2]
            errors.append(float(q - (record.wdl[0, 0] - record.wdl[0, 2])))
            chosen = leaves.moves[leaf, np.argmax(leaves.logits[leaf, : leaves.n_moves[leaf]])]
            hits += int(chosen == record.target_moves[0])
    evaluator.close()
    return {
        "net": Path(net).name,
        "positions": len(errors),
        "squared error of Q": float(np.mean(np.square(errors))),
        "mean error of Q": float(np.mean(errors)),
        "first move": hits / len(errors),
    }


if __name__ == "__main__":
    main()
