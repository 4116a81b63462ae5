"""The reference for every expensive operation: plain array code, any dtype, NumPy or CuPy.

Images are [B, C, H, W]; their memory is kept channels last, which makes a convolution one matrix
product. Every operation returns its result and a closure from the gradient of the result to the
gradients of its inputs. Faster implementations override methods of `Operations` and are tested
against it.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, reduce
from typing import Any, NamedTuple

import numpy as np

from engine.backend import product
from engine.nn.operations import elementwise_steps
from engine.nn.operations.geometry import Geometry

Array = Any


class GateGradients(NamedTuple):
    """The gradients of `gated_sum`."""

    scale: Array  # [B, C]
    shift: Array  # [B, C]
    skip: Array  # like y
    input_gradient: Callable[[Array], Array]  # dmean [B, C] -> dx like x


Moments = tuple[Array, Array]  # mean and variance of each channel, [C]
# Y, and dy -> (dx or None, dweight)
Convolved = tuple[Array, Callable[[Array], tuple[Array | None, Array]]]
Densed = tuple[Array, Callable[[Array, bool], tuple[Array | None, Array, Array]]]
Activated = tuple[Array, Callable[[Array], Array]]  # y, and dy -> dx
Function = Callable[[Array], Activated]
NormBackward = Callable[[Array], tuple[Array, Array, Array]]  # dy -> (dx, dgamma, dbeta)
Normed = tuple[Array, Array, Array, NormBackward]  # y, mean [C], variance [C], backward
NormedRows = tuple[Array, NormBackward]  # y, backward
Gated = tuple[Array, Callable[[Array], GateGradients]]


def identity(x: Array) -> Activated:
    """y = x."""
    return x, lambda dy: dy


class Operations:
    """Plain array implementation on the array module `xp`."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    @cached_property
    def _is_first(self) -> Array:
        """Which of two sums is the first, bool [2, 1, 1, 1]: one kernel computes both."""
        return self.xp.arange(2)[:, None, None, None] == 0

    # ---- matrix products -------------------------------------------------------------------------

    def half_products(self) -> AbstractContextManager[None]:
        """Return a block in which products on a device are computed in half precision, and their
        results cast back.
        """
        return nullcontext()

    def dense(
        self, rows: Array, weight: Array, bias: Array, function: Function = identity
    ) -> Densed:
        """`Dense` of rows [R, inputs], then a function; backward: dy, is dx wanted -> (dx or None,
        dweight, dbias).
        """
        y, slope = self.activate(function, product(rows, weight.T), bias)

        def backward(dy, input_gradient):
            dz = slope(dy)
            dx = None
            if input_gradient:
                dx = product(dz, weight).astype(dy.dtype, copy=False)
            return dx, product(dz.T, rows), self.sum_rows(dz)

        return y, backward

    def sum_rows(self, rows: Array) -> Array:
        """Return the sum [C] of rows [R, C]."""
        return rows.sum(axis=0, dtype=np.promote_types(rows.dtype, np.float32))

    # ---- convolution -----------------------------------------------------------------------------

    def conv2d(
        self,
        x: Array,
        weight: Array,
        windows: Geometry,
        groups: int = 1,
        input_gradient: bool = True,
    ) -> Convolved:
        """Cross-correlation with zero padding: x [B, C, H, W], weight [K, C / groups, k, k] -> y
        [B, K, H', W'].

        backward: dy -> (dx or None without `input_gradient`, dweight), as in `Conv2D`.
        """
        patches = windows.view(self.xp, windows.padded(self.xp, channels_last(x)))
        batch, height, width = patches.shape[:3]
        cols = _by_groups(patches.reshape(batch * height * width, weight[0].size * groups), groups)
        kernels = _kernels_by_groups(weight, groups)
        y = _joined(product(cols, kernels.swapaxes(-1, -2)))

        def backward(dy):
            image = self.xp.ascontiguousarray(channels_last(dy), cols.dtype)
            rows = _by_groups(image.reshape(-1, len(weight)), groups)
            dweight = product(rows.swapaxes(-1, -2), cols).reshape(weight.shape)
            if not input_gradient:
                return None, dweight
            slopes = channels_first(image)
            dx = self.conv2d_transposed(slopes, weight, x.shape[2:], windows, groups)
            return dx.astype(dy.dtype, copy=False), dweight

        return channels_first(y.reshape(batch, height, width, len(weight))), backward

    def conv2d_transposed(
        self,
        dy: Array,
        weight: Array,
        sides: Sequence[int],
        windows: Geometry,
        groups: int = 1,
    ) -> Array:
        """dx [B, C, H, W] of `conv2d` for an x of these sides, from dy [B, K, H', W'].

        For stride 1, it is the convolution of dy with the kernel turned by half, otherwise col2im
        of dy W.
        """
        batch, _, *image_sides = dy.shape
        if (back := windows.turned(sides)) is not None:
            by_group = weight.reshape(groups, -1, *weight.shape[1:])
            turned = by_group[..., ::-1, ::-1].swapaxes(1, 2)
            turned = turned.reshape(-1, len(weight) // groups, *windows.size)
            return self.conv2d(dy, turned, back, groups, False)[0]
        rows = _by_groups(channels_last(dy).reshape(-1, len(weight)), groups)
        dcols = _joined(product(rows, _kernels_by_groups(weight, groups)))
        channels = weight.shape[1] * groups
        dpatches = dcols.reshape(batch, *image_sides, channels, *windows.size)
        dpadded = self.xp.zeros((batch, *windows.reach(sides), channels), dcols.dtype)
        for (row, column), part in windows.places(image_sides):
            dpadded[part] += dpatches[..., row, column]
        return channels_first(windows.cropped(dpadded, sides))

    def add_bias(self, y: Array, bias: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Add bias [C] to y [B, C, H, W], which it may overwrite; backward: dy -> dbias = sum of dy
        over batch and squares.
        """
        return y + bias[:, None, None], lambda dy: self.sum_rows(
            channels_last(dy).reshape(-1, len(bias))
        )

    def max_pool(self, x: Array, windows: Geometry) -> Activated:
        """Return the largest of every window of x [B, C, H, W], and dy -> dx, as in `MaxPool2D`."""
        xp = self.xp
        padded = windows.padded(xp, channels_last(x), -np.inf)
        sides = windows.sides(x.shape[2:])
        places = [part for _, part in windows.places(sides)]
        y = reduce(xp.maximum, (padded[part] for part in places))

        def backward(dy):
            dpadded = xp.zeros_like(padded)
            dimage = channels_last(dy)
            free = xp.ones(y.shape, bool)  # windows whose maximum has not been found yet
            for part in places:
                winner = free & (padded[part] == y)
                dpadded[part] += dimage * winner
                free &= ~winner
            return channels_first(windows.cropped(dpadded, x.shape[2:]))

        return channels_first(y), backward

    # ---- numbers one by one ----------------------------------------------------------------------

    def activate(self, function: Function, x: Array, bias: Any = None) -> Activated:
        """Apply an activation function of x, or of x + bias: this may overwrite x."""
        if bias is not None:
            x += bias
        return function(x)

    # ---- normalisation ---------------------------------------------------------------------------

    def batch_norm(
        self,
        x: Array,
        gamma: Array,
        beta: Array,
        epsilon: float,
        relu: bool,
        groups: int = 1,
        given: Moments | None = None,
    ) -> Normed:
        """Normalise as in `BatchNorm`, by the batch's own statistics or by `given` constants.

        Returns (y, mean [C], variance [C], backward).
        """
        last = channels_last(x)
        shape = (groups, x.size // x.shape[1] // groups, x.shape[1])
        rows = last.reshape(shape)
        floor = _least(relu)
        share = 1 / max(1, shape[1])
        mean, variance = given or self._moments(rows, share)
        if given is None and self._is_too_wide(variance):
            return self._in_double(Operations.batch_norm, x, gamma, beta, epsilon, relu, groups)
        y = self.fused(elementwise_steps.normalised)(
            rows, mean, variance, gamma, beta, epsilon, floor
        )

        def backward(dy):
            normed = channels_last(dy).reshape(shape), y, rows, mean, variance
            slopes = self.fused(elementwise_steps.norm_slopes)(
                *normed, 1.0, epsilon, floor, self._is_first
            )
            sums: Any = (0.0, 0.0)  # of constants
            if given is None:
                sums = slopes[:, :, None]
            dx = self.fused(elementwise_steps.norm_gradient)(
                *normed, 1.0, gamma, *sums, epsilon, share, floor
            )
            dgamma, dbeta = slopes[:, 0]
            if groups > 1:
                dgamma, dbeta = slopes.sum(axis=1)
            return channels_first(dx.reshape(last.shape)), dgamma, dbeta

        image = channels_first(y.reshape(last.shape))
        if groups == 1:
            return image, mean.reshape(-1), variance.reshape(-1), backward
        return image, mean.mean(axis=(0, 1)), variance.mean(axis=(0, 1)), backward

    def _moments(self, rows: Array, share: float) -> Moments:
        """Return mean and variance over axis 1 of [G, N, C], [G, 1, C] each; `share` is 1 / N."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean = rows.mean(axis=1, keepdims=True)
            return mean, self.fused(elementwise_steps.variance_about)(rows, mean, share).reshape(
                mean.shape
            )

    def _in_double(self, norm: Callable[..., Any], x: Array, *settings: Any) -> Any:
        """Compute a norm in double precision; a variance that the dtype of x cannot hold becomes
        its largest.
        """
        dtype, limit = x.dtype, np.finfo(x.dtype).max
        doubles = [x.astype(np.float64)]
        for setting in settings:
            if isinstance(setting, np.ndarray):
                setting = setting.astype(np.float64)
            doubles.append(setting)
        *results, wide_backward = norm(self, *doubles)

        def backward(dy):
            return tuple(array.astype(dtype) for array in wide_backward(dy.astype(np.float64)))

        return *(self.xp.clip(array, -limit, limit).astype(dtype) for array in results), backward

    def follow(self, running: Moments, values: Moments, momentum: float) -> None:
        """Move running mean and variance in place: running <- running + momentum (value - running)."""
        self.fused(elementwise_steps.follow)(*running, *values, momentum, *running)

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a named module-level function of elementwise operations, as one kernel on a GPU."""
        return function

    def layer_norm(self, x: Array, gamma: Array, beta: Array, epsilon: float) -> NormedRows:
        """`LayerNorm` of x [..., C]: y = gamma (x - mean) / sqrt(variance + epsilon) + beta over
        the last axis.
        """
        # Each position is a group.
        rows = x.reshape(-1, x.shape[-1], 1)
        share = 1 / x.shape[-1]
        floor = -np.inf
        moments = self._moments(rows, share)
        if self._is_too_wide(moments[1]):
            return self._in_double(Operations.layer_norm, x, gamma, beta, epsilon)
        y = self.fused(elementwise_steps.normalised)(
            rows, *moments, gamma[:, None], beta[:, None], epsilon, floor
        )

        def backward(dy):
            normed = (dy.reshape(rows.shape), y, rows, *moments)
            slopes = self.fused(elementwise_steps.norm_slopes)
            sums = slopes(*normed, gamma[:, None], epsilon, floor, self._is_first)[:, :, None]
            dx = self.fused(elementwise_steps.norm_gradient)(
                *normed, gamma[:, None], 1.0, *sums, epsilon, share, floor
            )
            one_group = [array[None, ..., 0] for array in normed]
            dgamma, dbeta = slopes(*one_group, 1.0, epsilon, floor, self._is_first)[:, 0]
            return dx.reshape(x.shape), dgamma, dbeta

        return y.reshape(x.shape), backward

    def group_norm(
        self, x: Array, gamma: Array, beta: Array, groups: int, epsilon: float
    ) -> NormedRows:
        """`GroupNorm` of x [B, C, ...]."""
        xp = self.xp
        each = len(gamma), *[1] * (x.ndim - 2)
        gain = gamma.reshape(each)
        rows = x.reshape(len(x), groups, math.prod(x.shape[1:]) // groups)
        units = xp.ones(rows.shape[-1], x.dtype), xp.zeros(rows.shape[-1], x.dtype)
        h, norm_backward = self.layer_norm(rows, *units, epsilon)
        h = h.reshape(x.shape)
        axes = (0, *range(2, x.ndim))

        def backward(dy):
            dx, *_ = norm_backward((gain * dy).reshape(rows.shape))
            return dx.reshape(x.shape), (dy * h).sum(axis=axes), dy.sum(axis=axes)

        return gain * h + beta.reshape(each), backward

    def softmax(self, scores: Array) -> Activated:
        """Softmax along the last axis as in `attend`; rows of -infinity become 0. May overwrite
        scores, and dy.
        """
        if not scores.shape[-1]:  # there may be no key
            return scores, lambda dy: dy
        powers = self.fused(elementwise_steps.power)(scores, scores.max(axis=-1, keepdims=True))
        weights = self.fused(elementwise_steps.part)(powers, powers.sum(axis=-1, keepdims=True))

        def backward(dy):
            return self.fused(elementwise_steps.share_slope)(
                dy, weights, self.fused(elementwise_steps.inner_products)(dy, weights)[..., None]
            )

        return weights, backward

    def _is_too_wide(self, variance: Array) -> bool:
        """Whether a variance left the range of its dtype. Asking a GPU would cost a wait for it in
        every layer.
        """
        return self.xp is np and variance.dtype != np.float64 and not np.isfinite(variance).all()

    # ---- ends of residual blocks -----------------------------------------------------------------

    def cross_entropy(
        self, logits: Array, classes: Array, *settings: Any
    ) -> tuple[float, Array, Array] | None:
        """Return the sum of the losses of all places, these, and the gradient of the sum times a
        share, as in `softmax_cross_entropy`; None where no kernel computes them.

        logits [..., A], classes integer [...], in range; the settings are the class that costs
        nothing or None, the share, weights of places or None, of classes, and the smoothing.
        """
        return None

    def binary_cross_entropy(self, logits: Array, targets: Array) -> tuple[Array, Array]:
        """Return the loss of each number, as in `sigmoid_binary_cross_entropy`, and its slope."""
        xp = self.xp
        size = xp.abs(logits)
        small = xp.exp(-size)
        wrong = xp.where(logits > 0, 1 - targets, targets)
        losses = xp.where(wrong == 0, 0, size) * wrong + xp.log1p(small)
        return losses, xp.where(logits >= 0, 1, small) / (1 + small) - targets

    def square_mean(self, x: Array) -> Array:
        """Mean over the squares of each plane: x [B, C, H, W] -> [B, C]."""
        return channels_last(x).mean(axis=(1, 2))

    def gated_sum(self, x: Array, scale: Array, shift: Array, skip: Array, relu: bool) -> Gated:
        """y = scale x + shift + skip, then max(., 0) with `relu`; scale and shift are [B, C], one
        number per plane.

        backward: dy -> GateGradients. With dz = dy where y > 0 (everywhere without `relu`):
            dscale = sum over squares of x dz      dshift = sum over squares of dz      dskip = dz
            dx = scale dz + dmean / squares, where dmean [B, C] is the gradient of x's mean over the squares
        """
        last = channels_last(x)
        scale = scale[:, None, None, :]
        floor = _least(relu)
        y = self.fused(elementwise_steps.gated)(
            last, scale, shift[:, None, None, :], channels_last(skip), floor
        )

        def backward(dy):
            dskip, along = self.fused(elementwise_steps.gate_slopes)(
                channels_last(dy), y, last, floor
            )

            def input_gradient(dmean):
                share = 1 / (x.shape[2] * x.shape[3])
                return channels_first(
                    self.fused(elementwise_steps.gate_gradient)(
                        dskip, scale, dmean[:, None, None, :], share
                    )
                )

            return GateGradients(
                along.sum(axis=(1, 2)),
                dskip.sum(axis=(1, 2)),
                channels_first(dskip),
                input_gradient,
            )

        return channels_first(y), backward

    def add(self, a: Array, b: Array) -> Array:
        """Add two gradients that reach the same array."""
        return channels_first(channels_last(a) + channels_last(b))

    # ---- steps of recurrent layers, as in their docstrings ---------------------------------------

    def lstm_step(
        self, a: Array, c: Array, before: Array
    ) -> tuple[Array, Array, Callable[..., Array]]:
        """One step of `LSTM`: a, c [B, 4 H], memory `before` [B, H] -> (h, memory, backward).

        backward: (dh, dmemory, da), of which it fills da [B, 4 H] -> dbefore.
        """
        xp = self.xp
        size = before.shape[1]
        gates = self._sigmoid(a[:, : 3 * size] + c[:, : 3 * size])
        write = gates[:, :size]
        forget = gates[:, size : 2 * size]
        show = gates[:, 2 * size :]
        candidate = xp.tanh(a[:, 3 * size :] + c[:, 3 * size :])
        memory = forget * before + write * candidate
        shown = xp.tanh(memory)

        def backward(dh, dmemory, da):
            dmemory = dmemory + dh * show * (1 - shown * shown)
            dgates = xp.concatenate([dmemory * candidate, dmemory * before, dh * shown], axis=1)
            da[:, : 3 * size] = dgates * gates * (1 - gates)
            da[:, 3 * size :] = dmemory * write * (1 - candidate * candidate)
            return dmemory * forget

        return show * shown, memory, backward

    def gru_step(
        self, a: Array, c: Array, bias: Array, before: Array
    ) -> tuple[Array, Callable[..., Array]]:
        """One step of `GRU`: a, c [B, 3 H], bias of the candidate [H], h `before` [B, H] -> (h,
        backward).

        backward: (dh, da, dc), of which it fills da and dc [B, 3 H] -> direct part of dbefore.
        """
        xp = self.xp
        size = before.shape[1]
        gates = self._sigmoid(a[:, : 2 * size] + c[:, : 2 * size])
        reset, keep = gates[:, :size], gates[:, size:]
        recalled = c[:, 2 * size :] + bias
        candidate = xp.tanh(a[:, 2 * size :] + reset * recalled)

        def backward(dh, da, dc):
            dcandidate = dh * (1 - keep) * (1 - candidate * candidate)
            dgates = xp.concatenate([dcandidate * recalled, dh * (before - candidate)], axis=1)
            da[:, : 2 * size] = dc[:, : 2 * size] = dgates * gates * (1 - gates)
            da[:, 2 * size :] = dcandidate
            dc[:, 2 * size :] = dcandidate * reset
            return dh * keep

        return candidate + keep * (before - candidate), backward

    def _sigmoid(self, x: Array) -> Array:
        return (1 + self.xp.tanh(x / 2)) / 2

    # ---- rows of a table, selected by index ------------------------------------------------------

    def scatter_rows(self, rows: Array, places: Array, count: int) -> Array:
        """Add each row at its place: rows [B, D], places int [B] in [0, count) -> [count, D]."""
        table = self.xp.zeros((count, rows.shape[1]), rows.dtype)
        self.xp.add.at(table, places, rows)
        return table


def _least(relu: bool) -> float:
    """Return the least number that comes out, with a ReLU at the end or without."""
    if relu:
        return 0.0
    return -np.inf


def _by_groups(rows: Array, groups: int) -> Array:
    """Return rows [N, G c] of several groups as [G, N, c]; those of one stay: a stack of products
    takes a GPU three kernels more.
    """
    if groups == 1:
        return rows
    return rows.reshape(len(rows), groups, rows.shape[1] // groups).swapaxes(0, 1)


def _kernels_by_groups(weight: Array, groups: int) -> Array:
    """Return a weight [K, C / G, k, k] as [G, K / G, C / G k k], or [K, C k k] of one group."""
    rows = weight.reshape(len(weight), -1)
    if groups == 1:
        return rows
    return rows.reshape(groups, len(weight) // groups, rows.shape[1])


def _joined(rows: Array) -> Array:
    """Undo `_by_groups`."""
    if rows.ndim == 2:
        return rows
    groups, count, size = rows.shape
    return rows.swapaxes(0, 1).reshape(count, groups * size)


def channels_first(x: Array) -> Array:
    """Return an image [B, H, W, C] as [B, C, H, W], without a copy."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def channels_last(x: Array) -> Array:
    """Return an image [B, C, H, W] as [B, H, W, C], without a copy."""
    return x.transpose(0, *range(2, x.ndim), 1)
