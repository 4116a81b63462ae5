"""The gated recurrent unit."""

from __future__ import annotations

import numpy as np

from engine.nn.layer import Array, Gradients, register
from engine.nn.layers.recurrent import Recurrent, StateArrays, StepBackward
from engine.nn.operations import operations_for


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
    adds = False

    def _start(self) -> None:
        self.params["candidate_bias"] = np.zeros(self.hidden, np.float32)

    def step(self, a: Array, c: Array, state: StateArrays) -> tuple[StateArrays, StepBackward]:
        h, step_backward = operations_for(a).gru_step(a, c, self.params["candidate_bias"], state[0])
        return (h,), lambda dstate, da, dc: (step_backward(dstate[0], da, dc),)

    def _further_gradients(self, dc: Array) -> Gradients:
        return {"candidate_bias": dc[:, 2 * self.hidden :].sum(axis=0)}
