"""The operations on a GPU: what happens to each number is one kernel, and boards stay channels last in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from engine.backend import Backend
from engine.nn.operations.plain import Array, Convolved, Gated, GateGradients, Normed, Operations, channels_first


class DeviceOperations(Operations):
    """Overrides what makes most kernels of a training step. One object for each backend, because it keeps kernels."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.xp)
        self._backend = backend
        self._fused = {function.__name__: backend.fused(function) for function in _functions(backend.xp)}
        self._now = _Now()

    @contextmanager
    def half_products(self) -> Iterator[None]:
        self._now.halves = True
        try:
            yield
        finally:
            self._now.halves = False

    def product(self, a: Array, b: Array) -> Array:
        if not self._now.halves:
            return a @ b
        return (a.astype(np.float16) @ b.astype(np.float16)).astype(a.dtype)

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
        rows, end = last.reshape(shape), "_relu" if relu else ""
        share, each = 1 / rows.shape[1], (groups, 1, x.shape[1])
        mean = rows.mean(axis=1, keepdims=True)
        variance = self._fused["variance"](rows, mean, share).reshape(each)
        y = self._fused["normalise" + end](rows, mean, variance, gamma, beta, epsilon)

        def backward(dy: Array) -> tuple[Array, Array, Array]:
            rows_dy = _last(dy).reshape(shape)
            along = self._fused["gamma_slope" + end](rows_dy, y, rows, mean, variance, epsilon).reshape(each)
            total = self._fused["beta_slope" + end](rows_dy, y).reshape(each)
            sums = gamma, along, total
            dx = self._fused["norm_gradient" + end](rows_dy, y, rows, mean, variance, *sums, epsilon, share)
            dgamma, dbeta = (one.reshape(-1) if groups == 1 else one.sum(axis=(0, 1)) for one in (along, total))
            return channels_first(dx.reshape(last.shape)), dgamma, dbeta

        centre, spread = (one.reshape(-1) if groups == 1 else one.mean(axis=(0, 1)) for one in (mean, variance))
        return channels_first(y.reshape(last.shape)), centre, spread, backward

    def follow(self, running: tuple[Array, Array], values: tuple[Array, Array], momentum: float) -> None:
        self._fused["follow"](*running, *values, momentum, *running)

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if function.__name__ not in self._fused:
            self._fused[function.__name__] = self._backend.fused(function)
        return self._fused[function.__name__]

    def square_mean(self, x: Array) -> Array:
        return _last(x).mean(axis=(1, 2))

    def gated_sum(self, x: Array, scale: Array, shift: Array, skip: Array, relu: bool) -> Gated:
        last, scale, shift = _last(x), scale[:, None, None, :], shift[:, None, None, :]
        y = self._fused["gate_relu" if relu else "gate"](last, scale, shift, _last(skip))

        def backward(dy: Array) -> GateGradients:
            dskip, along = self._fused["gate_slopes_relu" if relu else "gate_slopes"](_last(dy), y, last)

            def input_gradient(dmean: Array) -> Array:
                share = 1 / (x.shape[2] * x.shape[3])
                return channels_first(self._fused["gate_gradient"](dskip, scale, dmean[:, None, None, :], share))

            return GateGradients(along.sum(axis=(1, 2)), dskip.sum(axis=(1, 2)), channels_first(dskip), input_gradient)

        return channels_first(y), backward

    def add(self, a: Array, b: Array) -> Array:
        return channels_first(_last(a) + _last(b))


class _Now(threading.local):
    halves = False  # whether the thread's products are in half precision


def _last(x: Array) -> Array:
    """[B, C, H, W] with its channels last, which is how it lies in memory; [B, C] as it is."""
    return x.transpose(0, *range(2, x.ndim), 1)


def _functions(xp: Any) -> list[Callable[..., Any]]:
    """Return the functions to fuse; numbers of each channel broadcast along the last axis."""

    def normalise(x: Array, mean: Array, variance: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
        return (x - mean) / xp.sqrt(variance + epsilon) * gamma + beta

    def normalise_relu(x: Array, mean: Array, variance: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
        return xp.maximum(normalise(x, mean, variance, gamma, beta, epsilon), 0)

    def variance(x: Array, mean: Array, share: float) -> Array:
        return xp.sum((x - mean) * (x - mean) * share, axis=1)

    def beta_slope(dy: Array, y: Array) -> Array:
        return xp.sum(dy * 1, axis=1)

    def beta_slope_relu(dy: Array, y: Array) -> Array:
        return xp.sum(dy * (y > 0), axis=1)

    def gamma_slope(dy: Array, y: Array, x: Array, mean: Array, variance: Array, epsilon: float) -> Array:
        return xp.sum(dy * ((x - mean) / xp.sqrt(variance + epsilon)), axis=1)

    def gamma_slope_relu(dy: Array, y: Array, x: Array, mean: Array, variance: Array, epsilon: float) -> Array:
        return xp.sum(dy * (y > 0) * ((x - mean) / xp.sqrt(variance + epsilon)), axis=1)

    def norm_gradient(
        dy: Array, y: Array, x: Array, mean: Array, variance: Array, gamma: Array, *rest: Array | float
    ) -> Array:
        dgamma, dbeta, epsilon, share = rest
        factor = 1 / xp.sqrt(variance + epsilon)
        return (dy - dbeta * share - (x - mean) * factor * (dgamma * share)) * (gamma * factor)

    def norm_gradient_relu(
        dy: Array, y: Array, x: Array, mean: Array, variance: Array, gamma: Array, *rest: Array | float
    ) -> Array:
        return norm_gradient(dy * (y > 0), y, x, mean, variance, gamma, *rest)

    def follow(a: Array, b: Array, new_a: Array, new_b: Array, momentum: float, out_a: Array, out_b: Array) -> None:
        xp.add(a, (new_a - a) * momentum, out=out_a)
        xp.add(b, (new_b - b) * momentum, out=out_b)

    def gate(x: Array, scale: Array, shift: Array, skip: Array) -> Array:
        return x * scale + shift + skip

    def gate_relu(x: Array, scale: Array, shift: Array, skip: Array) -> Array:
        return xp.maximum(x * scale + shift + skip, 0)

    def gate_slopes(dy: Array, y: Array, x: Array) -> Any:
        return dy * 1, dy * x

    def gate_slopes_relu(dy: Array, y: Array, x: Array) -> Any:
        dskip = dy * (y > 0)
        return dskip, dskip * x

    def gate_gradient(dskip: Array, scale: Array, dmean: Array, share: float) -> Array:
        return dskip * scale + dmean * share

    norms: list[Callable[..., Any]] = [normalise, normalise_relu, variance, norm_gradient, norm_gradient_relu, follow]
    norms += [beta_slope, beta_slope_relu, gamma_slope, gamma_slope_relu]
    return [*norms, gate, gate_relu, gate_slopes, gate_slopes_relu, gate_gradient]
