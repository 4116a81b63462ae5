"""The value trunk for playing: int16 accumulators that follow the search by differences, bytes for
the first layer.

`value_parameters` has the formulas. For either side, its king's bucket and its mirroring, a model keeps
the last board it saw there with the accumulator; the next leaf adds the rows of pieces that came
and subtracts those that went, a third of all on average. Sums of integers are the same in any
order, so they equal those from scratch, bit for bit. The layers behind the first are stored by
input, because then a register holds sixteen outputs and nothing has to be summed across it.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import ONE
from engine.board.layout import SIDE, WHITE
from engine.errors import ConfigError
from engine.native.aligned_arrays import aligned_zeros, buffers
from engine.native.bits import ctz
from engine.native.dot_products import dot_quads
from engine.native.integer_lanes import store_ints
from engine.native.jit import kernel
from engine.native.lanes import load, load_32, minimum, splat, spread_32, store
from engine.network.accumulator.flat_tables import filled_tables, named_views
from engine.network.accumulator.float_rows import clip, last_layer
from engine.network.accumulator.piece_count import piece_bucket
from engine.network.accumulator.short_rows import (
    SHORT_BLOCK,
    UNIT,
    as_shorts,
    by_input,
    change_block,
    multiply_pairs,
    sum_scale,
)
from engine.network.outputs import Tensors
from engine.network.value import value_parameters as parameters
from engine.network.value.value_features import KING_BUCKETS, MAX_VIEW, first_row, flip_of
from engine.network.value.value_parameters import HIDDEN_1, HIDDEN_2, ValueConfig

QUAD = 4  # units whose bytes are one int32


class IntegerValueTables(NamedTuple):
    """A value trunk ready to play. W width, F rows, 8 versions of each layer."""

    weight: np.ndarray  # int16 [F * W]
    bias: np.ndarray  # int16 [W]
    scale: np.ndarray  # int16 [1] what an accumulator of 1 is in integers, a power of two
    dense1: np.ndarray  # int8 [8 * W/4 * 16 * 4] by four units, then output
    dense1_bias: np.ndarray  # float32 [8 * 16]
    dense2: np.ndarray  # float32 [8 * 32 * 32] by input, then output
    dense2_bias: np.ndarray  # float32 [8 * 32]
    output: np.ndarray  # float32 [8 * 32 * 16] by input, then output, of which 4 are used
    output_bias: np.ndarray  # float32 [8 * 16]


class ValueModel(NamedTuple):
    """Arguments of `value_trunk_outputs`: weights that threads share, and one thread's accumulators
    and scratch.

    There is a slot for either side, mirrored or not, and each king bucket.
    """

    tables: IntegerValueTables
    # White's pieces, then Black's, in the slot's accumulator.
    boards: Annotated[np.ndarray, "uint64 [slots, 12]"]
    accumulators: Annotated[np.ndarray, "int16 [slots * W]"]
    coming: Annotated[np.ndarray, "int64 [32]"]  # offsets of rows to add
    going: Annotated[np.ndarray, "int64 [32]"]  # offsets of rows to subtract
    units: Annotated[np.ndarray, "uint8 [W]"]  # of the mover's view, then of the other's
    quads: Annotated[np.ndarray, "int32 [W / 4]"]  # the same memory
    hidden1: Annotated[np.ndarray, "float32 [32]"]  # the 16 units of dense1, then their squares
    hidden2: Annotated[np.ndarray, "float32 [32]"]
    sums: Annotated[np.ndarray, "int32 [16]"]  # of dense1
    # Out: logits of win, draw, loss, and moves left, for the mover.
    outputs: Annotated[np.ndarray, "float32 [16]"]


def integer_tables(tensors: Tensors, config: ValueConfig, prefix: str = "") -> IntegerValueTables:
    """Return a trunk with these parameters, by a prefix and their names in `value_parameters`.

    Raises ConfigError or ShapeError when they do not fit `config`, and ConfigError if an output
    could leave its range.
    """
    floats = filled_tables(config, tensors, prefix)
    scale = sum_scale(
        parameters.largest_accumulator(floats, config),
        MAX_VIEW + 1,
        parameters.COARSEST_VALUE_SCALE,
    )
    named = named_views(floats, config)
    _check_layers(named)
    return IntegerValueTables(
        weight=as_shorts(floats.weight, scale),
        bias=as_shorts(floats.bias, scale),
        scale=np.array([scale], np.int16),
        dense1=_as_quads(named["dense1.weight"]),
        dense1_bias=floats.dense1_bias,
        dense2=by_input(named["dense2.weight"]),
        dense2_bias=floats.dense2_bias,
        output=by_input(named["output.weight"]),
        output_bias=by_input(named["output.bias"][:, :, None]),
    )


def _check_layers(named: Tensors) -> None:
    """Raise ConfigError for small layers whose outputs or bytes could leave their range."""
    bounds = []
    for layer in ("dense1", "dense2", "output"):
        sums = np.abs(named[f"{layer}.weight"]).sum(axis=2, dtype=np.float64)
        bounds.append((sums + np.abs(named[f"{layer}.bias"])).max())
    largest = np.max(bounds)
    if not largest < 1e6:  # true for NaN too; every layer's inputs are in 0..1
        raise ConfigError(f"expected value layers with outputs below a million, found {largest:g}")
    if (most := np.abs(named["dense1.weight"]).max()) > parameters.DENSE1_LIMIT:
        raise ConfigError(
            f"expected weights of dense1 up to {parameters.DENSE1_LIMIT:g}, found {most:g}"
        )


def _as_quads(dense1: np.ndarray) -> np.ndarray:
    """round(DENSE1_SCALE * weights [8, 16, W]) as bytes, 16 outputs for every four units, as
    `dot_bytes` takes them.
    """
    versions, outputs, width = dense1.shape
    rounded = np.rint(dense1 * parameters.DENSE1_SCALE)
    quads = rounded.reshape(versions, outputs, width // QUAD, QUAD)
    flat = aligned_zeros(rounded.size, dtype=np.int8)
    flat[:] = quads.transpose(0, 2, 1, 3).reshape(-1)
    return flat


def new_value_model(tables: IntegerValueTables) -> ValueModel:
    """Return a model for one thread: the shared tables, accumulators of empty boards, and scratch."""
    width = len(tables.bias)
    slots = 4 * KING_BUCKETS
    accumulators = aligned_zeros(slots * width, dtype=np.int16)
    accumulators.reshape(slots, width)[:] = tables.bias
    quads = aligned_zeros(width // QUAD, dtype=np.int32)
    arrays = {
        "tables": tables,
        "accumulators": accumulators,
        "quads": quads,
        "units": quads.view(np.uint8),
    }
    return buffers(ValueModel, arrays, slots=slots)


@kernel()
def value_trunk_outputs(model, row):
    """Write `model.outputs` of a position."""
    side = np.int64(row[SIDE])
    half = len(model.units) // 2
    for k in range(2):
        start = follow_view(model, row, side ^ k)
        multiply_pairs(
            model.accumulators, start, model.tables.scale[0], half, model.units, k * half
        )
    small_layers(model, piece_bucket(row))


@kernel()
def follow_view(model, row, side):
    """Bring the accumulator of a side's view up to date; returns where it starts."""
    width = len(model.units)
    flip = flip_of(row, side)
    base = first_row(row, side, flip)
    slot = (2 * side + (flip & 1)) * KING_BUCKETS + base // (12 * 64)
    n_coming, n_going = list_changes(model, row, side, flip, base, model.boards[slot])
    if n_coming + n_going:
        change_rows(model, slot * width, n_coming, n_going)
    return slot * width


