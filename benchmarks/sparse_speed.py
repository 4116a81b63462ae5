"""Speed of the sparse family's evaluations inside the kernel; `benchmarks.selfplay_speed` has that
of its training.

    python -m benchmarks.sparse_speed --nets sparse-512 sparse-768 sparse-1024

Positions are those of random games, with the features and policy rows computed every time. The CPU
time of the one thread counts, in the best of five rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.inference import positions
from benchmarks.measuring import Row, new_parser, report
from engine.evaluation.in_kernel import evaluate_leaves
from engine.evaluation.protocol import LeafBatch
from engine.evaluation.sparse import SparseEvaluator
from engine.native.jit import kernel
from engine.network.policy.moves import write_view
from engine.network.policy.sparse_model import SparseNetwork
from engine.network.policy.sparse_parameters import SparseConfig
from engine.network.policy.sparse_play import SparseModel, SparseNet
from engine.tactics.quiescence import settled_value

LEAVES = 2048
ROUNDS = 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = new_parser(__doc__)
    parser.add_argument(
        "--nets", nargs="+", default=["sparse-512", "sparse-768", "sparse-1024"], metavar="NET"
    )
    options = parser.parse_args(arguments)
    configs = {net: SparseConfig.parse(net) for net in options.nets}
    leaves = positions(LEAVES)
    report([measured(net, config, leaves) for net, config in configs.items()], options.json)


def measured(name: str, config: SparseConfig, leaves: LeafBatch) -> Row:
    """One row of the table."""
    network = SparseNetwork(config, np.random.default_rng(1))
    model = SparseEvaluator(SparseNet(network.named_parameters(), config)).new_model()
    assert isinstance(model, SparseModel)  # for networks with one trunk
    evaluation = best_of(lambda: evaluate_leaves(model, leaves, 0, LEAVES))
    seeing = best_of(lambda: look_at_all(model.sight, leaves))
    settling = best_of(lambda: settle_all(model.sight.captures, leaves))
    return {
        "net": name,
        "evaluations/s a thread": round(LEAVES / evaluation),
        "of them features, us": seeing / LEAVES * 1e6,
        "captures, us": settling / LEAVES * 1e6,
        "legal moves": float(leaves.n_moves.mean()),
    }


def best_of(work: Callable[[], object]) -> float:
    """Seconds of this thread's CPU time in the fastest round, after one to warm up."""
    work()
    times = []
    for _ in range(ROUNDS):
        begin = time.thread_time()
        work()
        times.append(time.thread_time() - begin)
    return min(times)


@kernel()
def look_at_all(sight, leaves):
    """Features and rows of every leaf, without the network."""
    total = 0
    for leaf in range(len(leaves.rows)):
        total += write_view(
            leaves.rows[leaf],
            leaves.moves[leaf],
            np.int64(leaves.n_moves[leaf]),
            np.int64(0),
            sight,
        )
    return total


@kernel()
def settle_all(space, leaves):
    """Return what captures come to at every leaf, without the network."""
    total = 0
    for leaf in range(len(leaves.rows)):
        total += settled_value(leaves.rows[leaf], space)
    return total


if __name__ == "__main__":
    main()
