"""Makes images and sequences larger, or smaller, by interpolation."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from engine.backend import backend_of, product, xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Forward, Layer, register

CUBIC = -0.75  # slope of the cubic kernel at 1, as in other libraries. Keys 1981


@register("upsample")
class Upsample(Layer):
    """Interpolate boards or sequences to `scale` times their sides.

    forward:  x [B, C, H, W], or [B, C, T] -> y [B, C, H', W'], H' = floor(scale H)
    backward: dy like y -> dx like x; no parameters

    Each axis has a matrix M [H', H] of what each square of y takes from those of x, so along it
        y = M x      dx = M^T dy
    "nearest" takes the square at floor(i / scale). "linear" and "cubic" mix the two or four squares
    around (i + 1/2) / scale - 1/2, or around i (H - 1) / (H' - 1) with `align_corners`; behind an
    edge they find its last square again. `scale` is a number, or one for each axis. Raises
    ConfigError for settings out of range, ShapeError where no square is left.
    """

    def __init__(self, scale: Any = 2, mode: str = "nearest", align_corners: bool = False) -> None:
        self.scale = scale
        self.mode = mode
        self.align_corners = align_corners
        scales = self.scales(1)
        is_size = all(
            isinstance(factor, Real) and 0 < float(factor) < math.inf for factor in scales
        )
        if not scales or not is_size or mode not in _MODES or (mode == "nearest" and align_corners):
            call = f"Upsample({scale!r}, {mode!r}, align_corners={align_corners})"
            expected = f"a scale above 0, a mode of {', '.join(_MODES)}, no corners for nearest"
            raise ConfigError(f"{call}: expected {expected}")

    def scales(self, sides: int) -> Any:
        """Return the scale of each of so many axes."""
        if isinstance(self.scale, list | tuple):
            return self.scale
        return [self.scale] * sides

    def mask_behind(self, mask: Array) -> Array:
        scale = self.scales(1)[0]
        made = np.arange(1, int(mask.shape[1] * scale) + 1)
        needed = np.ceil(made / scale).astype(int) - 1
        return mask[:, xp_of(mask).asarray(needed)]

    def forward(self, x: Array, training: bool = False) -> Forward:
        check_input(self, x, "B", "C", "H", "...")
        scales = self.scales(x.ndim - 2)
        if len(scales) != x.ndim - 2:
            raise ShapeError(f"Upsample: expected {len(scales)} sides, found {list(x.shape)}")
        backend = backend_of(x)
        matrices = []
        for side, scale in zip(x.shape[2:], scales, strict=True):
            if not int(side * scale):
                raise ShapeError(f"Upsample: nothing is left of {list(x.shape)} by {self.scale}")
            matrix = self._matrix(side, scale).astype(x.dtype)
            matrices.append(backend.asarray(matrix))

        def backward(dy):
            return _along(dy, [matrix.T for matrix in matrices]), {}

        return _along(x, matrices), backward

    def _matrix(self, side: int, scale: float) -> Array:
        """Return M [H', H]."""
        count = int(side * scale)
        place = np.arange(count)
        if self.align_corners:
            at = place * ((side - 1) / max(count - 1, 1))
        elif self.mode == "nearest":
            at = np.floor(place / scale)
        else:
            at = (place + 0.5) / scale - 0.5
        first = np.floor(at).astype(int)
        matrix = np.zeros((count, side))
        for step, weight in _MODES[self.mode](at - first).items():
            np.add.at(matrix, (place, np.clip(first + step, 0, side - 1)), weight)
        return matrix


def _along(x: Array, matrices: list[Array]) -> Array:
    """Multiply each axis behind the channels by its matrix."""
    for axis, matrix in enumerate(matrices, 2):
        x = product(x.swapaxes(axis, -1), matrix.T).swapaxes(axis, -1)
    return x


def _linear(part: Array) -> dict[int, Array]:
    return {0: 1 - part, 1: part}


def _cubic(part: Array) -> dict[int, Array]:
    def near(t):
        return ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1

    def far(t):
        return ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC

    return {-1: far(1 + part), 0: near(part), 1: near(1 - part), 2: far(2 - part)}


# How much the squares around a place count, by how far it lies behind the first of them.
_MODES: dict[str, Callable[[Array], dict[int, Any]]] = {
    "nearest": lambda part: {0: 1.0},
    "linear": _linear,
    "cubic": _cubic,
}
