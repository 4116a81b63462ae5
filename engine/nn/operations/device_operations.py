"""The operations on a GPU: what happens to each number is one kernel, and boards stay channels last in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from engine.backend import Backend, product
from engine.nn.operations import plain
from engine.nn.operations.plain import Array, Convolved, Gated, GateGradients, Normed, Operations, channels_first


class DeviceOperations(Operations):
    """Overrides what makes most kernels of a training step. One object for each backend, because it keeps kernels."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.xp)
        self._fuse = cache(backend.fused)
        self._activations = cache(lambda function: tuple(map(backend.fused, _value_and_slope(function))))
        self._kernels = {
            relu: {function.__name__: backend.fused(function) for function in _functions(backend.xp, relu)}
            for relu in (False, True)
        }
        self._now = _Now()

    @contextmanager
    def half_products(self) -> Iterator[None]:
        self._now.halves = True
        try:
            yield
        finally:
            self._now.halves = False

    def dense(self, rows: Array, weight: Array, bias: Array) -> tuple[Array, plain.DenseBackward]:
        if not self._now.halves:
            return super().dense(rows, weight, bias)
        halves, half_weight = rows.astype(np.float16), weight.astype(np.float16)

        def backward(dy: Array, input_gradient: bool) -> tuple[Array | None, Array, Array]:
            half = dy.astype(np.float16)
            dx = product(half, half_weight).astype(dy.dtype) if input_gradient else None
            return dx, product(half.T, halves).astype(dy.dtype), self.sum_rows(dy)

        return product(halves, half_weight.T) + bias, backward

    def activate(self, function: Callable[[Array], plain.Activated], x: Array) -> plain.Activated:
        value, slope = self._activations(function)
        return value(x), lambda dy: slope(x, dy)

    def conv2d(self, x: Array, weight: Array, stride: int, padding: int, input_gradient: bool = True) -> Convolved:
        """As in `Operations`; its patches are in half precision, too, where products are."""
        if not self._now.halves or x.dtype == np.float16:
            return super().conv2d(x, weight, stride, padding, input_gradient)
        halves = x.astype(np.float16), weight.astype(np.float16)
        y, half_backward = super().conv2d(*halves, stride, padding, input_gradient)

        def backward(dy: Array) -> tuple[Array | None, Array]:
            dx, dweight = half_backward(dy.astype(np.float16))
            return None if dx is None else dx.astype(x.dtype), dweight.astype(x.dtype)

        return y.astype(x.dtype), backward

    def _spread(self, flat_dy: Array, weight: Array, shape: tuple[int, ...], stride: int, padding: int) -> Array:
        """For stride 1, dx is the convolution of dy with the kernel turned by half: four kernels in place of many."""
        kernels, _, size, _ = weight.shape
        batch, height, width = shape[0], *(side + 2 * padding - size + 1 for side in shape[2:])
        if stride != 1 or padding >= size:
            return super()._spread(flat_dy, weight, shape, stride, padding)
        dy = flat_dy.reshape(batch, height, width, kernels).transpose(0, 3, 1, 2)
        turned = weight[:, :, ::-1, ::-1].swapaxes(0, 1)
        return self.conv2d(dy, turned, 1, size - 1 - padding, input_gradient=False)[0]

    def batch_norm(self, x: Array, gamma: Array, beta: Array, epsilon: float, relu: bool, groups: int = 1) -> Normed:
        last, shape = _last(x), (groups, -1, x.shape[1])
        rows, kernels = last.reshape(shape), self._kernels[relu]
        share, each = 1 / rows.shape[1], (groups, 1, x.shape[1])
        mean = rows.mean(axis=1, keepdims=True)
        variance = kernels["variance"](rows, mean, share).reshape(each)
        y = kernels["normalise"](rows, mean, variance, gamma, beta, epsilon)

        def backward(dy: Array) -> tuple[Array, Array, Array]:
            rows_dy = _last(dy).reshape(shape)
            along = kernels["gamma_slope"](rows_dy, y, rows, mean, variance, epsilon).reshape(each)
            total = kernels["beta_slope"](rows_dy, y).reshape(each)
            sums = gamma, along, total
            dx = kernels["norm_gradient"](rows_dy, y, rows, mean, variance, *sums, epsilon, share)
            dgamma, dbeta = (one.reshape(-1) if groups == 1 else one.sum(axis=(0, 1)) for one in (along, total))
            return channels_first(dx.reshape(last.shape)), dgamma, dbeta

        centre, spread = (one.reshape(-1) if groups == 1 else one.mean(axis=(0, 1)) for one in (mean, variance))
        return channels_first(y.reshape(last.shape)), centre, spread, backward

    def layer_norm(self, x: Array, gamma: Array, beta: Array, epsilon: float) -> tuple[Array, plain.NormBackward]:
        """Batch norm's kernels, with each position as a group, whose numbers lie along the middle axis."""
        kernels, rows, share = self._kernels[False], x.reshape(-1, x.shape[-1], 1), 1 / x.shape[-1]
        mean = rows.mean(axis=1, keepdims=True)
        moments = mean, kernels["variance"](rows, mean, share).reshape(mean.shape)
        y = kernels["normalise"](rows, *moments, gamma[:, None], beta[:, None], epsilon)

        def backward(dy: Array) -> tuple[Array, Array, Array]:
            rows_dy = dy.reshape(rows.shape)
            g = rows_dy * gamma[:, None]
            along = kernels["gamma_slope"](g, y, rows, *moments, epsilon).reshape(mean.shape)
            total = kernels["beta_slope"](g, y).reshape(mean.shape)
            dx = kernels["norm_gradient"](g, y, rows, *moments, 1.0, along, total, epsilon, share)
            one_group = [one[..., 0][None] for one in (rows_dy, y, rows, *moments)]
            dgamma = kernels["gamma_slope"](*one_group, epsilon)[0]
            return dx.reshape(x.shape), dgamma, self.sum_rows(rows_dy[..., 0])

        return y.reshape(x.shape), backward

    def softmax(self, scores: Array) -> tuple[Array, Callable[[Array], Array]]:
        if not scores.shape[-1]:
            return super().softmax(scores)
        kernels = self._kernels[False]
        powers = kernels["power"](scores, scores.max(axis=-1, keepdims=True))
        weights = kernels["share_of"](powers, powers.sum(axis=-1, keepdims=True))
        return weights, lambda dy: kernels["share_slope"](dy, weights, kernels["along"](dy, weights)[..., None])

    def follow(self, running: tuple[Array, Array], values: tuple[Array, Array], momentum: float) -> None:
        self._kernels[False]["follow"](*running, *values, momentum, *running)

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._fuse(function)

    def square_mean(self, x: Array) -> Array:
        return _last(x).mean(axis=(1, 2))

    def gated_sum(self, x: Array, scale: Array, shift: Array, skip: Array, relu: bool) -> Gated:
        last, scale, shift, kernels = _last(x), scale[:, None, None, :], shift[:, None, None, :], self._kernels[relu]
        y = kernels["gate"](last, scale, shift, _last(skip))

        def backward(dy: Array) -> GateGradients:
            dskip, along = kernels["gate_slopes"](_last(dy), y, last)

            def input_gradient(dmean: Array) -> Array:
                share = 1 / (x.shape[2] * x.shape[3])
                return channels_first(kernels["gate_gradient"](dskip, scale, dmean[:, None, None, :], share))

            return GateGradients(along.sum(axis=(1, 2)), dskip.sum(axis=(1, 2)), channels_first(dskip), input_gradient)

        return channels_first(y), backward

    def add(self, a: Array, b: Array) -> Array:
        return channels_first(_last(a) + _last(b))


