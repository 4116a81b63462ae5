"""The expensive operations for float32 in host memory, with Numba kernels around BLAS products."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.native.lanes import LANES, WIDE_REGISTERS
from engine.nn.operations import (
    channelwise,
    correlation,
    elementwise,
    pools,
    rows,
    squares,
    winograd,
)
from engine.nn.operations.array_operations import (
    Activated,
    Convolved,
    Function,
    Gated,
    GateGradients,
    Moments,
    Normed,
    NormedRows,
    Operations,
    channels_first,
    channels_last,
)
from engine.nn.operations.geometry import Geometry
from engine.nn.operations.squares import Array, channels_last_copy
from engine.nn.operations.workspace import empty

LARGE_GROUP = 64  # pairs of channels; smaller groups are convolved together, in lanes


class NativeOperations(Operations):
    """Overrides the operations that have a kernel. Shapes that no kernel supports fall back to the
    reference.
    """

    def conv2d(
        self,
        x: Array,
        weight: Array,
        windows: Geometry,
        groups: int = 1,
        input_gradient: bool = True,
    ) -> Convolved:
        if not x.size or windows.size == windows.stride:  # a product of images as they lie
            image = channels_first(channels_last_copy(x))
            return super().conv2d(image, weight, windows, groups, input_gradient)
        if _has_large_groups(weight, groups):
            return self._conv2d_of_groups(x, weight, windows, groups, input_gradient)
        if groups == 1 and winograd.supports(x, weight, windows):
            return winograd.convolve_by_tiles(x, weight, windows, input_gradient)
        y, weight_gradient = correlation.convolve(x, weight, windows, groups)

        def backward(dy):
            dweight = weight_gradient(dy)
            if not input_gradient:
                return None, dweight
            return self.conv2d_transposed(dy, weight, x.shape[2:], windows, groups), dweight

        return y, backward

    def conv2d_transposed(
        self,
        dy: Array,
        weight: Array,
        sides: Sequence[int],
        windows: Geometry,
        groups: int = 1,
    ) -> Array:
        # One group is faster as a product where its sums have wide registers.
        is_turned = (groups > 1 or not WIDE_REGISTERS) and windows.turned(sides) is not None
        if not dy.size or is_turned:
            return super().conv2d_transposed(dy, weight, sides, windows, groups)
        if _has_large_groups(weight, groups):
            pairs = zip(_parts(dy, groups), np.split(weight, groups), strict=True)
            return _join([self.conv2d_transposed(*pair, sides, windows) for pair in pairs])
        return correlation.convolve_back(dy, weight, (sides[0], sides[1]), windows, groups)

    def _conv2d_of_groups(
        self,
        x: Array,
        weight: Array,
        windows: Geometry,
        groups: int,
        input_gradient: bool,
    ) -> Convolved:
        """Convolve each group by itself."""
        outputs, steps = [], []
        for part, kernels in zip(_parts(x, groups), np.split(weight, groups), strict=True):
            y, step = self.conv2d(part, kernels, windows, 1, input_gradient)
            outputs.append(y)
            steps.append(step)

        def backward(dy):
            slopes = [step(part) for step, part in zip(steps, _parts(dy, groups), strict=True)]
            dx, dweight = zip(*slopes, strict=True)
            if not input_gradient:
                return None, np.concatenate(dweight)
            return _join(dx), np.concatenate(dweight)

        return _join(outputs), backward

    def max_pool(self, x: Array, windows: Geometry) -> Activated:
        if not x.size:
            return super().max_pool(x, windows)
        return pools.largest(x, windows)

    def add_bias(self, y: Array, bias: Array) -> tuple[Array, Callable[[Array], Array]]:
        last = channels_last(y)
        if not last.flags.c_contiguous:
            return super().add_bias(y, bias)
        squares.add_to_rows(last.reshape(-1), bias)
        return y, self._plane_sums

    def _plane_sums(self, dy: Array) -> Array:
        """Return the sum of each channel over batch and squares, by products, which run at memory
        speed.
        """
        if not dy.flags.c_contiguous:
            return self.sum_rows(_flat_image(dy).reshape(-1, dy.shape[1]))
        batch, channels, *sides = dy.shape
        ones = np.ones(math.prod(sides), np.float32)
        return self.sum_rows((_flat(dy).reshape(-1, len(ones)) @ ones).reshape(batch, channels))

    def sum_rows(self, rows: Array) -> Array:
        # A product with ones runs at memory speed; NumPy's sum over leading axes does not.
        return np.ones(len(rows), np.float32) @ rows

    def activate(self, function: Function, x: Array, bias: Any = None) -> Activated:
        pair = elementwise.NATIVE.get(function)
        if pair is None:
            return super().activate(function, x, bias)
        if bias is not None:
            x += bias
        return elementwise.activated(pair, x)

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
        if not x.size or groups > 1 or given is not None:
            return super().batch_norm(x, gamma, beta, epsilon, relu, groups, given)
        image = channels_last_copy(x)
        flat = image.reshape(-1)
        channels = x.shape[1]
        statistics = np.empty((2, channels))  # mean and variance
        terms = np.empty((3, channels), np.float32)
        y = empty(image.shape)
        is_finite = channelwise.batch_norm(
            flat, channels, gamma, beta, epsilon, relu, statistics, terms, y.reshape(-1)
        )
        if not is_finite:
            return self._in_double(Operations.batch_norm, x, gamma, beta, epsilon, relu)

        def backward(dy):
            dx = empty(image.shape)
            slopes = np.empty((2, channels), np.float32)  # dgamma and dbeta
            settings = channels, gamma, epsilon, relu
            channelwise.batch_norm_gradient(
                flat, _flat_image(dy), *settings, statistics, terms, dx.reshape(-1), slopes
            )
            return channels_first(dx), *slopes

        mean, variance = statistics.astype(np.float32)
        return channels_first(y), mean, variance, backward

    def layer_norm(self, x: Array, gamma: Array, beta: Array, epsilon: float) -> NormedRows:
        width = len(gamma)
        flat = _flat(x)
        y = empty(x.shape)
        mean = np.empty(x.size // width, np.float32)
        factor = np.empty_like(mean)
        rows.normalise_rows(flat, gamma, beta, epsilon, y.reshape(-1), mean, factor)
        if not (factor > 0).all():  # a variance is too large, or NaN
            return super().layer_norm(x, gamma, beta, epsilon)

        def backward(dy):
            dx = empty(x.shape)
            scratch = np.zeros(2 * width, np.float32)
            sums = np.zeros(2 * width)
            rows.normalise_gradient(
                _flat(dy), flat, gamma, mean, factor, dx.reshape(-1), scratch, sums
            )
            dgamma, dbeta = sums.astype(np.float32).reshape(2, width)
            return dx, dgamma, dbeta

        return y, backward

    def softmax(self, scores: Array) -> Activated:
        width = scores.shape[-1]
        if not width or not scores.flags.c_contiguous:
            return super().softmax(scores)
        rows.softmax_in_place(scores.reshape(-1), width, np.empty(LANES, np.float32))

        def backward(dy):
            dy = np.ascontiguousarray(dy, np.float32)
            rows.softmax_gradient(dy.reshape(-1), scores.reshape(-1), width)
            return dy

        return scores, backward

    def group_norm(
        self, x: Array, gamma: Array, beta: Array, groups: int, epsilon: float
    ) -> NormedRows:
        flat = _flat(x)
        y = empty(x.shape)
        mean = np.empty(len(x) * groups, np.float32)
        factor = np.empty_like(mean)
        rows.normalise_planes(flat, gamma, beta, groups, epsilon, y.reshape(-1), mean, factor)
        if not (factor > 0).all():
            return super().group_norm(x, gamma, beta, groups, epsilon)

        def backward(dy):
            dx = empty(x.shape)
            sums = np.zeros((2, len(gamma)))
            gradients = dx.reshape(-1), *sums
            rows.normalise_planes_gradient(_flat(dy), flat, gamma, groups, mean, factor, *gradients)
            return dx, *sums.astype(np.float32)

        return y, backward

    def cross_entropy(
        self, logits: Array, classes: Array, *settings: Any
    ) -> tuple[float, Array, Array]:
        ignored, share, place_weights, class_weights, smoothing = settings
        gradient = empty(logits.shape)
        places = logits.shape[:-1]
        # Others would be read and written behind the end of the logits.
        flat_classes = np.ascontiguousarray(classes, np.int64).reshape(math.prod(places))
        if ignored is None:
            ignored = -1
        if place_weights is None:
            place_weights = np.ones(places, np.float32)
        losses = np.empty(len(flat_classes))
        total = rows.cross_entropy_rows(
            _flat(logits),
            flat_classes,
            int(ignored),
            share,
            _flat(place_weights),
            _flat(class_weights),
            float(smoothing),
            losses,
            gradient.reshape(-1),
            np.empty(LANES, np.float32),
        )
        return total, losses.reshape(places), gradient

    def binary_cross_entropy(self, logits: Array, targets: Array) -> tuple[Array, Array]:
        losses, slopes = empty(logits.shape), empty(logits.shape)
        flat = losses.reshape(-1), slopes.reshape(-1)
        elementwise.binary_terms(_flat(logits), _flat(targets), *flat)
        return losses, slopes

    def square_mean(self, x: Array) -> Array:
        squares = x.shape[2] * x.shape[3]
        # A product runs at memory speed, as in `sum_rows`.
        share = np.full((1, squares), 1 / squares, np.float32)
        return np.matmul(share, _flat_image(x).reshape(len(x), squares, x.shape[1]))[:, 0]

    def gated_sum(self, x: Array, scale: Array, shift: Array, skip: Array, relu: bool) -> Gated:
        _, channels, height, width = x.shape
        if channels % LANES:
            return super().gated_sum(x, scale, shift, skip, relu)
        sizes = channels, height * width
        image = channels_last_copy(x)
        flat = image.reshape(-1)
        gate = _flat(scale)
        y = empty(image.shape)
        flat_y = y.reshape(-1)
        channelwise.gated_sum(flat, gate, _flat(shift), _flat_image(skip), *sizes, relu, flat_y)

        def backward(dy):
            dskip = empty(image.shape)
            dscale, dshift = np.empty((2, *scale.shape), np.float32)
            flat_dskip = dskip.reshape(-1)
            gradients = flat_dskip, dscale.reshape(-1), dshift.reshape(-1)
            channelwise.gate_gradients(flat, flat_y, _flat_image(dy), *sizes, relu, *gradients)

            def input_gradient(dmean):
                dx = empty(image.shape)
                share = _flat(dmean / np.float32(height * width))
                channelwise.scale_images(flat_dskip, gate, share, *sizes, dx.reshape(-1))
                return channels_first(dx)

            return GateGradients(dscale, dshift, channels_first(dskip), input_gradient)

        return channels_first(y), backward

    def lstm_step(
        self, a: Array, c: Array, before: Array
    ) -> tuple[Array, Array, Callable[..., Array]]:
        size = before.shape[1]
        if size < LANES:
            return super().lstm_step(a, c, before)
        flat_before = _flat(before)
        gates = np.empty(4 * before.size, np.float32)
        shown = np.empty(before.size, np.float32)
        h = np.empty(before.shape, np.float32)
        memory = np.empty(before.shape, np.float32)
        state = h.reshape(-1), memory.reshape(-1)
        rows.lstm_step(_flat(a), _flat(c), flat_before, size, gates, shown, *state)

        def backward(dh, dmemory, da):
            dbefore = np.empty(before.shape, np.float32)
            slopes = da.reshape(-1), dbefore.reshape(-1)
            rows.lstm_gradient(_flat(dh), _flat(dmemory), gates, shown, flat_before, size, *slopes)
            return dbefore

        return h, memory, backward

    def gru_step(
        self, a: Array, c: Array, bias: Array, before: Array
    ) -> tuple[Array, Callable[..., Array]]:
        size = before.shape[1]
        if size < LANES:
            return super().gru_step(a, c, bias, before)
        flat_before = _flat(before)
        gates = np.empty(3 * before.size, np.float32)
        recalled = np.empty(before.size, np.float32)
        h = np.empty(before.shape, np.float32)
        rows.gru_step(_flat(a), _flat(c), bias, flat_before, size, gates, recalled, h.reshape(-1))

        def backward(dh, da, dc):
            dbefore = np.empty(before.shape, np.float32)
            slopes = da.reshape(-1), dc.reshape(-1), dbefore.reshape(-1)
            rows.gru_gradient(_flat(dh), gates, recalled, flat_before, size, *slopes)
            return dbefore

        return h, backward

    def scatter_rows(self, added: Array, places: Array, count: int) -> Array:
        table = np.zeros((count, added.shape[1]), np.float32)
        whole_places = np.ascontiguousarray(places, np.int64)
        rows.add_at_places(np.ascontiguousarray(added), whole_places, table)
        return table


def _has_large_groups(weight: Array, groups: int) -> bool:
    return groups > 1 and weight.shape[1] * len(weight) // groups >= LARGE_GROUP


# ---- memory layout -------------------------------------------------------------------------------


# Kernels read memory as float32, so they need a cast of, say, the gradient of a loss in float64.


def _parts(x: Array, groups: int) -> list[Array]:
    """Return the channels of each group of x [B, C, H, W]."""
    return np.split(channels_first(channels_last_copy(x)), groups, axis=1)


def _join(parts: Sequence[Array]) -> Array:
    """Undo `_parts`."""
    return channels_first(np.concatenate([channels_last(part) for part in parts], axis=-1))


def _flat(x: Array) -> Array:
    return np.ascontiguousarray(x, np.float32).reshape(-1)


def _flat_image(x: Array) -> Array:
    """Return [B, C, H, W] as float32 in the order [B, H, W, C]; a view if the memory already is so."""
    return channels_last_copy(x).reshape(-1)
