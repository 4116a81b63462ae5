"""Two recurrent layers that read a sequence from both ends."""

from __future__ import annotations

from typing import Any

from engine.backend import backend_of
from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, forward_part, prefixed, register
from engine.nn.layers.containers import checked_parts
from engine.nn.layers.recurrent import Recurrent


@register("bidirectional")
class Bidirectional(Layer):
    """Join the outputs of two recurrent layers, of which the second runs backwards.

    forward:  x [B, T, inputs], optionally mask bool [B, T] -> y [B, T, H1 + H2], or [B, H1 + H2] where both have `last`
    backward: dy like y -> dx like x, the sum of both; gradients ahead.*, back.*

    Write Bidirectional(GRU(4, 8, rng), GRU(4, 8, rng, reverse=True)). Raises ConfigError for other pairs. Schuster and
    Paliwal 1997.
    """

    def __init__(self, ahead: Recurrent, back: Recurrent) -> None:
        super().__init__()
        checked_parts({"ahead": ahead, "back": back})
        pair = [isinstance(one, Recurrent) and (one.reverse, one.last, one.return_state) for one in (ahead, back)]
        if pair not in ([(False, last, False), (True, last, False)] for last in (False, True)):
            expected = "two recurrent layers without return_state, the second with reverse=True"
            raise ConfigError(f"Bidirectional: expected {expected}, found {ahead!r} and {back!r}")
        self.ahead, self.back = ahead, back

    def forward(self, x: Array, training: bool = False, mask: Any = None, state: Any = None) -> tuple[Array, Backward]:
        one, one_backward = forward_part("ahead", self.ahead, x, training, mask, state)
        other, other_backward = forward_part("back", self.back, x, training, mask, state)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            dx, grads = one_backward(dy[..., : self.ahead.hidden])
            dx_too, other_grads = other_backward(dy[..., self.ahead.hidden :])
            return dx + dx_too, prefixed("ahead", grads) | prefixed("back", other_grads)

        return backend_of(one).xp.concatenate([one, other], axis=-1), backward
