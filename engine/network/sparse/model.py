"""The sparse network as layers of the learning library, for training.

Inputs, numbered as in `features.py`, -1 = none: features integer [B, 40]; policy rows and sorts of the legal moves,
both integer [B, M]. Outputs, for the side to move:
    policy [B, M]    logits of the legal moves
    value  [B, 4]    logits of win, draw, loss; plies to the end of the game, in hundreds

A network with a value trunk has two more inputs, numbered as in `value_features.py`: the rows of both views, integer
[B, 2, 72], and the version of the small layers, integer [B]. Its output "value_trunk" [B, 4] is like `value`.
`parameters.py` and `value_parameters.py` have the names of its parameters.
"""

from __future__ import annotations

import numpy as np

from engine.network.sparse.features import FEATURES, MOVE_SORTS, POLICY_ROWS
from engine.network.sparse.parameters import OUTPUTS, SparseConfig
from engine.network.sparse.value_features import MEN_BUCKETS
from engine.network.sparse.value_parameters import HIDDEN_1, HIDDEN_2, VALUE_OUTPUTS, ValueConfig
from engine.nn.layers import (
    Activation,
    ChosenDense,
    Dense,
    ListNetwork,
    PairProduct,
    ScoredRows,
    Sequential,
    SparseDense,
    TwoViews,
)

TYPICAL_ACTIVE = 28  # features of an average position
TYPICAL_ROWS = 50  # rows of a view of an average position
# Units start in the middle of their unclipped range, so all of them learn from the first step on.
START_SCALE, START_BIAS = np.float32(0.1), np.float32(0.5)


def build_sparse(config: SparseConfig, rng: np.random.Generator) -> ListNetwork:
    """A sparse network with random weights, float32."""
    accumulator = SparseDense(FEATURES, config.width, rng, active=TYPICAL_ACTIVE)
    accumulator.params["weight"] *= START_SCALE
    accumulator.params["bias"] += START_BIAS
    trunk = Sequential(accumulator=accumulator, clip=Activation("clipped_relu"), product=PairProduct())
    value = Sequential(
        dense1=Dense(config.units, config.hidden, rng),
        activation=Activation("relu"),
        dense2=Dense(config.hidden, OUTPUTS, rng, initialization="glorot"),
    )
    value_trunk = None if config.value is None else build_value_trunk(config.value, rng)
    policy = ScoredRows(config.units, POLICY_ROWS, MOVE_SORTS, rng)
    return ListNetwork(trunk, policy, {"value": value}, value_trunk)


def build_value_trunk(config: ValueConfig, rng: np.random.Generator) -> TwoViews:
    """A value trunk with random weights, float32."""
    rows = SparseDense(config.rows, config.width, rng, active=TYPICAL_ROWS)
    rows.params["weight"] *= START_SCALE
    rows.params["bias"] += START_BIAS
    return TwoViews(
        rows=rows,
        dense1=ChosenDense(config.width, HIDDEN_1, MEN_BUCKETS, rng),
        dense2=ChosenDense(2 * HIDDEN_1, HIDDEN_2, MEN_BUCKETS, rng),
        output=ChosenDense(HIDDEN_2, VALUE_OUTPUTS, MEN_BUCKETS, rng),
    )
