"""The kernels that a search calls to evaluate a position with a model of any family.

Each family's module registers its kernels by the type of its model; only a family in use is imported and compiled into
the search. A leaf's first visit may need its value alone: `evaluate_value` and `evaluate_policy` together write what
`evaluate_leaf` writes, bit for bit. To spare the second a computation, the first stores the leaf's quiet level, which
a search keeps with the node.
"""

from __future__ import annotations

from typing import Any

from engine.evaluation.protocol import LeafBatch
from engine.native.jit import kernel_by_type


def _evaluate_leaf(model: Any, leaves: LeafBatch, leaf: int) -> None:
    """Read row and legal moves of leaves[leaf]; write its logits, wdl, moves left and quiet level (`LeafBatch`)."""
    raise TypeError(f"no family evaluates leaves with a {type(model).__name__}")


def _evaluate_value(model: Any, leaves: LeafBatch, leaf: int) -> None:
    """Read the row of leaves[leaf]; write its wdl, moves left and quiet level."""
    raise TypeError(f"no family evaluates leaves with a {type(model).__name__}")


def _evaluate_policy(model: Any, leaves: LeafBatch, leaf: int) -> None:
    """Read row, legal moves and quiet level of leaves[leaf]; write its logits."""
    raise TypeError(f"no family evaluates leaves with a {type(model).__name__}")


evaluate_leaf, _register_leaf = kernel_by_type(_evaluate_leaf)
evaluate_value, _register_value = kernel_by_type(_evaluate_value)
evaluate_policy, _register_policy = kernel_by_type(_evaluate_policy)


def register_family(model_type: type, leaf: Any, value: Any, policy: Any) -> None:
    """Register a family's kernels for `evaluate_leaf`, `evaluate_value` and `evaluate_policy`."""
    _register_leaf(model_type, leaf)
    _register_value(model_type, value)
    _register_policy(model_type, policy)
