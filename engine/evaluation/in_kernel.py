"""Evaluators whose models search kernels run themselves: material and sparse networks.

Each family's module registers its kernels by the type of its model; only a family in use is
imported and compiled into the search. A leaf's first visit may need its value alone:
`evaluate_value` and `evaluate_policy` together write what `evaluate_leaf` writes, bit for bit. To
spare the second a computation, the first stores the leaf's quiet level, which a search keeps with
the node.
"""

from typing import Any

from engine.evaluation.protocol import ChunkEvaluator, LeafBatch
from engine.native.by_type import ByType
from engine.native.jit import kernel
from engine.native.pool import PerThread

# Kernels (model, leaves, leaf):
# row and legal moves -> logits, wdl, moves left and quiet level (`LeafBatch`)
evaluate_leaf = ByType("evaluate_leaf")
evaluate_value = ByType("evaluate_value")  # row -> wdl, moves left and quiet level
evaluate_policy = ByType("evaluate_policy")  # row, legal moves and quiet level -> logits


def register_family(model_type: type, leaf: Any, value: Any, policy: Any) -> None:
    """Register a family's kernels for `evaluate_leaf`, `evaluate_value` and `evaluate_policy`."""
    evaluate_leaf.kernels[model_type] = leaf
    evaluate_value.kernels[model_type] = value
    evaluate_policy.kernels[model_type] = policy


@kernel()
def evaluate_leaves(model, leaves, first, last):
    """Evaluate leaves[first:last] one by one."""
    for leaf in range(first, last):
        evaluate_leaf(model, leaves, leaf)


class ModelEvaluator(ChunkEvaluator):
    """What evaluators of all families share: batches, which a search does not need. Each thread has
    its own model.
    """

    needs_planes = False

    def __init__(self, threads: int = 1) -> None:
        super().__init__(threads)
        self._models = PerThread()

    def new_model(self) -> Any:
        """Make the model of the kernels for one more thread, with shared weights and its own
        scratch.
        """
        raise NotImplementedError

    def evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        evaluate_leaves(self._models.own(self.new_model), leaves, first, last)
