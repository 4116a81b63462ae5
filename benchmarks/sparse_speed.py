"""Speed of the sparse family: evaluations inside the kernel, batches sampled, positions trained.

    python -m benchmarks.sparse_speed --nets sparse-512 sparse-768 sparse-1024 --threads 2

Positions are those of random games, with the features and policy rows computed every time. Evaluations and samples are
timed by the CPU time of the one thread that makes them, training by the wall clock; the best of five rounds count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.inference import positions
from benchmarks.measuring import Row, new_parser, report
from engine.evaluation.protocol import LeafBatch
from engine.evaluation.sparse import SparseEvaluator, evaluate_leaves
from engine.native.jit import kernel
from engine.network.sparse.inference import SparseModel, SparseNet
from engine.network.sparse.model import build_sparse
from engine.network.sparse.moves import write_view
from engine.network.sparse.parameters import SparseConfig
from engine.tactics.quiescence import settled_value
from selfplay.commands.bench import random_positions
from selfplay.records.positions import PositionSet
from selfplay.training.families import family_of_model
from selfplay.training.learner import Learner
from selfplay.training.mixture import SparseMixture
from selfplay.training.recipe import LearnerSettings

LEAVES = 2048
BATCH = 8192
ROUNDS = 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = new_parser(__doc__)
    parser.add_argument("--nets", nargs="+", default=["sparse-512", "sparse-768", "sparse-1024"], metavar="NET")
    parser.add_argument("--threads", type=int, default=2, help="train on this many threads (default %(default)s)")
    options = parser.parse_args(arguments)
    games, leaves = random_positions(np.random.default_rng(1), games=500), positions(LEAVES)
    report([measured(net, leaves, games, options.threads) for net in options.nets], options.json)


def measured(name: str, leaves: LeafBatch, games: PositionSet, threads: int) -> Row:
    """One row of the table."""
    config = SparseConfig.parse(name)
    network = build_sparse(config, np.random.default_rng(1))
    model = SparseEvaluator(SparseNet(network.named_parameters(), config)).new_model()
    assert isinstance(model, SparseModel)  # for networks with one trunk
    evaluation = best_of(lambda: evaluate_leaves(model, leaves, 0, LEAVES), time.thread_time)
    seeing = best_of(lambda: look_at_all(model.sight, leaves), time.thread_time)
    settling = best_of(lambda: settle_all(model.sight.captures, leaves), time.thread_time)
    mixture = SparseMixture([games], [1.0], BATCH, 1)
    settings = LearnerSettings(BATCH, weight_decay=0.01, threads=threads)
    learner = Learner(family_of_model(network), network, mixture, settings)
    sampling = best_of(lambda: mixture.batch(0), time.thread_time)
    training = best_of(lambda: learner.step(1e-3), time.perf_counter)
    learner.close()
    return {
        "net": name,
        "evaluations/s a thread": round(LEAVES / evaluation),
        "of them features, us": seeing / LEAVES * 1e6,
        "captures, us": settling / LEAVES * 1e6,
        "legal moves": float(leaves.n_moves.mean()),
        "sampled/s a thread": round(BATCH / sampling),
        f"trained/s, {threads} threads": round(BATCH / training),
    }


def best_of(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds of the fastest round, after one to warm up."""
    work()
    times = []
    for _ in range(ROUNDS):
        begin = clock()
        work()
        times.append(clock() - begin)
    return min(times)


@kernel()
def look_at_all(sight, leaves):
    """Features and rows of every leaf, without the network."""
    total = 0
    for leaf in range(len(leaves.rows)):
        total += write_view(leaves.rows[leaf], leaves.moves[leaf], np.int64(leaves.n_moves[leaf]), np.int64(0), sight)
    return total


@kernel()
def settle_all(space, leaves):
    """What captures come to at every leaf, without the network."""
    total = 0
    for leaf in range(len(leaves.rows)):
        total += settled_value(leaves.rows[leaf], space)
    return total


if __name__ == "__main__":
    main()
