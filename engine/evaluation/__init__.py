"""Leaf evaluators: what search asks about a position.

`protocol.py` is the contract, `tower.py`, `sparse.py`, `material.py` and `hybrid.py` fulfil it, `factory.py` chooses
one by name. The names below load on first use, so that importing this package compiles nothing and reads no weights.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "LeafBatch": "protocol",
    "new_leaf_batch": "protocol",
    "Evaluator": "protocol",
    "NetworkEvaluator": "tower",
    "MaterialEvaluator": "material",
    "HybridEvaluator": "hybrid",
    "SparseEvaluator": "sparse",
    "make_evaluator": "factory",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
