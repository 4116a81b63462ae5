"""Long short-term memory."""

from __future__ import annotations

import numpy as np

from engine.backend import backend_of
from engine.nn.layer import Array, register
from engine.nn.layers.activations import sigmoid, tanh
from engine.nn.layers.recurrent import Recurrent, State, StepBackward


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
        candidate, candidate_slope = tanh(a[:, 3 * size :] + c[:, 3 * size :])
        memory = forget * memory_before + write * candidate
        shown, shown_slope = tanh(memory)

        def backward(dstate: State) -> tuple[Array, Array, State]:
            dh, xp = dstate[0], backend_of(dstate[0]).xp
            dmemory = dstate[1] + shown_slope(dh * show)
            dgates = gates_slope(xp.concatenate([dmemory * candidate, dmemory * memory_before, dh * shown], axis=1))
            da = xp.concatenate([dgates, candidate_slope(dmemory * write)], axis=1)
            return da, da, (xp.zeros_like(dh), dmemory * forget)

        return (show * shown, memory), backward
