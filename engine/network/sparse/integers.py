"""The integers that a sparse network plays with, from the floats that it was trained with.

The accumulator's scale is a power of two, the largest at which no sum can leave int16 whatever the
position: that of the bias and the rows of at most 32 pieces and of the state. Rows of the heads are
bytes, each with a scale of its own.
"""

from typing import NamedTuple

import numpy as np

from engine.board.layout import PAWN
from engine.errors import ConfigError
from engine.network.accumulator.flat_tables import filled_tables, named_views
from engine.network.accumulator.short_rows import as_bytes, as_shorts, by_input, sum_scale
from engine.network.outputs import MOVES_LEFT_SCALE, Tensors
from engine.network.sparse.policy_features import (
    BALANCE_FEATURE,
    CASTLING_FEATURE,
    COUNTER_FEATURE,
    EN_PASSANT_FEATURE,
    MAX_ACTIVE,
    PASSED_FEATURE,
    PHASES,
    PIECE_FEATURES,
    SORTS,
    STATE_FEATURES,
)
from engine.network.sparse.sparse_parameters import ParameterTables, SparseConfig
from engine.network.value.value_parameters import most_of_pieces

COARSEST_SCALE = 16  # of accumulators


class IntegerTables(NamedTuple):
    """A sparse network ready to play.

    F features, W width, U units, R policy rows, T sort rows, S sorts, V versions of K hidden, J
    inner.
    """

    weight: np.ndarray  # int16 [F * W]
    bias: np.ndarray  # int16 [W]
    scale: np.ndarray  # int16 [1] of the two above
    policy: np.ndarray  # int8 [R * U]
    # Float32 [R] what 1 in a dot product of the row is worth, here and below.
    policy_unit: np.ndarray
    policy_bias: np.ndarray  # float32 [R]
    sort_weight: np.ndarray  # int8 [T * U]
    sort_unit: np.ndarray  # float32 [T]
    sort_bias: np.ndarray  # float32 [S]
    hidden: np.ndarray  # int8 [V * K * U]
    hidden_unit: np.ndarray  # float32 [V * K]
    hidden_bias: np.ndarray  # float32 [V * K]
    inner: np.ndarray  # float32 [V * K * J] by hidden unit, then inner unit
    inner_bias: np.ndarray  # float32 [V * J]
    output: np.ndarray  # float32 [V * J * LANES] by inner unit, then output, of which 4 are used
    output_bias: np.ndarray  # float32 [V * LANES]


def quantized(tensors: Tensors, config: SparseConfig) -> IntegerTables:
    """Return a network with these parameters, by their names in `sparse_parameters`.

    Raises ConfigError or ShapeError when they do not fit `config`, and ConfigError if some position
    could have an output that is not finite, or if the weights are too large for a scale that leaves
    them any precision.
    """
    floats = filled_tables(config, tensors)
    named = named_views(floats, config)
    if not largest_output(named) < float(np.finfo(np.float32).max):  # true for NaN too
        raise ConfigError("expected weights with finite sums, found larger ones, infinity or NaN")
    scale = sum_scale(largest_accumulator(floats, config), MAX_ACTIVE + 1, COARSEST_SCALE)
    heads = (
        as_bytes(weights, config.units)
        for weights in (floats.policy, floats.sort_weight, floats.hidden)
    )
    (policy, policy_unit), (sort_weight, sort_unit), (hidden, hidden_unit) = heads
    return IntegerTables(
        weight=as_shorts(floats.weight, scale),
        bias=as_shorts(floats.bias, scale),
        scale=np.array([scale], np.int16),
        policy=policy,
        policy_unit=policy_unit,
        policy_bias=floats.policy_bias.copy(),
        sort_weight=sort_weight,
        sort_unit=sort_unit,
        sort_bias=floats.sort_bias.copy(),
        hidden=hidden,
        hidden_unit=hidden_unit,
        hidden_bias=floats.hidden_bias.copy(),
        inner=by_input(named["value.dense2.weight"]),
        inner_bias=by_input(named["value.dense2.bias"][:, :, None]),
        output=by_input(named["value.output.weight"]),
        output_bias=by_input(named["value.output.bias"][:, :, None]),
    )


def largest_output(named: Tensors) -> float:
    """Upper bound of every accumulator, hidden unit and output. The units that feed the heads are
    in 0..1.
    """

    def most(name: str) -> float:
        return float(np.abs(named[name]).sum(axis=-1, dtype=np.float64).max())

    def largest(name: str) -> float:
        return float(np.abs(named[name]).max())

    accumulator = MAX_ACTIVE * largest("trunk.accumulator.weight")
    accumulator += largest("trunk.accumulator.bias")
    policy = most("policy.weight") + largest("policy.bias")
    policy += most("policy.sort_weight") + len(SORTS) * largest("policy.sort_bias")
    hidden = most("value.dense1.weight") + largest("value.dense1.bias")
    inner = most("value.dense2.weight") * hidden + largest("value.dense2.bias")
    outputs = most("value.output.weight") * inner + largest("value.output.bias")
    return max(accumulator, policy, hidden, inner, MOVES_LEFT_SCALE * outputs)


def largest_accumulator(tables: ParameterTables, config: SparseConfig) -> float:
    """Upper bound of every |accumulator| over all positions: the best piece on the 32 best squares,
    and the state.
    """
    weight = np.abs(tables.weight.reshape(-1, config.width))
    pieces = weight[:PIECE_FEATURES].reshape(12, PHASES, 4, 64, config.width).max(axis=2)
    passed = weight[PASSED_FEATURE:].reshape(PHASES, 2, 6, 64, config.width).max(axis=2)
    pieces[PAWN] += passed[:, 0]
    pieces[6 + PAWN] += passed[:, 1]
    state = weight[PIECE_FEATURES:PASSED_FEATURE]
    state = state.reshape(PHASES, STATE_FEATURES, config.width)
    total = most_of_pieces(pieces.swapaxes(0, 1)) + np.abs(tables.bias)
    total += state[:, CASTLING_FEATURE:EN_PASSANT_FEATURE].sum(axis=1)
    for first, last in (
        (EN_PASSANT_FEATURE, COUNTER_FEATURE),
        (COUNTER_FEATURE, BALANCE_FEATURE),
        (BALANCE_FEATURE, None),
    ):
        total += state[:, first:last].max(axis=1)
    return float(total.max())