class _Now(threading.local):
    halves = False  # whether the thread's products are in half precision


def _last(x: Array) -> Array:
    """[B, C, H, W] with its channels last, which is how it lies in memory; [B, C] as it is."""
    return x.transpose(0, *range(2, x.ndim), 1)


def _functions(xp: Any, relu: bool) -> list[Callable[..., Any]]:
    """Return the functions to fuse, for a ReLU at the end or none; numbers of each channel broadcast along the last
    axis.
    """

    def rectified(y: Array) -> Array:
        return xp.maximum(y, 0) if relu else y

    def kept(dy: Array, y: Array) -> Array:
        return dy * (y > 0) if relu else dy * 1  # because a fused function cannot return its argument

    def normalise(x: Array, mean: Array, variance: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
        return rectified((x - mean) / xp.sqrt(variance + epsilon) * gamma + beta)

    def variance(x: Array, mean: Array, share: float) -> Array:
        return xp.sum((x - mean) * (x - mean) * share, axis=1)

    def beta_slope(dy: Array, y: Array) -> Array:
        return xp.sum(kept(dy, y), axis=1)

    def gamma_slope(dy: Array, y: Array, x: Array, mean: Array, variance: Array, epsilon: float) -> Array:
        return xp.sum(kept(dy, y) * ((x - mean) / xp.sqrt(variance + epsilon)), axis=1)

    def norm_gradient(
        dy: Array, y: Array, x: Array, mean: Array, variance: Array, gamma: Array, *rest: Array | float
    ) -> Array:
        dgamma, dbeta, epsilon, share = rest
        factor = 1 / xp.sqrt(variance + epsilon)
        return (kept(dy, y) - dbeta * share - (x - mean) * factor * (dgamma * share)) * (gamma * factor)

    def follow(a: Array, b: Array, new_a: Array, new_b: Array, momentum: float, out_a: Array, out_b: Array) -> None:
        xp.add(a, (new_a - a) * momentum, out=out_a)
        xp.add(b, (new_b - b) * momentum, out=out_b)

    def power(x: Array, largest: Array) -> Array:
        return xp.exp(x - xp.where(xp.isfinite(largest), largest, 0))

    def share_of(powers: Array, total: Array) -> Array:
        return powers / xp.where(total == 0, 1, total)

    def along(dy: Array, y: Array) -> Array:
        return xp.sum(dy * y, axis=-1)

    def share_slope(dy: Array, y: Array, along: Array) -> Array:
        return (dy - along) * y

    def gate(x: Array, scale: Array, shift: Array, skip: Array) -> Array:
        return rectified(x * scale + shift + skip)

    def gate_slopes(dy: Array, y: Array, x: Array) -> Any:
        dskip = kept(dy, y)
        return dskip, dskip * x

    def gate_gradient(dskip: Array, scale: Array, dmean: Array, share: float) -> Array:
        return dskip * scale + dmean * share

    norms: list[Callable[..., Any]] = [normalise, variance, beta_slope, gamma_slope, norm_gradient, follow]
    return [*norms, power, share_of, along, share_slope, gate, gate_slopes, gate_gradient]


def _value_and_slope(function: Callable[[Array], plain.Activated]) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Return x -> y and (x, dy) -> dx of an activation function, which a fused function may not return as they are."""

    def value(x: Array) -> Array:
        return function(x)[0] * 1

    def slope(x: Array, dy: Array) -> Array:
        return function(x)[1](dy) * 1

    return value, slope
