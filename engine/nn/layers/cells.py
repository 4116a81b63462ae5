"""The recurrent layers: each kind's step, and two layers that read from both ends. `recurrent.py`
has their loop.
"""

from typing import Any

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError
from engine.nn.layer import Array, Forward, Gradients, Layer, forward_part, register
from engine.nn.layers.activations import sigmoid
from engine.nn.layers.containers import checked_parts
from engine.nn.layers.recurrent import Recurrent, StateArrays, Stepped
from engine.nn.operations import operations_for


@register("rnn")
class RNN(Recurrent):
    """h_t = tanh(a_t + c_t), with a_t = x_t Wx^T + b and c_t = h_{t-1} Wh^T; shapes and gradients
    as in Recurrent.

    da_t = dc_t = dh_t (1 - h_t^2). Over T steps the gradient is multiplied by T such factors and by
    powers of Wh, so it vanishes or explodes. Elman 1990.
    """

    gates = 1

    def step(self, a: Array, c: Array, state: StateArrays) -> Stepped:
        h = xp_of(a).tanh(a + c)

        def backward(dstate, da, dc):
            da[...] = dstate[0] * (1 - h * h)
            return (0,)

        return (h,), backward


@register("gru")
class GRU(Recurrent):
    """A recurrent state that a gate updates only in part. Shapes and gradients are as in Recurrent,
    G = 3.

    With the thirds r, z, n of a_t = x_t Wx^T + b and c_t = h_{t-1} Wh^T, and `candidate_bias` e [H]:
        r = sigmoid(a_r + c_r)      z = sigmoid(a_z + c_z)      n = tanh(a_n + r (c_n + e))
        h_t = (1 - z) n + z h_{t-1}
    Backward, where dr, dz and dn are gradients before the nonlinearity:
        dn = dh (1 - z) (1 - n^2)   dz = dh (h_{t-1} - n) z (1 - z)   dr = dn (c_n + e) r (1 - r)
        da = (dr, dz, dn)   dc = (dr, dz, dn r)   de = sum of dn r   direct part of dh_{t-1} = dh z
    Cho et al. 2014, arXiv:1406.1078, in the form of cuDNN, where r gates after the product with Wh.
    With `reset_first` it gates before, as in the paper, and there is no e. With Wn the third of Wh for n:
        n = tanh(a_n + (r h_{t-1}) Wn^T)      dr = (dn Wn) h_{t-1} r (1 - r)      dWn = sum of dn^T (r h_{t-1})
        direct part of dh_{t-1} = dh z + r (dn Wn)
    """

    gates = 3
    adds = False

    def __init__(
        self,
        inputs: int,
        hidden: int,
        rng: np.random.Generator,
        last: bool = False,
        reverse: bool = False,
        return_state: bool = False,
        *,
        reset_first: bool = False,
    ) -> None:
        self.reset_first = reset_first
        super().__init__(inputs, hidden, rng, last, reverse, return_state)

    def _start(self) -> None:
        if not self.reset_first:
            self.params["candidate_bias"] = np.zeros(self.hidden, np.float32)

    def _reset_first_step(self, a: Array, c: Array, before: Array) -> Stepped:
        size = self.hidden
        candidate_weight = self.params["hidden_weight"][2 * self.hidden :]
        gates, _ = sigmoid(a[:, : 2 * size] + c[:, : 2 * size])
        reset, keep = gates[:, :size], gates[:, size:]
        xp = xp_of(a)
        candidate = xp.tanh(a[:, 2 * size :] + (reset * before) @ candidate_weight.T)

        def backward(dstate, da, dc):
            dh, *_ = dstate
            dcandidate = dh * (1 - keep) * (1 - candidate * candidate)
            dgated = dcandidate @ candidate_weight
            dgates = xp.concatenate([dgated * before, dh * (before - candidate)], axis=1)
            da[:, : 2 * size] = dgates * gates * (1 - gates)
            da[:, 2 * size :] = dcandidate
            dc[...] = da
            # The loop adds dc Wh, with all of `dgated`; only the part r of it is right.
            return (dh * keep + (reset - 1) * dgated,)

        return (candidate + keep * (before - candidate),), backward

    def step(self, a: Array, c: Array, state: StateArrays) -> Stepped:
        if self.reset_first:
            return self._reset_first_step(a, c, state[0])
        h, step_backward = operations_for(a).gru_step(a, c, self.params["candidate_bias"], state[0])
        return (h,), lambda dstate, da, dc: (step_backward(dstate[0], da, dc),)

    def _further_gradients(self, dc: Array, a: Array, before: Array) -> Gradients:
        size = self.hidden
        candidates = dc[:, 2 * self.hidden :]
        if not self.reset_first:
            return {"candidate_bias": candidates.sum(axis=0)}
        reset, _ = sigmoid(a[:, :size] + before @ self.params["hidden_weight"][:size].T)
        parts = [dc[:, : 2 * size].T @ before, candidates.T @ (reset * before)]
        return {"hidden_weight": xp_of(dc).concatenate(parts)}


