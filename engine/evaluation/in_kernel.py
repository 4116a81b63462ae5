"""`evaluate_leaf`, which search kernels call to evaluate a leaf with a model of any family.

Each family's module registers its kernel by the type of its model; only a family in use is imported and compiled into
the search.
"""

from __future__ import annotations

from typing import Any

from engine.evaluation.protocol import LeafBatch
from engine.native.jit import kernel_by_type

__all__ = ["evaluate_leaf", "register_family"]


def _evaluate_leaf(model: Any, leaves: LeafBatch, leaf: int) -> None:
    """Read row and legal moves of leaves[leaf]; write its logits, wdl and moves left (`LeafBatch`)."""
    raise TypeError(f"no family evaluates leaves with a {type(model).__name__}")


evaluate_leaf, register_family = kernel_by_type(_evaluate_leaf)
