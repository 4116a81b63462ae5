"""The evaluator that runs a sparse network, in batches like every evaluator or inside the search's own kernel."""

from __future__ import annotations

import threading
from types import MappingProxyType

from engine.evaluation.in_kernel import evaluate_leaf as evaluate_any
from engine.evaluation.in_kernel import register_family
from engine.evaluation.protocol import LeafBatch
from engine.native.jit import kernel
from engine.native.pool import ThreadPool
from engine.network.outputs import CHUNK
from engine.network.sparse.inference import (
    SparseModel,
    SparseNet,
    TwoTrunkModel,
    evaluate_leaf,
    evaluate_leaf_by_trunks,
    evaluate_policy,
    evaluate_policy_by_trunk,
    evaluate_value,
    evaluate_value_by_trunks,
)

ROUND_SIZE = 64
# By games (docs/what-was-tried.md).
SEARCH = MappingProxyType({"cpuct_deviation": 0.7, "tempo": 0.09, "fpu_linear": True, "fading_endings": True})

register_family(SparseModel, evaluate_leaf, evaluate_value, evaluate_policy)
register_family(TwoTrunkModel, evaluate_leaf_by_trunks, evaluate_value_by_trunks, evaluate_policy_by_trunk)


@kernel()
def evaluate_leaves(model, leaves, first, last):
    """Evaluate leaves[first:last] one by one."""
    for leaf in range(first, last):
        evaluate_any(model, leaves, leaf)


class SparseEvaluator:
    """Evaluator `sparse`: about seven microseconds per leaf, half of them for quiescence search.

    A net with a value trunk takes one microsecond more for a calm position.
    """

    name = "sparse"
    round_size = ROUND_SIZE
    needs_planes = False
    search = SEARCH

    def __init__(self, net: SparseNet, threads: int = 1) -> None:
        self.net = net
        self.architecture = repr(net.config)
        self._pool = ThreadPool(threads, "evaluate")
        self._local = threading.local()

    def new_model(self) -> SparseModel | TwoTrunkModel:
        """Make the model of the kernels for one more thread, with shared weights and its own scratch."""
        return self.net.new_model()

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill logits, wdl and moves_left of the first `count` leaves."""
        self._pool.share(count, CHUNK, lambda first, last: self._evaluate_part(leaves, first, last))

    def close(self) -> None:
        """Stop the worker threads."""
        self._pool.close()

    def _evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        if not hasattr(self._local, "model"):
            self._local.model = self.new_model()
        evaluate_leaves(self._local.model, leaves, first, last)
