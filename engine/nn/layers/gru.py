"""The gated recurrent unit."""

from __future__ import annotations

import numpy as np

from engine.backend import backend_of
from engine.nn.layer import Array, Gradients, register
from engine.nn.layers.activations import sigmoid, tanh
from engine.nn.layers.recurrent import Recurrent, State, StepBackward


@register("gru")
class GRU(Recurrent):
    """A recurrent state that a gate updates only in part. Shapes and gradients are as in Recurrent, G = 3.

    With the thirds r, z, n of a_t = x_t Wx^T + b and c_t = h_{t-1} Wh^T, and `candidate_bias` e [H]:
        r = sigmoid(a_r + c_r)      z = sigmoid(a_z + c_z)      n = tanh(a_n + r (c_n + e))
        h_t = (1 - z) n + z h_{t-1}
    Backward, where dr, dz and dn are gradients before the nonlinearity:
        dn = dh (1 - z) (1 - n^2)   dz = dh (h_{t-1} - n) z (1 - z)   dr = dn (c_n + e) r (1 - r)
        da = (dr, dz, dn)   dc = (dr, dz, dn r)   de = sum of dn r   direct part of dh_{t-1} = dh z
    Cho et al. 2014, arXiv:1406.1078, in the form of cuDNN, where r gates after the product with Wh.
    """

    gates = 3

    def __init__(self, inputs: int, hidden: int, rng: np.random.Generator, last: bool = False) -> None:
        super().__init__(inputs, hidden, rng, last)
        self.params["candidate_bias"] = np.zeros(hidden, np.float32)

    def step(self, a: Array, c: Array, state: State) -> tuple[State, StepBackward]:
        before, size = state[0], self.hidden
        gates, gates_slope = sigmoid(a[:, : 2 * size] + c[:, : 2 * size])
        reset, keep = gates[:, :size], gates[:, size:]
        recalled = c[:, 2 * size :] + self.params["candidate_bias"]
        candidate, candidate_slope = tanh(a[:, 2 * size :] + reset * recalled)
        h = candidate + keep * (before - candidate)

        def backward(dstate: State) -> tuple[Array, Array, State]:
            dh = dstate[0]
            xp = backend_of(dh).xp
            dcandidate = candidate_slope(dh * (1 - keep))
            dgates = gates_slope(xp.concatenate([dcandidate * recalled, dh * (before - candidate)], axis=1))
            da = xp.concatenate([dgates, dcandidate], axis=1)
            dc = xp.concatenate([dgates, dcandidate * reset], axis=1)
            return da, dc, (dh * keep,)

        return (h,), backward

    def _further_gradients(self, dc: Array) -> Gradients:
        return {"candidate_bias": dc[:, 2 * self.hidden :].sum(axis=0)}
