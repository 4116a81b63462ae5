"""Tell the user about options that were set but have no effect with the evaluator in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from engine.options import OPTIONS, EngineOptions


class Use(NamedTuple):
    """How the engine really evaluates, after its options have been applied."""

    evaluator: str  # name of the evaluator in use, never "auto"
    in_kernel: bool  # whether the search's kernels evaluate leaf by leaf
    most_threads: int  # threads that can find work in one batch of leaves
    collisions_end_rounds: bool


_LC0_HAS_ITS_OWN = (
    "cpuct_init", "cpuct_base", "cpuct_factor", "fpu_reduction", "policy_temperature", "cpuct_deviation",
    "tactical_nodes", "draw_score", "contempt", "moves_left_max_effect",
    "moves_left_threshold", "moves_left_slope", "minibatch_size", "max_collisions",
)  # fmt: skip

# Each rule has option fields, a test for when they have no effect, and the reason in words.
_Rule = tuple[tuple[str, ...], Callable[[EngineOptions, Use], bool], Callable[[Use], str]]
_RULES: tuple[_Rule, ...] = (
    (_LC0_HAS_ITS_OWN, lambda options, use: options.preset == "lc0", lambda use: "SearchPreset lc0 has its own value"),
    (
        ("backend", "policy_head", "value_head"),
        lambda options, use: use.evaluator not in ("network", "hybrid"),
        lambda use: f"it is for towers, and the evaluator in use is {use.evaluator}",
    ),
    (
        ("hybrid_weight",),
        lambda options, use: use.evaluator != "hybrid",
        lambda use: f"it is for the evaluator hybrid, and the one in use is {use.evaluator}",
    ),
    (
        ("minibatch_size",),
        lambda options, use: use.in_kernel,
        lambda use: f"it is for towers, and the evaluator {use.evaluator} evaluates leaf by leaf",
    ),
    (
        ("max_collisions",),
        lambda options, use: not use.collisions_end_rounds,
        lambda use: "the search makes no batches of visits",
    ),
    (
        ("threads",),
        lambda options, use: options.threads > use.most_threads,
        lambda use: f"a batch of leaves feeds at most {use.most_threads}",
    ),
)


def idle_options(before: EngineOptions, now: EngineOptions, use: Use) -> list[str]:
    """One sentence for each option that differs between `before` and `now` but has no effect on this engine."""
    sentences = []
    for option in OPTIONS:
        if not option.field or getattr(before, option.field) == getattr(now, option.field):
            continue
        reason = next((reason(use) for fields, idle, reason in _RULES if option.field in fields and idle(now, use)), "")
        if reason:
            value = getattr(now, option.field)
            sentences.append(f"{option.name} {value} has no effect now: {reason}")
    return sentences
