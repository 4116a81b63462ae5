"""The plain recurrent layer."""

from __future__ import annotations

from engine.backend import backend_of
from engine.nn.layer import Array, register
from engine.nn.layers.recurrent import Recurrent, StateArrays, StepBackward


@register("rnn")
class RNN(Recurrent):
    """h_t = tanh(a_t + c_t), with a_t = x_t Wx^T + b and c_t = h_{t-1} Wh^T; shapes and gradients as in Recurrent.

    da_t = dc_t = dh_t (1 - h_t^2). Over T steps the gradient is multiplied by T such factors and by powers of Wh, so it
    vanishes or explodes. Elman 1990.
    """

    gates = 1

    def step(self, a: Array, c: Array, state: StateArrays) -> tuple[StateArrays, StepBackward]:
        h = backend_of(a).xp.tanh(a + c)

        def backward(dstate: StateArrays, da: Array, dc: Array) -> StateArrays:
            da[...] = dstate[0] * (1 - h * h)
            return (0,)

        return (h,), backward