@kernel()
def list_changes(model, row, side, flip, base, board):
    """List the rows that come and go since `board` uint64 [12], and make it the present one;
    returns their numbers.
    """
    width = len(model.units)
    n_coming = np.int64(0)
    n_going = np.int64(0)
    for piece in range(12):
        now = row[piece % 6] & row[WHITE + piece // 6]
        before = board[piece]
        if now == before:
            continue
        board[piece] = now
        first = base + (piece + 6 * side) % 12 * 64
        come, gone = now & ~before, before & ~now
        while come:
            model.coming[n_coming] = (first + (ctz(come) ^ flip)) * width
            n_coming += 1
            come &= come - ONE
        while gone:
            model.going[n_going] = (first + (ctz(gone) ^ flip)) * width
            n_going += 1
            gone &= gone - ONE
    return n_coming, n_going


@kernel()
def change_rows(model, start, n_coming, n_going):
    """Add and subtract the listed rows in the accumulator that begins at `start`."""
    weight, sums = model.tables.weight, model.accumulators
    for c in range(0, len(model.units), SHORT_BLOCK):
        at = start + c
        change_block(sums, at, weight, c, model.coming, n_coming, model.going, n_going, sums, at)


@kernel()
def small_layers(model, version):
    """Write `model.outputs` from `model.units` by one version of the layers."""
    tables = model.tables
    hidden1 = model.hidden1
    hidden2 = model.hidden2
    quads = len(model.quads)
    store_ints(model.sums, np.int64(0), dot_quads(model.quads, tables.dense1, version * quads * 64))
    for k in range(HIDDEN_1):
        hidden1[k] = np.float32(model.sums[k]) * np.float32(1 / (UNIT * parameters.DENSE1_SCALE))
    plain = load(hidden1, 0) + load(tables.dense1_bias, version * HIDDEN_1)
    store(hidden1, 0, clip(plain))
    store(hidden1, HIDDEN_1, minimum(plain * plain, splat(1.0)))
    at = version * 2 * HIDDEN_1 * HIDDEN_2
    wide = load_32(tables.dense2_bias, version * HIDDEN_2)
    for j in range(2 * HIDDEN_1):
        wide = wide + spread_32(hidden1, j) * load_32(tables.dense2, at + j * HIDDEN_2)
    store(hidden2, 0, clip(wide))
    last_layer(hidden2, tables.output, tables.output_bias, version, model.outputs)
