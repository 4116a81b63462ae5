"""3x3 convolution by F(4x4, 3x3) Winograd transforms around 36 matrix products: four times fewer
multiplications.

    U = G g G^T     M[i] = V[i] U[i]     dV[i] = dM[i] U[i]^T     dU[i] = V[i]^T dM[i]     dg = G^T dU G

V and M stand for the transformed inputs and outputs of all tiles (`tiles.py`). They are 9/4 the
size of the images, so `convolve` splits the batch into chunks whose V and M stay in the cache. The
backward pass computes V again instead of keeping it.
"""

from __future__ import annotations

import numpy as np

from engine.native.lanes import LANES
from engine.nn.operations import tiles
from engine.nn.operations.plain import Convolved
from engine.nn.operations.workspace import empty, scratch

FORWARD_CHUNK = (
    16  # images per chunk: V and M of 8x8 images stay near the second-level cache at 64 channels
)
BACKWARD_CHUNK = (
    32  # images per chunk: more than forward, because each chunk also adds its dU to the sum
)

_G2 = np.kron(tiles.G, tiles.G).astype(np.float32)  # (36, 9): G g G^T on flattened matrices


def supports(x: np.ndarray, weight: np.ndarray, stride: int, padding: int) -> bool:
    """Whether `convolve` supports this: 3x3, "same", sides multiples of 4, channels multiples of
    16, some image.
    """
    kernels, channels, size, _ = weight.shape
    height, width = x.shape[2:]
    fits = size == 3 and stride == 1 and padding == 1 and weight.dtype == np.float32 and len(x) > 0
    return fits and not (height % 4 or width % 4 or channels % LANES or kernels % LANES)


def convolve(x: np.ndarray, weight: np.ndarray, input_gradient: bool) -> Convolved:
    """Like `Operations.conv2d` with stride 1 and padding 1, for inputs that `supports` accepts."""
    kernels, channels = weight.shape[:2]
    images = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    batch, height, width, _ = images.shape
    y = empty((batch, height, width, kernels))
    u = scratch("u", (tiles.PLACES, channels, kernels))
    np.matmul(_G2, weight.transpose(2, 3, 1, 0).reshape(9, -1), out=u.reshape(tiles.PLACES, -1))
    board = scratch("board", ((height + 2) * (width + 2) * channels,))
    flat_images, flat_y = images.reshape(-1), y.reshape(-1)
    for first in range(0, batch, FORWARD_CHUNK):
        count = min(FORWARD_CHUNK, batch - first)
        v, v_stride, v_matrices = _products("v", count, height, width, channels)
        m, m_stride, m_matrices = _products("m", count, height, width, kernels)
        tiles.input_transform(
            flat_images, first, count, height, width, channels, board, v, v_stride, False
        )
        np.matmul(v_matrices, u, out=m_matrices)
        tiles.output_transform(m, m_stride, first, count, height, width, kernels, flat_y, False)

    def backward(dy: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        dy = np.ascontiguousarray(dy.transpose(0, 2, 3, 1), np.float32)
        dimages, dweight = _gradients(images, dy, weight, input_gradient)
        return None if dimages is None else dimages.transpose(0, 3, 1, 2), dweight

    return y.transpose(0, 3, 1, 2), backward


def _gradients(
    images: np.ndarray, dy: np.ndarray, weight: np.ndarray, input_gradient: bool
) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the gradients of images and weight from images [B, H, W, C] and dy [B, H, W, K]."""
    kernels, channels = weight.shape[:2]
    batch, height, width, _ = images.shape
    du = scratch("du", (tiles.PLACES, channels, kernels))
    part = scratch("du_part", du.shape)
    board = scratch("board", ((height + 2) * (width + 2) * channels,))
    dimages = None
    if input_gradient:
        dimages = empty(images.shape)
        u_transposed = scratch("u", (tiles.PLACES, kernels, channels))
        np.matmul(
            _G2,
            weight.transpose(2, 3, 0, 1).reshape(9, -1),
            out=u_transposed.reshape(tiles.PLACES, -1),
        )
    flat_images, flat_dy = images.reshape(-1), dy.reshape(-1)
    for first in range(0, batch, BACKWARD_CHUNK):
        count = min(BACKWARD_CHUNK, batch - first)
        v, v_stride, v_matrices = _products("v", count, height, width, channels)
        dm, dm_stride, dm_matrices = _products("m", count, height, width, kernels)
        tiles.input_transform(
            flat_images, first, count, height, width, channels, board, v, v_stride, False
        )
        tiles.output_transform(dm, dm_stride, first, count, height, width, kernels, flat_dy, True)
        np.matmul(v_matrices.transpose(0, 2, 1), dm_matrices, out=part if first else du)
        if first:
            du += part
        if dimages is not None:
            np.matmul(dm_matrices, u_transposed, out=v_matrices)
            tiles.input_transform(
                dimages.reshape(-1), first, count, height, width, channels, board, v, v_stride, True
            )
    dweight = empty((3, 3, channels, kernels))
    np.matmul(_G2.T, du.reshape(tiles.PLACES, -1), out=dweight.reshape(9, -1))
    return dimages, dweight.transpose(3, 2, 0, 1)


def _products(
    name: str, count: int, height: int, width: int, channels: int
) -> tuple[np.ndarray, int, np.ndarray]:
    """Return scratch for the products of `count` images: flat array, row stride, view [36, tiles,
    channels].
    """
    number = count * (height // tiles.TILE) * (width // tiles.TILE)
    stride = number * channels + tiles.STRIDE_PAD
    flat = scratch(name, (tiles.PLACES * stride,))
    return flat, stride, tiles.products_view(flat, stride, number, channels)
