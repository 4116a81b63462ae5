"""The factor on the loss in mixed precision, without which small gradients would become 0."""

from __future__ import annotations

FIRST_FACTOR = 1024.0  # set by hand: small towers overflow at PyTorch's 65,536, and lose their first steps
GROWTH_STEPS = 2000  # as in PyTorch's GradScaler
PRECISIONS = ("single", "mixed")


class LossScale:
    """A power of two: it doubles after `GROWTH_STEPS` steps, and halves when gradients overflow, down to 1.

    The gradients of a loss times `factor` are divided by it in single precision. A step that overflows is skipped.
    Micikevicius et al. 2018, arXiv:1710.03740.
    """

    def __init__(self) -> None:
        self.factor, self.good_steps = FIRST_FACTOR, 0

    def follow(self, is_finite: bool) -> bool:
        """Note whether a step's gradients were finite; returns whether to take the step."""
        self.good_steps = self.good_steps + 1 if is_finite else 0
        if not is_finite:
            self.factor /= 2
        elif self.good_steps == GROWTH_STEPS:
            self.factor, self.good_steps = self.factor * 2, 0
        return is_finite
