"""Tell the user about options that were set but have no effect with the evaluator in use."""

from __future__ import annotations

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
_OF_TOWERS = ("backend", "policy_head", "value_head")


def idle_options(before: EngineOptions, now: EngineOptions, use: Use) -> list[str]:
    """One sentence for each option that differs between `before` and `now` but has no effect on this engine."""
    name, sentences = use.evaluator, []
    rules = (  # options, whether they have no effect, and why
        (_LC0_HAS_ITS_OWN, now.preset == "lc0", "SearchPreset lc0 has its own value"),
        (_OF_TOWERS, name not in ("network", "hybrid"), f"it is for towers, and the evaluator in use is {name}"),
        (("hybrid_weight",), name != "hybrid", f"it is for the evaluator hybrid, and the one in use is {name}"),
        (("minibatch_size",), use.in_kernel, f"it is for towers, and the evaluator {name} evaluates leaf by leaf"),
        (("max_collisions",), not use.collisions_end_rounds, "the search makes no batches of visits"),
        (("threads",), now.threads > use.most_threads, f"a batch of leaves feeds at most {use.most_threads}"),
    )
    for option in OPTIONS:
        if not option.field or getattr(before, option.field) == getattr(now, option.field):
            continue
        reason = next((why for fields, is_idle, why in rules if is_idle and option.field in fields), "")
        if reason:
            sentences.append(f"{option.name} {getattr(now, option.field)} has no effect now: {reason}")
    return sentences
