"""Leaf evaluators, which search asks about positions.

`protocol.py` is the contract; `tower.py`, `sparse.py`, `material.py` and `hybrid.py` implement it,
`custom.py` takes networks of others, whose code `guest_thread.py` runs, and `factory.py` chooses
one by name. The package's names load
on first use, so importing it compiles nothing and reads no weights.
"""

from importlib import import_module
from typing import Any

_NAMES = {
    "protocol": "LeafBatch new_leaf_batch Evaluator", "tower": "NetworkEvaluator", "material": "MaterialEvaluator",
    "hybrid": "HybridEvaluator", "sparse": "SparseEvaluator",
    "custom": "PlanesEvaluator planes_of board_planes legal_policy", "factory": "make_evaluator",
}  # fmt: skip
_HOME = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
