"""The value trunk for playing: int16 rows, from scratch for every position, and small layers in float32.

`value_parameters` has the formulas. Rows are integers, round(scale * weight), so a sum of rows has one result in any
order and on any machine, and half the memory to read; everything behind the accumulators is float32. The layers behind
the first are stored by input, because then a register holds sixteen outputs and nothing has to be summed across it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from engine.errors import ConfigError
from engine.native.integer_lanes import SHORTS, high_floats, load_shorts, low_floats
from engine.native.jit import kernel
from engine.native.lanes import LANES, load, minimum, splat, spread, store
from engine.native.memory import aligned_zeros
from engine.network.sparse.features import MEN_BUCKETS, men_bucket
from engine.network.sparse.quantization import as_shorts, by_input
from engine.network.sparse.rows import clip, score_row
from engine.network.sparse.short_rows import add_short_rows
from engine.network.sparse.value_features import MAX_VIEW, king_buckets, write_views
from engine.network.sparse.value_parameters import (
    HIDDEN_1,
    HIDDEN_2,
    ValueConfig,
    fill_value_tables,
    integer_scale,
    new_value_tables,
)


class IntegerValueTables(NamedTuple):
    """A value trunk ready to play. W width, F rows, 8 versions of each layer."""

    weight: np.ndarray  # int16 [F * W]
    bias: np.ndarray  # int16 [W]
    inverse_scale: np.ndarray  # float32 [1] what a unit of the integers is worth
    buckets: np.ndarray  # int64 [64] of the own king
    dense1: np.ndarray  # float32 [8 * 16 * W]
    dense1_bias: np.ndarray  # float32 [8 * 16]
    dense2: np.ndarray  # float32 [8 * 32 * 32] by input, then output
    dense2_bias: np.ndarray  # float32 [8 * 32]
    output: np.ndarray  # float32 [8 * 32 * 16] by input, then output, of which 4 are used
    output_bias: np.ndarray  # float32 [8 * 16]


class ValueModel(NamedTuple):
    """Arguments of `value_trunk_outputs`: weights that threads share, and one thread's scratch."""

    tables: IntegerValueTables
    features: np.ndarray  # int16 [2 * 72] rows of both views
    accumulator: np.ndarray  # int16 [W]
    units: np.ndarray  # float32 [W]
    hidden1: np.ndarray  # float32 [32] the 16 units of dense1, then their squares
    hidden2: np.ndarray  # float32 [32]
    outputs: np.ndarray  # float32 [16] out: logits of win, draw, loss, and moves left, for the side to move


def integer_tables(tensors: Mapping[str, np.ndarray], config: ValueConfig) -> IntegerValueTables:
    """A trunk with these parameters, by their names in `value_parameters`.

    Raises ConfigError or ShapeError when they do not fit `config`, and ConfigError if an output could leave its range.
    """
    _, floats = new_value_tables(config)
    fill_value_tables(floats, config, tensors)
    scale = integer_scale(floats, config)
    layers = [array.reshape(MEN_BUCKETS, -1, inputs) for array, inputs in
              ((floats.dense1, config.width), (floats.dense2, 2 * HIDDEN_1), (floats.output, HIDDEN_2))]  # fmt: skip
    biases = [array.reshape(MEN_BUCKETS, -1) for array in (floats.dense1_bias, floats.dense2_bias, floats.output_bias)]
    largest = np.max(
        [
            (np.abs(layer).sum(axis=2, dtype=np.float64) + np.abs(bias)).max()
            for layer, bias in zip(layers, biases, strict=True)
        ]
    )
    if not largest < 1e6:  # true for NaN too; every layer's inputs are in 0..1
        raise ConfigError(f"expected value layers with outputs below a million, found {largest:g}")
    return IntegerValueTables(
        weight=as_shorts(floats.weight, scale),
        bias=as_shorts(floats.bias, scale),
        inverse_scale=np.array([1 / scale], np.float32),
        buckets=king_buckets(config.king_buckets),
        dense1=floats.dense1,
        dense1_bias=floats.dense1_bias,
        dense2=by_input(layers[1]),
        dense2_bias=floats.dense2_bias,
        output=by_input(layers[2]),
        output_bias=by_input(biases[2][:, :, None]),
    )


def new_value_model(tables: IntegerValueTables) -> ValueModel:
    """A model for one thread: the shared tables and scratch of its own."""
    width = len(tables.bias)
    return ValueModel(
        tables=tables,
        features=np.zeros(2 * MAX_VIEW, np.int16),
        accumulator=aligned_zeros(width // 2).view(np.int16),
        units=aligned_zeros(width),
        hidden1=aligned_zeros(2 * HIDDEN_1),
        hidden2=aligned_zeros(HIDDEN_2),
        outputs=aligned_zeros(LANES),
    )


@kernel(contract=True)
def short_products(accumulator, inverse_scale, half, out, at):
    """out[at : at + half] = the clipped first half of an int16 accumulator times its clipped second half, as floats."""
    unit = spread(inverse_scale, np.int64(0))
    for c in range(0, half, SHORTS):
        first, second = load_shorts(accumulator, c), load_shorts(accumulator, half + c)
        store(out, at + c, clip(low_floats(first) * unit) * clip(low_floats(second) * unit))
        store(out, at + c + LANES, clip(high_floats(first) * unit) * clip(high_floats(second) * unit))


@kernel(contract=True)
def value_trunk_outputs(model, row, attacks):
    """Write ``model.outputs`` of a position. attacks: both attack sets, as `write_attacks` makes them."""
    tables, width = model.tables, len(model.accumulator)
    count = write_views(row, attacks, tables.buckets, model.features)
    for view in range(2):
        add_short_rows(tables.weight, width, model.features, view * MAX_VIEW, count, tables.bias, model.accumulator)
        short_products(model.accumulator, tables.inverse_scale, width // 2, model.units, view * (width // 2))
    small_layers(model, men_bucket(row))


@kernel(contract=True)
def small_layers(model, version):
    """Write ``model.outputs`` from ``model.units`` by one version of the layers."""
    tables, hidden1, hidden2, width = model.tables, model.hidden1, model.hidden2, len(model.units)
    for k in range(HIDDEN_1):
        at = version * HIDDEN_1 + k
        hidden1[k] = score_row(tables.dense1, at * width, model.units, 0, width) + tables.dense1_bias[at]
    plain = load(hidden1, 0)
    store(hidden1, 0, clip(plain))
    store(hidden1, HIDDEN_1, minimum(plain * plain, splat(1.0)))
    at = version * 2 * HIDDEN_1 * HIDDEN_2
    low, high = load(tables.dense2_bias, version * HIDDEN_2), load(tables.dense2_bias, version * HIDDEN_2 + LANES)
    for j in range(2 * HIDDEN_1):
        x = spread(hidden1, j)
        low = low + x * load(tables.dense2, at + j * HIDDEN_2)
        high = high + x * load(tables.dense2, at + j * HIDDEN_2 + LANES)
    store(hidden2, 0, clip(low))
    store(hidden2, LANES, clip(high))
    total = load(tables.output_bias, version * LANES)
    for j in range(HIDDEN_2):
        total = total + spread(hidden2, j) * load(tables.output, (version * HIDDEN_2 + j) * LANES)
    store(model.outputs, 0, total)
