"""The common part of recurrent layers: the loop over time steps and backpropagation through time.

Each kind defines its forward and backward step in its own file (`rnn.py`, `gru.py`, `lstm.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_input
from engine.nn.layers.initialization import glorot_normal

State = tuple[Array, ...]  # the first array is the hidden state h [B, H]
StepBackward = Callable[[State], tuple[Array, Array, State]]


class Recurrent(Layer):
    """Updates a state from a sequence step by step; the state starts at zero.

    forward:  x [B, T, inputs] -> all hidden states y [B, T, hidden]; with `last` only the last one, y [B, hidden]
    backward: dy like y -> dx like x; gradients input_weight [G H, inputs], hidden_weight [G H, H], bias [G H]

    With a_t = x_t Wx^T + b for all steps at once and c_t = h_{t-1} Wh^T, a kind defines
        state_t = step(a_t, c_t, state_{t-1})
    Backward runs from the last step; dh_t is dy_t plus the gradient from step t + 1:
        (da_t, dc_t, direct part of dstate_{t-1}) = step backward of dstate_t;  dh_{t-1} += dc_t Wh
        dWx = sum_t da_t^T x_t      dWh = sum_t dc_t^T h_{t-1}      db = sum_t da_t      dx_t = da_t Wx
    Raises ShapeError when x is not [B, T, inputs].
    """

    gates: ClassVar[int]  # G: how many vectors of H numbers a step takes from a_t and c_t
    states: ClassVar[int] = 1  # number of arrays in a state

    def __init__(self, inputs: int, hidden: int, rng: np.random.Generator, last: bool = False) -> None:
        super().__init__()
        if inputs < 1 or hidden < 1:
            raise ConfigError(f"{type(self).__name__}({inputs}, {hidden}): both must be >= 1")
        self.inputs, self.hidden, self.last = inputs, hidden, last
        rows = self.gates * hidden
        self.params = {
            "input_weight": glorot_normal(rng, (rows, inputs), inputs, hidden),
            "hidden_weight": glorot_normal(rng, (rows, hidden), hidden, hidden),
            "bias": np.zeros(rows, np.float32),
        }

    def step(self, a: Array, c: Array, state: State) -> tuple[State, StepBackward]:
        """One step: a, c [B, G H] -> (new state, backward), backward(dstate) -> (da, dc, direct dstate before)."""
        raise NotImplementedError

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        weight, hidden_weight = self.params["input_weight"], self.params["hidden_weight"]
        check_input(self, x, "B", "T", self.inputs, dtype=weight.dtype)
        xp = backend_of(x).xp
        batch, steps, _ = x.shape
        by_time = x.swapaxes(0, 1).reshape(-1, self.inputs)  # (T B, inputs)
        a = (by_time @ weight.T + self.params["bias"]).reshape(steps, batch, len(weight))
        hidden = xp.zeros((steps + 1, batch, self.hidden), x.dtype)  # h_0 = 0, h_1, ..., h_T
        state: State = tuple(xp.zeros((batch, self.hidden), x.dtype) for _ in range(self.states))
        step_backwards: list[StepBackward] = []
        for t in range(steps):
            state, step_backward = self.step(a[t], state[0] @ hidden_weight.T, state)
            hidden[t + 1] = state[0]
            step_backwards.append(step_backward)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            da, dc = xp.empty_like(a), xp.empty_like(a)
            dstate: State = tuple(xp.zeros((batch, self.hidden), x.dtype) for _ in range(self.states))
            for t in reversed(range(steps)):
                if not self.last or t == steps - 1:
                    dstate = (dstate[0] + (dy if self.last else dy[:, t]), *dstate[1:])
                da[t], dc[t], dstate = step_backwards[t](dstate)
                dstate = (dstate[0] + dc[t] @ hidden_weight, *dstate[1:])
            flat_a, flat_c = da.reshape(-1, a.shape[2]), dc.reshape(-1, a.shape[2])
            grads = {
                "input_weight": flat_a.T @ by_time,
                "hidden_weight": flat_c.T @ hidden[:-1].reshape(-1, self.hidden),
                "bias": flat_a.sum(axis=0),
            }
            dx = (flat_a @ weight).reshape(steps, batch, self.inputs).swapaxes(0, 1)
            return dx, grads | self._further_gradients(flat_c)

        return hidden[steps] if self.last else hidden[1:].swapaxes(0, 1), backward

    def _further_gradients(self, dc: Array) -> Gradients:
        """Return gradients of the parameters that only this kind has; dc is [T B, G H]."""
        return {}
