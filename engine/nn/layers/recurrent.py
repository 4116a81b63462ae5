"""Recurrent layers: the loop over time steps with backpropagation through time, and what each kind does in a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_gradient, check_input, register
from engine.nn.layers.activations import sigmoid, tanh
from engine.nn.layers.initialization import glorot_normal

State = tuple[Array, ...]  # the first array is the hidden state h [B, H]
StepBackward = Callable[[State], tuple[Array, Array, State]]


class Recurrent(Layer):
    """Updates a state from a sequence step by step; the state starts at zero.

    forward:  x [B, T, inputs] -> all hidden states y [B, T, hidden]; with ``last`` only the last one, y [B, hidden]
    backward: dy like y -> dx like x; gradients input_weight [G H, inputs], hidden_weight [G H, H], bias [G H]

    With a_t = x_t Wx^T + b for all steps at once and c_t = h_{t-1} Wh^T, a kind defines
        state_t = step(a_t, c_t, state_{t-1})
    Backward runs from the last step; dh_t is dy_t plus the gradient from step t + 1:
        (da_t, dc_t, direct part of dstate_{t-1}) = step backward of dstate_t;  dh_{t-1} += dc_t Wh
        dWx = sum_t da_t^T x_t      dWh = sum_t dc_t^T h_{t-1}      db = sum_t da_t      dx_t = da_t Wx
    Raises ShapeError when x is not [B, T, inputs].
    """

    settings = ("inputs", "hidden", "last")

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
            check_gradient(self, dy, (batch, self.hidden) if self.last else (batch, steps, self.hidden))
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


@register("rnn")
class RNN(Recurrent):
    """h_t = tanh(a_t + c_t), with a_t = x_t Wx^T + b and c_t = h_{t-1} Wh^T; shapes and gradients as in Recurrent.

    da_t = dc_t = dh_t (1 - h_t^2). Over T steps the gradient is multiplied by T such factors and by powers of Wh, so it
    vanishes or explodes. Elman 1990.
    """

    gates = 1

    def step(self, a: Array, c: Array, state: State) -> tuple[State, StepBackward]:
        h = backend_of(a).xp.tanh(a + c)

        def backward(dstate: State) -> tuple[Array, Array, State]:
            dz = dstate[0] * (1 - h * h)
            return dz, dz, (backend_of(dz).xp.zeros_like(dz),)

        return (h,), backward


@register("gru")
class GRU(Recurrent):
    """A recurrent state that a gate updates only in part. Shapes and gradients are as in Recurrent, G = 3.

    With the thirds r, z, n of a_t = x_t Wx^T + b and c_t = h_{t-1} Wh^T, and ``candidate_bias`` e [H]:
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


@register("lstm")
class LSTM(Recurrent):
    """A memory cell with input, forget and output gates. Shapes and gradients are as in Recurrent, G = 4.

    With the quarters i, f, o, g of a_t + c_t = x_t Wx^T + b + h_{t-1} Wh^T and the memory m:
        i, f, o = sigmoid(.)      g = tanh(.)      m_t = f m_{t-1} + i g      h_t = o tanh(m_t)
    Backward, where dm arrives from step t + 1 and di, df, do, dg are gradients before the nonlinearity:
        dm += dh o (1 - tanh(m_t)^2)      do = dh tanh(m_t) o (1 - o)
        di = dm g i (1 - i)   df = dm m_{t-1} f (1 - f)   dg = dm i (1 - g^2)   dm_{t-1} = dm f
    The forget gate starts open (bias 1, Jozefowicz et al. 2015). Hochreiter and Schmidhuber 1997; Gers et al. 2000.
    """

    gates = 4
    states = 2

    def __init__(self, inputs: int, hidden: int, rng: np.random.Generator, last: bool = False) -> None:
        super().__init__(inputs, hidden, rng, last)
        self.params["bias"][hidden : 2 * hidden] = 1

    def step(self, a: Array, c: Array, state: State) -> tuple[State, StepBackward]:
        size, memory_before = self.hidden, state[1]
        gates, gates_slope = sigmoid(a[:, : 3 * size] + c[:, : 3 * size])
        write, forget, show = gates[:, :size], gates[:, size : 2 * size], gates[:, 2 * size :]
        news, news_slope = tanh(a[:, 3 * size :] + c[:, 3 * size :])
        memory = forget * memory_before + write * news
        shown, shown_slope = tanh(memory)

        def backward(dstate: State) -> tuple[Array, Array, State]:
            dh, xp = dstate[0], backend_of(dstate[0]).xp
            dmemory = dstate[1] + shown_slope(dh * show)
            dgates = gates_slope(xp.concatenate([dmemory * news, dmemory * memory_before, dh * shown], axis=1))
            da = xp.concatenate([dgates, news_slope(dmemory * write)], axis=1)
            return da, da, (xp.zeros_like(dh), dmemory * forget)

        return (show * shown, memory), backward
