"""Speed of a search's questions to a sparse network: values and policies apart, and both in one call.

    python -m benchmarks.leaf_speed --nets sparse-768 sparse-768+v256 sparse-768+v512

Positions are those of random games, all weights random. The times are CPU times of one thread, the best of five rounds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.measuring import Row, new_parser, report
from benchmarks.sparse_speed import LEAVES, best_of, some_leaves
from engine.evaluation.in_kernel import evaluate_policy, evaluate_value
from engine.evaluation.sparse import SparseEvaluator, evaluate_leaves
from engine.native.jit import kernel
from engine.network.sparse.inference import SparseNet
from engine.network.sparse.model import build_sparse
from engine.network.sparse.parameters import SparseConfig


@kernel()
def evaluate_values(model, leaves, count):
    """The values of leaves[:count]."""
    for leaf in range(count):
        evaluate_value(model, leaves, leaf)


@kernel()
def evaluate_policies(model, leaves, count):
    """The policies of leaves[:count]."""
    for leaf in range(count):
        evaluate_policy(model, leaves, leaf)


def measured(name: str) -> Row:
    """One row of the table."""
    config, leaves = SparseConfig.parse(name), some_leaves()
    net = build_sparse(config, np.random.default_rng(1))
    model = SparseEvaluator(SparseNet(net.named_parameters(), config)).new_model()
    seconds = {
        "values/s": best_of(lambda: evaluate_values(model, leaves, LEAVES), time.thread_time),
        "policies/s": best_of(lambda: evaluate_policies(model, leaves, LEAVES), time.thread_time),
        "both/s": best_of(lambda: evaluate_leaves(model, leaves, 0, LEAVES), time.thread_time),
    }
    return {"net": name} | {what: round(LEAVES / each) for what, each in seconds.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = new_parser(__doc__)
    nets = ["sparse-768", "sparse-768+v256", "sparse-768+v512"]
    parser.add_argument("--nets", nargs="+", default=nets, metavar="NET")
    options = parser.parse_args(arguments)
    report([measured(net) for net in options.nets], options.json)


if __name__ == "__main__":
    main()
