"""What recurrent layers share: the loop over time steps, and backpropagation through time.
`cells.py` has the steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.array_forms import check_gradient, check_input
from engine.nn.layer import Array, Gradients, Layer
from engine.nn.layers.initialization import initial
from engine.nn.operations import operations_for

StateArrays = tuple[Array, ...]  # of one step; the first is the hidden state h [B, H]
StepBackward = Callable[[StateArrays, Array, Array], StateArrays]


class Recurrent(Layer):
    """Updates a state from a sequence step by step; the state starts at zero, or where it is given.

    forward:  x [B, T, inputs], or (x, h [B, hidden]), an LSTM's with its memory (x, h, m); optionally mask bool [B, T],
              and state as in Sequential -> all hidden states y [B, T, hidden]; with `last` only the last one, y
              [B, hidden]; with `return_state` (y, h) or (y, h, m), the state after the last step
    backward: dy like y, with `return_state` (dy, dh) or (dy, dh, dm) -> dx like x, or (dx, dh) or (dx, dh, dm);
              gradients input_weight [G H, inputs], hidden_weight [G H, H], bias [G H]

    With a_t = x_t Wx^T + b for all steps at once and c_t = h_{t-1} Wh^T, a kind defines
        state_t = step(a_t, c_t, state_{t-1})
    Backward runs from the last step; dh_t is dy_t plus the gradient from step t + 1:
        (da_t, dc_t, direct part of dstate_{t-1}) = step backward of dstate_t;  dh_{t-1} += dc_t Wh
        dWx = sum_t da_t^T x_t      dWh = sum_t dc_t^T h_{t-1}      db = sum_t da_t      dx_t = da_t Wx
    Where the mask is False, the state stays as it is. With `reverse` the steps run from the end, and y_t is the state
    after x_t was read. Raises ShapeError when x, the mask or the state does not fit.
    """

    gates: ClassVar[int]  # G: how many vectors of H numbers a step takes from a_t and c_t
    states: ClassVar[int] = 1  # number of arrays in a state
    input_gradient = True  # False for the first layer of a network that is trained
    adds: ClassVar[bool] = True  # whether a step takes a_t + c_t alone, so that dc = da

    def __init__(
        self,
        inputs: int,
        hidden: int,
        rng: np.random.Generator,
        last: bool = False,
        reverse: bool = False,
        return_state: bool = False,
    ) -> None:
        if inputs < 1 or hidden < 1:
            raise ConfigError(f"{type(self).__name__}({inputs}, {hidden}): both must be >= 1")
        self.inputs = inputs
        self.hidden = hidden
        self.last = last
        self.reverse = reverse
        self.return_state = return_state
        rows = self.gates * hidden
        self.params = {
            "input_weight": initial(rng, "glorot", (rows, inputs), inputs, hidden),
            "hidden_weight": initial(rng, "glorot", (rows, hidden), hidden, hidden),
            "bias": np.zeros(rows, np.float32),
        }
        self._start()

    def _start(self) -> None:
        """Add and set the parameters that only this kind has."""

    def step(self, a: Array, c: Array, state: StateArrays) -> tuple[StateArrays, StepBackward]:
        """One step: a, c [B, G H] -> (new state, backward).

        backward(dstate, da, dc) fills da and dc, one array where the kind `adds`, and returns what
        goes directly to the state before.
        """
        raise NotImplementedError

    def forward(
        self, x: Any, training: bool = False, mask: Any = None, state: Any = None
    ) -> tuple[Any, Any]:
        x, *given = x if isinstance(x, tuple) else (x,)
        weight = self.params["input_weight"]
        check_input(self, x, "B", "T", self.inputs, dtype=weight.dtype)
        xp, (batch, steps, _) = xp_of(x), x.shape
        keeps = self._keeps(mask, batch, steps)
        order = slice(None, None, -1 if self.reverse else None)
        rows = x[:, order].swapaxes(0, 1).reshape(-1, self.inputs)  # (T B, inputs)
        a = rows @ weight.T
        a += self.params["bias"]
        a = a.reshape(steps, batch, len(weight))
        hidden = xp.zeros((steps + 1, batch, self.hidden), x.dtype)  # h_0, h_1, ..., h_T
        now, step_backwards = self._run(a, hidden, self._first(given, state, hidden[0]), keeps)
        if state is not None:
            state["arrays"] = now

        def backward(dy):
            dy, *dstate = dy if self.return_state else (dy, *map(xp.zeros_like, now))
            for one, like in zip((dy, *dstate), (y, *now), strict=True):
                check_gradient(self, one, like.shape)
            by_time = dy if self.last else dy[:, order].swapaxes(0, 1)
            da, dc, dstate = self._run_back(step_backwards, a, by_time, dstate)
            drows, grads = self._gradients(da, dc, rows, a, hidden)
            dx = None
            if drows is not None:
                dx = drows.reshape(steps, batch, self.inputs).swapaxes(0, 1)[:, order]
            return (dx, *dstate) if given else dx, grads

        y = hidden[steps] if self.last else hidden[1:].swapaxes(0, 1)[:, order]
        return (y, *now) if self.return_state else y, backward

    def _run(
        self, a: Array, hidden: Array, now: StateArrays, keeps: Array | None
    ) -> tuple[StateArrays, list[StepBackward]]:
        """Take all steps from the state `now`, and fill h [T + 1, B, H]; return the last state, and
        the steps' backward passes.
        """
        hidden[0] = now[0]
        step_backwards: list[StepBackward] = []
        # Which products pack faster.
        to_gates = xp_of(a).ascontiguousarray(self.params["hidden_weight"].T)
        for t in range(len(a)):
            keep = None if keeps is None else keeps[t]
            now, step_backward = self._step(a[t], now[0] @ to_gates, now, keep)
            hidden[t + 1] = now[0]
            step_backwards.append(step_backward)
        return now, step_backwards

    def _run_back(
        self, step_backwards: list[StepBackward], a: Array, dy: Array, dstate: list[Array]
    ) -> tuple[Array, Array, list[Array]]:
        """Return da, dc [T, B, G H] and the gradient of the first state from dy [T, B, H], with
        `last` [B, H], and that of the last state.
        """
        da = xp_of(a).empty_like(a)
        dc = da if self.adds else xp_of(a).empty_like(a)
        hidden_weight = self.params["hidden_weight"]
        for t in reversed(range(len(a))):
            if not self.last or t == len(a) - 1:
                dstate[0] = dstate[0] + (dy if self.last else dy[t])
            direct, *others = step_backwards[t](tuple(dstate), da[t], dc[t])
            dstate = [dc[t] @ hidden_weight, *others]
            dstate[0] += direct
        return da, dc, dstate

    def _gradients(
        self, da: Array, dc: Array, rows: Array, a: Array, hidden: Array
    ) -> tuple[Array | None, Gradients]:
        """Return the gradient of the rows of x [T B, inputs], if it is wanted, and those of the
        parameters.
        """
        flat_a = da.reshape(-1, da.shape[2])
        flat_c = dc.reshape(-1, da.shape[2])
        before = hidden[:-1].reshape(-1, self.hidden)
        grads = {
            "input_weight": flat_a.T @ rows,
            "hidden_weight": flat_c.T @ before,
            "bias": operations_for(a).sum_rows(flat_a),
        }
        drows = flat_a @ self.params["input_weight"] if self.input_gradient else None
        return drows, grads | self._further_gradients(flat_c, a.reshape(flat_a.shape), before)

    def _first(self, given: list[Array], state: Any, zeros: Array) -> StateArrays:
        """Return the state before the first step: what is given, or else kept in `state`, or else
        zeros.
        """
        if state is not None and self.reverse:
            raise ConfigError(f"{type(self).__name__}: what runs backwards keeps no state")
        arrays = tuple(given) or (state or {}).get("arrays") or (zeros,) * self.states
        if len(arrays) != self.states:
            found = f"a tuple of {1 + len(arrays)}"
            raise ShapeError(
                f"{type(self).__name__}: expected x and {self.states} arrays of a state, found {found}"
            )
        for array in arrays:
            check_input(self, array, *zeros.shape, dtype=zeros.dtype)
        return arrays

    def _keeps(self, mask: Array | None, batch: int, steps: int) -> Array | None:
        """Return where the state stays as it is, bool [T, B, 1] in the order of the steps."""
        if mask is None:
            return None
        check_input(self, mask, batch, steps, dtype="bool")
        return ~(mask[:, ::-1] if self.reverse else mask).T[:, :, None]

    def _step(
        self, a: Array, c: Array, state: StateArrays, keep: Array | None
    ) -> tuple[StateArrays, StepBackward]:
        """Take a `step`, but leave the state as it is where `keep`, bool [B, 1]."""
        new, step_backward = self.step(a, c, state)
        if keep is None:
            return new, step_backward
        where = xp_of(a).where

        def backward(dstate, da, dc):
            direct = step_backward(tuple(where(keep, 0, one) for one in dstate), da, dc)
            return tuple(where(keep, old, one) for old, one in zip(dstate, direct, strict=True))

        return tuple(where(keep, old, one) for old, one in zip(state, new, strict=True)), backward

    def _further_gradients(self, dc: Array, a: Array, before: Array) -> Gradients:
        """Return gradients of the parameters that only this kind has, or has in another way, from
        dc and a [T B, G H] and h before each step [T B, H].
        """
        return {}
