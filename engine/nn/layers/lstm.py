"""Long short-term memory."""

from __future__ import annotations

from engine.nn.layer import Array, register
from engine.nn.layers.recurrent import Recurrent, StateArrays, StepBackward
from engine.nn.operations import operations_for


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

    def _start(self) -> None:
        self.params["bias"][self.hidden : 2 * self.hidden] = 1

    def step(self, a: Array, c: Array, state: StateArrays) -> tuple[StateArrays, StepBackward]:
        h, memory, step_backward = operations_for(a).lstm_step(a, c, state[1])
        return (h, memory), lambda dstate, da, dc: (0, step_backward(*dstate, da))
