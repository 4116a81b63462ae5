"""Dropout: random zeros in training keep units from relying on each other."""

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Forward, Layer, register


@register("dropout")
class Dropout(Layer):
    """In training, set each element to zero with probability `rate` and scale up the others to keep
    the mean.

    forward:  x of any shape -> y like x;  in inference y = x
    backward: dy -> dx like x; no parameters

    With m = 1 / (1 - rate) where an element is kept and 0 elsewhere: y = m x, dx = m dy. Masks are
    drawn from `rng`; `reseed` makes them repeatable. Raises ConfigError unless 0 <= rate < 1.
    Srivastava et al. 2014, JMLR 15.
    """

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        if not 0 <= rate < 1:
            raise ConfigError(f"Dropout: the rate must be in [0, 1), not {rate}")
        self.rate, self.rng = rate, rng

    def forward(self, x: Array, training: bool = False) -> Forward:
        check_input(self, x, "...")
        if not training or self.rate == 0:
            return x, lambda dy: (dy, {})
        stays = self.rng.random(x.shape, np.float32) >= self.rate
        mask = backend_of(x).asarray((stays / (1 - self.rate)).astype(x.dtype))
        return x * mask, lambda dy: (dy * mask, {})

    def reseed(self, *seed: int) -> None:
        self.rng = np.random.default_rng(seed)
