"""Measure how far value trunks are from their teacher, on labelled positions that no training sees.

    python -m benchmarks.value_distance --data labels/heldout --net new.dit default

`aino-train teach --held-out` draws the positions; only the calm ones count, which a value trunk
judges in play. KL is the Kullback-Leibler divergence from the trunk's win-draw-loss to the label's,
in nats: the cross-entropy that training lowers, less the entropy of the labels, which no trunk can
lower. "Q error" is the root of the mean squared difference of Q = W - L. Both have standard errors.
A network is a `.dit` file, or `default` for the one that comes with Aino.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.measuring import Row, at_least, existing, judge_name, new_parser, report
from engine.errors import ConfigError, DataError
from engine.network.policy.sparse_model import SparseNetwork
from engine.network.value.value_parameters import VALUE_TRUNK
from engine.network.weights import default_net_path
from engine.nn import dit
from engine.nn.layer import Layer
from selfplay.data.label_rows import LabelRows
from selfplay.families.value.value_family import ValueTrunkGradients
from selfplay.families.value.value_sampler import ValueSampler, new_value_batch
from selfplay.records.label_folder import LabelFolder, fields_of
from selfplay.records.packed import CALM
from selfplay.training.losses import LossWeights
from selfplay.training.recipe import LearnerSettings

AT_ONCE = 8192  # positions a pass


def calm_rows(folder: Path, most: int) -> LabelRows:
    """At most `most` calm rows of a label folder, spread over it. Raises DataError where there are
    none.
    """
    labels = LabelFolder(folder)
    numbers = np.flatnonzero(fields_of(labels.values)["kind"] & CALM)
    if not len(numbers):
        raise DataError(f"{folder}: no calm position")
    spread = np.linspace(0, len(numbers), min(most, len(numbers)), endpoint=False).astype(np.int64)
    return LabelRows(str(folder), labels.values[numbers[spread]])


def distances(trunk: Layer, labels: LabelRows, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(KL in nats float64[N], difference of Q float64[N]) of a value trunk to the labels of N rows."""
    sampler = ValueSampler(labels, everything=True)
    batch = new_value_batch(AT_ONCE)
    forward = ValueTrunkGradients(
        trunk.replica(), LearnerSettings(AT_ONCE, weight_decay=0.0, threads=threads)
    )
    kl, difference = np.zeros(len(labels.rows)), np.zeros(len(labels.rows))
    with forward.pool:
        for first in range(0, len(labels.rows), AT_ONCE):
            numbers = np.arange(first, min(first + AT_ONCE, len(labels.rows)))
            count = len(numbers)
            sampler.fill(numbers, numbers, batch)
            forward.forward(batch, count)
            target = batch.wdl[:count].astype(np.float64)
            entropy = -(target * np.log(np.maximum(target, 1e-30))).sum(axis=1)
            kl[numbers] = forward.found.losses[:count, 1] - entropy
            above_target = forward.found.doutputs[:count, :3] * (count / LossWeights.value)  # p - t
            difference[numbers] = above_target[:, 0] - above_target[:, 2]
    return kl, difference


def row_of(name: str, labels: LabelRows, threads: int) -> Row:
    """One network's row of the table. Raises ConfigError for a network without a value trunk."""
    model, _ = dit.load(default_net_path() if name == "default" else name)
    if not isinstance(model, SparseNetwork) or VALUE_TRUNK not in model.children():
        raise ConfigError(f"{name}: not a network with a value trunk")
    kl, difference = distances(model.children()[VALUE_TRUNK], labels, threads)
    squares = difference**2
    scale = np.sqrt(len(kl))
    error = float(np.sqrt(squares.mean()))
    return {
        "network": name,
        "KL": f"{kl.mean():.4f} +- {kl.std() / scale:.4f}",
        "Q error": f"{error:.4f} +- {squares.std() / scale / (2 * error):.4f}",
        "Q bias": f"{difference.mean():+.4f}",
        "positions": len(kl),
    }


def main(words: Sequence[str] | None = None) -> int:
    """Show the distance of every network."""
    parser = new_parser(__doc__)
    parser.add_argument(
        "--data", type=existing, required=True, metavar="FOLDER", help="label folder to measure on"
    )
    text = "measure these (default: the net that comes with Aino)"
    parser.add_argument(
        "--net", nargs="+", type=judge_name, default=["default"], metavar="FILE.dit", help=text
    )
    text = "measure on at most this many positions (default %(default)s)"
    parser.add_argument("--count", type=at_least(1), default=200_000, metavar="N", help=text)
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="compute on this many threads"
    )
    arguments = parser.parse_args(words)
    labels = calm_rows(arguments.data, arguments.count)
    report([row_of(name, labels, arguments.threads) for name in arguments.net], arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
