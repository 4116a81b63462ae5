"""What recurrent layers share: the loop over time steps, and backpropagation through time.
`cells.py` has the steps.
"""

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, ClassVar, NamedTuple

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import as_tuple, check_gradient, check_input
from engine.nn.layer import Array, Gradients, Layer
from engine.nn.layers.initialization import initial
from engine.nn.operations import operations_for

StateArrays = tuple[Array, ...]  # of one step; the first is the hidden state h [B, H]
StepBackward = Callable[[StateArrays, Array, Array], StateArrays]
Stepped = tuple[StateArrays, StepBackward]


class Run(NamedTuple):
    """The steps through a sequence, and what backpropagation through them needs."""

    rows: Array  # x [T B, inputs]
    a: Array  # [T, B, G H]
    hidden: Array  # h_0, h_1, ..., h_T [T + 1, B, H]
    last_state: StateArrays
    step_backwards: list[StepBackward]


class Recurrent(Layer):
    """Updates a state from a sequence step by step; the state starts at zero, or where it is given.

    forward:  x [B, T, inputs], or (x, h [B, hidden]), an LSTM's with its memory (x, h, m);
              optionally mask bool [B, T], and state as in Sequential -> all hidden states y [B, T,
              hidden]; with `last` only the last one, y [B, hidden]; with `return_state` (y, h) or
              (y, h, m), the state after the last step
    backward: dy like y, with `return_state` (dy, dh) or (dy, dh, dm) -> dx like x, or (dx, dh) or
              (dx, dh, dm); gradients input_weight [G H, inputs], hidden_weight [G H, H], bias [G H]

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

    def step(self, a: Array, c: Array, state: StateArrays) -> Stepped:
        """One step: a, c [B, G H] -> (new state, backward).

        backward(dstate, da, dc) fills da and dc, one array where the kind `adds`, and returns what
        goes directly to the state before.
        """
        raise NotImplementedError

    def forward(
        self, x: Any, training: bool = False, mask: Any = None, state: Any = None
    ) -> tuple[Any, Any]:
        x, *start = as_tuple(x)
        check_input(self, x, "B", "T", self.inputs, dtype=self.params["input_weight"].dtype)
        order = slice(None)
        if self.reverse:
            order = slice(None, None, -1)
        keeps = self._keeps(mask, *x.shape[:2])
        run = self._run(x[:, order].swapaxes(0, 1), start, state, keeps)
        y = run.hidden[-1]
        if not self.last:
            y = run.hidden[1:].swapaxes(0, 1)[:, order]

        def backward(dy):
            dy, dstate = self._slopes(dy, y, run.last_state)
            if not self.last:
                dy = dy[:, order].swapaxes(0, 1)
            dx, dstate, grads = self._run_back(run, dy, dstate)
            if dx is not None:
                dx = dx.swapaxes(0, 1)[:, order]
            if start:
                dx = (dx, *dstate)
            return dx, grads

        if self.return_state:
            return (y, *run.last_state), backward
        return y, backward

    def _run(self, x: Array, start: list[Array], state: Any, keeps: Sequence[Any]) -> Run:
        """Take all steps through x [T, B, inputs], from the state that is given or kept."""
        steps, batch, _ = x.shape
        rows = x.reshape(-1, self.inputs)
        a = rows @ self.params["input_weight"].T
        a += self.params["bias"]
        a = a.reshape(steps, batch, self.gates * self.hidden)
        hidden = xp_of(x).zeros((steps + 1, batch, self.hidden), x.dtype)
        now = self._first(start, state, hidden[0])
        hidden[0] = now[0]
        step_backwards: list[StepBackward] = []
        # Which products pack faster.
        to_gates = xp_of(x).ascontiguousarray(self.params["hidden_weight"].T)
        for t in range(steps):
            now, step_backward = self._step(a[t], now[0] @ to_gates, now, keeps[t])
            hidden[t + 1] = now[0]
            step_backwards.append(step_backward)
        if state is not None:
            state["arrays"] = now
        return Run(rows, a, hidden, now, step_backwards)

    def _slopes(self, dy: Any, y: Array, last_state: StateArrays) -> tuple[Array, list[Array]]:
        """Return the gradients of y and of the last state from what backward is given."""
        if not self.return_state:
            dy = (dy, *map(xp_of(y).zeros_like, last_state))
        for slope, like in zip(dy, (y, *last_state), strict=True):
            check_gradient(self, slope, like.shape)
        return dy[0], list(dy[1:])

    def _run_back(
        self, run: Run, dy: Array, dstate: list[Array]
    ) -> tuple[Array | None, list[Array], Gradients]:
        """Return the gradients of x [T, B, inputs], if it is wanted, of the first state, and of the
        parameters, from dy [T, B, H], with `last` [B, H], and that of the last state.
        """
        a = run.a
        da = xp_of(a).empty_like(a)
        dc = da
        if not self.adds:
            dc = xp_of(a).empty_like(a)
        hidden_weight = self.params["hidden_weight"]
        if self.last:
            dstate[0] = dstate[0] + dy
        for t in reversed(range(len(a))):
            if not self.last:
                dstate[0] = dstate[0] + dy[t]
            direct, *further = run.step_backwards[t](tuple(dstate), da[t], dc[t])
            dstate = [dc[t] @ hidden_weight, *further]
            dstate[0] += direct
        flat_a = da.reshape(-1, da.shape[2])
        grads = self._gradients(run, flat_a, dc.reshape(flat_a.shape))
        if not self.input_gradient:
            return None, dstate, grads
        dx = flat_a @ self.params["input_weight"]
        return dx.reshape(*a.shape[:2], self.inputs), dstate, grads

    def _gradients(self, run: Run, da: Array, dc: Array) -> Gradients:
        """Return the gradients of the parameters from da and dc [T B, G H]."""
        before = run.hidden[:-1].reshape(-1, self.hidden)
        grads = {
            "input_weight": da.T @ run.rows,
            "hidden_weight": dc.T @ before,
            "bias": operations_for(da).sum_rows(da),
        }
        return grads | self._further_gradients(dc, run.a.reshape(da.shape), before)

    def _first(self, start: list[Array], state: Any, zeros: Array) -> StateArrays:
        """Return the state before the first step: the one that came with x, or the one kept in
        `state`, or else zeros.
        """
        if state is not None and self.reverse:
            raise ConfigError(f"{type(self).__name__}: what runs backwards keeps no state")
        arrays = tuple(start) or (state or {}).get("arrays") or (zeros,) * self.states
        if len(arrays) != self.states:
            form = f"a tuple of {1 + len(arrays)}"
            raise ShapeError(
                f"{type(self).__name__}: expected x and {self.states} arrays of a state, found {form}"
            )
        for array in arrays:
            check_input(self, array, *zeros.shape, dtype=zeros.dtype)
        return arrays

    def _keeps(self, mask: Array | None, batch: int, steps: int) -> Sequence[Any]:
        """Return where the state stays as it is, bool [T, B, 1] in the order of the steps; None of
        each step without a mask.
        """
        if mask is None:
            return [None] * steps
        check_input(self, mask, batch, steps, dtype="bool")
        if self.reverse:
            mask = mask[:, ::-1]
        return ~mask.T[:, :, None]

    def _step(self, a: Array, c: Array, state: StateArrays, keep: Array | None) -> Stepped:
        """Take a `step`, but leave the state as it is where `keep`, bool [B, 1]."""
        new, step_backward = self.step(a, c, state)
        if keep is None:
            return new, step_backward
        where = xp_of(a).where

        def backward(dstate, da, dc):
            dnew = tuple(where(keep, 0, slope) for slope in dstate)
            direct = step_backward(dnew, da, dc)
            return tuple(map(where, repeat(keep), dstate, direct))

        return tuple(map(where, repeat(keep), state, new)), backward

    def _further_gradients(self, dc: Array, a: Array, before: Array) -> Gradients:
        """Return gradients of the parameters that only this kind has, or has in another way, from
        dc and a [T B, G H] and h before each step [T B, H].
        """
        return {}
