"""The Winograd products of one board, with filters that are transformed on the way.

Each filter makes 36 numbers of nine, and a board has four tiles to multiply them by: reading the
numbers of 128 channels from memory takes longer than making them anew. Batches share what they read
(`convolution.multiply_places`). Both give the same bits, because U = G g G^T is computed by sums
alone, which no processor fuses, and one factor at the end.

Filters are flat float32 [C_out / 16, C_in, 9, 16].
"""

import numpy as np

from engine.native.aligned_arrays import aligned_copy
from engine.native.jit import kernel
from engine.native.lanes import LANES, load, splat, spread, store
from engine.native.prefetch import prefetch
from engine.nn.operations.tiles import PLACES

TAPS = 9  # numbers of a 3x3 filter
DEPTH = 8  # input channels whose filters are transformed together: their U fits the closest cache
BLOCK = TAPS * DEPTH * LANES  # numbers of their filters
U_SIZE = PLACES * DEPTH * LANES  # numbers of their U
_COLUMN = np.array([6, -4, -4, 1, 1, 24]) / 24  # G is this times what `_filter_1d` adds up
SCALES = np.outer(_COLUMN, _COLUMN).astype(np.float32).reshape(-1)


def in_columns(weights: np.ndarray) -> np.ndarray:
    """Return filters [C_out, C_in, 3, 3] as `multiply_lone` reads them."""
    outputs, inputs = weights.shape[:2]
    columns = weights.astype(np.float32).reshape(outputs // LANES, LANES, inputs, TAPS)
    return aligned_copy(columns.transpose(0, 2, 3, 1)).reshape(-1)


def transformed_filters(weights: np.ndarray) -> np.ndarray:
    """Return U [36, C_in, C_out] of filters [C_out, C_in, 3, 3], as `multiply_lone` computes it."""
    taps = weights.astype(np.float32).transpose(2, 3, 1, 0)
    columns = np.stack(_filter_1d.py_func(*taps))
    u = np.stack(_filter_1d.py_func(*columns.swapaxes(0, 1)), axis=1)
    return u.reshape(PLACES, *u.shape[2:]) * SCALES[:, None, None]


@kernel(contract=True)
def multiply_lone(transformed, filters, outputs, u, multiplied):
    """M[i] = V[i] U[i] for the 36 places of one position; `u` [U_SIZE] is scratch."""
    channels = len(filters) // (TAPS * outputs)
    at = np.int64(0)
    for column in range(0, outputs, LANES):
        for first in range(0, channels, DEPTH):
            for k in range(0, DEPTH * LANES, LANES):
                _transform_filter(filters, at, u, k)
                at += TAPS * LANES
            _multiply_block(
                transformed, first, channels, u, filters, at, multiplied, column, outputs
            )


@kernel(contract=True)
def _filter_1d(g0, g1, g2):
    """G g, but for the factors of its six rows."""
    ends = g0 + g2
    double = g1 + g1
    double_end = g2 + g2
    far = g0 + (double_end + double_end)
    return g0, ends + g1, ends - g1, far + double, far - double, g2


@kernel()
def _load3(filters, at):
    return load(filters, at), load(filters, at + 3 * LANES), load(filters, at + 6 * LANES)


@kernel(contract=True)
def _transform_filter(filters, at, u, to):
    """Write U of 16 filters that start at filters[at]."""
    c0 = _filter_1d(*_load3(filters, at))
    c1 = _filter_1d(*_load3(filters, at + LANES))
    c2 = _filter_1d(*_load3(filters, at + 2 * LANES))
    for row in range(6):
        numbers = _filter_1d(c0[row], c1[row], c2[row])
        for column in range(6):
            place = 6 * row + column
            store(u, to + place * DEPTH * LANES, numbers[column] * splat(SCALES[place]))


@kernel(contract=True)
def _multiply_block(transformed, first, channels, u, filters, ahead, multiplied, column, outputs):
    """Add V U of `DEPTH` channels to M, or begin it with the first channel.

    Meanwhile the filters behind filters[ahead] are brought into the cache.
    """
    from_stride, to_stride = len(transformed) // PLACES, len(multiplied) // PLACES
    for place in range(PLACES):
        for i in range(0, BLOCK // PLACES, LANES):
            prefetch(filters, ahead + BLOCK + place * (BLOCK // PLACES) + i)
        to = place * to_stride + column
        if first:
            p = load(multiplied, to)
            q = load(multiplied, to + outputs)
            r = load(multiplied, to + 2 * outputs)
            s = load(multiplied, to + 3 * outputs)
        else:
            p = q = r = s = splat(0.0)
        row = place * DEPTH * LANES
        at = place * from_stride + first
        for k in range(at, at + DEPTH):
            b = load(u, row)
            p = p + spread(transformed, k) * b
            q = q + spread(transformed, k + channels) * b
            r = r + spread(transformed, k + 2 * channels) * b
            s = s + spread(transformed, k + 3 * channels) * b
            row += LANES
        store(multiplied, to, p)
        store(multiplied, to + outputs, q)
        store(multiplied, to + 2 * outputs, r)
        store(multiplied, to + 3 * outputs, s)
