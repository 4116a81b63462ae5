"""Evaluators by the names of the `Evaluator` option."""

from __future__ import annotations

from pathlib import Path

from engine.errors import ConfigError, NetFileError
from engine.evaluation.material import MaterialEvaluator
from engine.evaluation.protocol import Evaluator

NAMES = ("auto", "network", "material", "hybrid")


def make_evaluator(
    name: str = "auto", net_path: str | Path | None = None, threads: int = 1, hybrid_weight: float = 0.5
) -> Evaluator:
    """An evaluator by name; `net_path` as in `load_network`, `hybrid_weight` the share of material in `hybrid`.

    `auto` is `hybrid` where a net can be loaded, else `material`. Raises ConfigError for an unknown name, NetFileError
    when the named evaluator needs a net that cannot be loaded, or when `auto` was given a net of its own that cannot.
    """
    if name not in NAMES:
        raise ConfigError(f"unknown evaluator {name!r}: expected one of {', '.join(NAMES)}")
    if name == "material":
        return MaterialEvaluator(threads)
    from engine.evaluation.hybrid import HybridEvaluator  # the net's modules: `material` starts without them
    from engine.evaluation.network import NetworkEvaluator
    from engine.network.weights import DEFAULT_NET, load_network

    try:
        fused = load_network(net_path)
    except NetFileError:
        if name == "auto" and net_path in (None, "", DEFAULT_NET):
            return MaterialEvaluator(threads)
        raise
    if name == "network":
        return NetworkEvaluator(fused, threads)
    return HybridEvaluator(fused, hybrid_weight, threads)
