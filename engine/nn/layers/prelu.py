"""A leaky ReLU that learns its slope."""

import numpy as np

from engine.backend import xp_of
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Forward, Layer, register


@register("prelu")
class PReLU(Layer):
    """Leaky ReLU whose slope left of zero is trained, one for each channel.

    forward:  x [B, C] or [B, C, ...] -> y like x, y = x where x > 0, else alpha x
    backward: dy like y -> dx = dy where x > 0, else alpha dy; gradient alpha [C] = sum of dy x
              where x <= 0, over the batch and all places

    With `channels` 1, all numbers share one slope. Raises ShapeError when C differs. He et al.
    2015, arXiv:1502.01852.
    """

    sizes = ("channels",)

    def __init__(self, channels: int = 1, start: float = 0.25) -> None:
        self.channels = channels
        self.start = start
        self.params["alpha"] = np.full(channels, start, np.float32)

    def forward(self, x: Array, training: bool = False) -> Forward:
        alpha = self.params["alpha"]
        side: int | str = self.channels
        if self.channels == 1:
            side = "C"
        check_input(self, x, "B", side, "...", dtype=alpha.dtype)
        xp = xp_of(x)
        is_left = x <= 0
        slopes = xp.where(is_left, alpha.reshape(-1, *[1] * (x.ndim - 2)), 1).astype(x.dtype)

        def backward(dy):
            dalpha = (dy * x * is_left).sum(axis=(0, *range(2, x.ndim)))
            if self.channels == 1:
                dalpha = dalpha.sum().reshape(1)
            return dy * slopes, {"alpha": dalpha}

        return x * slopes, backward