@register("lstm")
class LSTM(Recurrent):
    """A memory cell with input, forget and output gates. Shapes and gradients are as in Recurrent,
    G = 4.

    With the quarters i, f, o, g of a_t + c_t = x_t Wx^T + b + h_{t-1} Wh^T and the memory m:
        i, f, o = sigmoid(.)      g = tanh(.)      m_t = f m_{t-1} + i g      h_t = o tanh(m_t)
    Backward, where dm arrives from step t + 1 and di, df, do, dg are gradients before the nonlinearity:
        dm += dh o (1 - tanh(m_t)^2)      do = dh tanh(m_t) o (1 - o)
        di = dm g i (1 - i)   df = dm m_{t-1} f (1 - f)   dg = dm i (1 - g^2)   dm_{t-1} = dm f
    The forget gate starts open (bias 1, Jozefowicz et al. 2015). Hochreiter and Schmidhuber 1997; Gers et al. 2000.
    """

    gates = 4
    states = 2

    def _start(self) -> None:
        self.params["bias"][self.hidden : 2 * self.hidden] = 1

    def step(self, a: Array, c: Array, state: StateArrays) -> Stepped:
        h, memory, step_backward = operations_for(a).lstm_step(a, c, state[1])
        return (h, memory), lambda dstate, da, dc: (0, step_backward(*dstate, da))


@register("bidirectional")
class Bidirectional(Layer):
    """Join the outputs of two recurrent layers, of which the second runs backwards.

    forward:  x [B, T, inputs], optionally mask bool [B, T] -> y [B, T, H1 + H2], or [B, H1 + H2]
              where both have `last`
    backward: dy like y -> dx like x, the sum of both; gradients ahead.*, back.*

    Write Bidirectional(GRU(4, 8, rng), GRU(4, 8, rng, reverse=True)). Raises ConfigError for other
    pairs. Schuster and Paliwal 1997.
    """

    def __init__(self, ahead: Recurrent, back: Recurrent) -> None:
        checked_parts({"ahead": ahead, "back": back})
        fits = (
            isinstance(ahead, Recurrent)
            and isinstance(back, Recurrent)
            and (ahead.reverse, back.reverse) == (False, True)
            and ahead.last == back.last
            and not ahead.return_state
            and not back.return_state
        )
        if not fits:
            expected = "two recurrent layers without return_state, the second with reverse=True"
            raise ConfigError(f"Bidirectional: expected {expected}, found {ahead!r} and {back!r}")
        self.ahead, self.back = ahead, back

    def forward(
        self, x: Array, training: bool = False, mask: Any = None, state: Any = None
    ) -> Forward:
        ahead, ahead_backward = forward_part("ahead", self.ahead, x, training, mask, state)
        back, back_backward = forward_part("back", self.back, x, training, mask, state)

        def backward(dy):
            dx, grads = ahead_backward(dy[..., : self.ahead.hidden])
            dx_of_back, back_grads = back_backward(dy[..., self.ahead.hidden :])
            return dx + dx_of_back, grads | back_grads

        return xp_of(ahead).concatenate([ahead, back], axis=-1), backward
