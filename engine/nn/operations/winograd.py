"""3x3 convolution by F(4x4, 3x3) Winograd transforms around 36 matrix products: four times fewer
multiplications.

    U = G g G^T     M[i] = V[i] U[i]     dV[i] = dM[i] U[i]^T     dU[i] = V[i]^T dM[i]     dg = G^T dU G

V and M stand for the transformed inputs and outputs of all tiles (`tiles.py`). They are 9/4 the
size of the images, so `convolve_by_tiles` splits the batch into chunks whose V and M stay in the
cache. The backward pass computes V again instead of keeping it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from engine.native.lanes import LANES
from engine.nn.operations import tiles
from engine.nn.operations.array_operations import Convolved
from engine.nn.operations.geometry import Geometry
from engine.nn.operations.squares import Array, Images, images_of
from engine.nn.operations.windows import whole_lanes
from engine.nn.operations.workspace import empty, scratch

# Tiles per chunk: V and M of 64 channels stay near the second-level cache. Backward takes more than
# forward, because each chunk also adds its dU to the sum.
FORWARD_TILES = 64
BACKWARD_TILES = 128
# Of what is computed; below, `correlation` is faster (measured by benchmarks.layer_shapes)
LEAST_USE = 0.35
NO_PADDING = Geometry.of(3, 1, 0)

_G2 = np.kron(tiles.G, tiles.G).astype(np.float32)  # (36, 9): G g G^T on flattened matrices


def supports(x: Array, weight: Array, geometry: Geometry) -> bool:
    """Whether `convolve_by_tiles` computes this, 3x3 at stride 1, and needs little more to fill
    tiles and lanes.
    """
    if geometry._replace(padding=NO_PADDING.padding) != NO_PADDING:
        return False
    sides, channels = geometry.sides(x.shape[2:]), weight.shape[:2]
    if min(channels) <= LANES // 2:
        return False
    needed = math.prod(map(_whole_tiles, sides)) * math.prod(map(whole_lanes, channels))
    return math.prod(sides) * math.prod(channels) >= LEAST_USE * needed


def convolve_by_tiles(
    x: Array, weight: Array, geometry: Geometry, input_gradient: bool
) -> Convolved:
    """Like `Operations.conv2d`, for inputs that `supports` accepts."""
    images = images_of(x)
    frame = _frame(geometry, x.shape[2:])
    y = empty((len(x), *geometry.sides(x.shape[2:]), len(weight)))
    _fill_outputs(images, weight, frame, y)

    def backward(dy):
        slopes = images_of(dy)
        if not input_gradient:
            return None, _gradients(images, slopes, len(x), weight, frame, None)
        dimages = empty((len(x), *x.shape[2:], x.shape[1]))
        dweight = _gradients(images, slopes, len(x), weight, frame, dimages)
        return dimages.transpose(0, 3, 1, 2), dweight

    return y.transpose(0, 3, 1, 2), backward


def _fill_outputs(images: Images, weight: Array, frame: tiles.Frame, y: Array) -> None:
    """Fill y [B, H, W, K] from images."""
    batch, *sides = y.shape
    deep, wide, board, page = _scratch_boards(frame, weight)
    u = _transformed(weight.transpose(2, 3, 1, 0))
    for first, count, v, m in _chunks(frame, batch, FORWARD_TILES, deep, wide):
        tiles.input_transform(images, first, count, frame, deep, board, v.flat, v.stride)
        np.matmul(v.matrices, u, out=m.matrices)
        place = first, count, *sides, wide
        tiles.output_transform(m.flat, m.stride, *place, page, y.reshape(-1))


def _gradients(
    images: Images,
    slopes: Images,
    batch: int,
    weight: Array,
    frame: tiles.Frame,
    dimages: Array | None,
) -> Array:
    """Return the gradient of the weight from images and their result's gradient; fill that of
    images.
    """
    kernels, channels = weight.shape[:2]
    deep, wide, board, page = _scratch_boards(frame, weight)
    du = scratch("du", (tiles.PLACES, deep, wide))
    part = scratch("du_part", du.shape)
    if dimages is not None:
        u_transposed = _transformed(weight.transpose(2, 3, 0, 1))
    for first, count, v, dm in _chunks(frame, batch, BACKWARD_TILES, deep, wide):
        place = first, count, frame
        tiles.input_transform(images, *place, deep, board, v.flat, v.stride)
        tiles.output_adjoint(slopes, first, count, wide, page, dm.flat, dm.stride)
        np.matmul(v.matrices.transpose(0, 2, 1), dm.matrices, out=part if first else du)
        if first:
            du += part
        if dimages is not None:
            np.matmul(dm.matrices, u_transposed, out=v.matrices)
            sides = images.height, images.width, channels, deep
            tiles.input_adjoint(v.flat, v.stride, *place, *sides, board, dimages.reshape(-1))
    return _weight_gradient(du, channels, kernels)


def _weight_gradient(du: Array, channels: int, kernels: int) -> Array:
    """Return dg = G^T dU G as [K, C, 3, 3]."""
    by_place = empty((3, 3, *du.shape[1:]))
    np.matmul(_G2.T, du.reshape(tiles.PLACES, -1), out=by_place.reshape(9, -1))
    return np.ascontiguousarray(by_place[:, :, :channels, :kernels]).transpose(3, 2, 0, 1)


def _whole_tiles(side: int) -> int:
    return -(-side // tiles.TILE) * tiles.TILE


def _transformed(by_place: Array) -> Array:
    """Return scratch with U [36, C, K] of kernels [3, 3, C, K], both filled up to whole lanes."""
    inputs, outputs = by_place.shape[2:]
    deep, wide = whole_lanes(inputs), whole_lanes(outputs)
    if (deep, wide) != (inputs, outputs):
        by_place = np.pad(by_place, ((0, 0), (0, 0), (0, deep - inputs), (0, wide - outputs)))
    u = scratch("u", (tiles.PLACES, deep, wide))
    np.matmul(_G2, by_place.reshape(9, -1), out=u.reshape(tiles.PLACES, -1))
    return u


def _frame(geometry: Geometry, sides: Sequence[int]) -> tiles.Frame:
    height, width = map(_whole_tiles, geometry.sides(sides))
    (top, _), (left, _) = geometry.padding
    return tiles.Frame(height, width, top, left)


def _scratch_boards(frame: tiles.Frame, weight: Array) -> tuple[int, int, Array, Array]:
    """Return a weight's channels and kernels in whole lanes, and scratch for an image of so many on
    its board.
    """
    squares = (frame.height + 2) * (frame.width + 2)
    wide, deep = map(whole_lanes, weight.shape[:2])
    board = scratch(f"board {deep}", (squares * deep,))
    return deep, wide, board, scratch(f"board {wide}", (squares * wide,))


class Products(NamedTuple):
    """Scratch for V or M of some tiles."""

    flat: Array
    stride: int  # of its 36 rows
    matrices: Array  # a view [36, tiles, channels]

    @classmethod
    def of(cls, name: str, count: int, channels: int) -> Products:
        """Return the scratch of this name for so many tiles."""
        stride = count * channels + tiles.STRIDE_PAD
        flat = scratch(name, (tiles.PLACES * stride,))
        rows = flat.reshape(tiles.PLACES, stride)[:, : count * channels]
        return cls(flat, stride, rows.reshape(tiles.PLACES, count, channels))


def _chunks(
    frame: tiles.Frame, batch: int, most: int, deep: int, wide: int
) -> Iterator[tuple[int, int, Products, Products]]:
    """Yield the first image of each chunk of so many tiles, how many images it has, and scratch for
    V and M.
    """
    per_board = frame.height * frame.width // tiles.TILE**2
    chunk = max(1, most // per_board)
    for first in range(0, batch, chunk):
        count = min(chunk, batch - first)
        tile_count = count * per_board
        v, m = Products.of("v", tile_count, deep), Products.of("m", tile_count, wide)
        yield first, count, v, m
