"""The sparse network as layers of the learning library, for training.

Inputs, numbered as in `features.py`, -1 = none: features integer [B, 56]; policy rows integer [B, M] and sorts
integer [B, M, 4] of the legal moves, as in `moves.py`. Outputs, for the side to move:
    policy [B, M]    logits of the legal moves
    value  [B, 4]    logits of win, draw, loss; plies to the end of the game, in hundreds

The last input is the version of the value head, `men_bucket`, integer [B]. A network with a value trunk has one more
before it, numbered as in `value_features.py`: the rows of both views, integer [B, 2, 72]. Its output "value_trunk"
[B, 4] is like `value`, and its small layers have the same versions.
`parameters.py` and `value_parameters.py` have the names of its parameters.
"""

from __future__ import annotations

import numpy as np

from engine.network.sparse.features import FEATURES, MEN_BUCKETS
from engine.network.sparse.moves import MOVE_SORTS, POLICY_ROWS, SORT_ROWS
from engine.network.sparse.parameters import OUTPUTS, SparseConfig
from engine.network.sparse.value_parameters import HIDDEN_1, HIDDEN_2, VALUE_OUTPUTS, ValueConfig
from engine.nn.layers import (
    Activation,
    ChosenDense,
    ChosenSequential,
    ListNetwork,
    PairProduct,
    ScoredRows,
    Sequential,
    SparseDense,
    TwoViews,
)

TYPICAL_ACTIVE = 28  # features of an average position
TYPICAL_ROWS = 24  # rows of a view of an average position
# Units start in the middle of their unclipped range, so all of them learn from the first step on.
START_SCALE, START_BIAS = np.float32(0.1), np.float32(0.5)


def build_sparse(config: SparseConfig, rng: np.random.Generator) -> ListNetwork:
    """A sparse network with random weights, float32."""
    accumulator = SparseDense(FEATURES, config.width, rng, active=TYPICAL_ACTIVE)
    accumulator.params["weight"] *= START_SCALE
    accumulator.params["bias"] += START_BIAS
    trunk = Sequential(accumulator=accumulator, clip=Activation("clipped_relu"), product=PairProduct())
    value = build_value_head(config, rng)
    value_trunk = None if config.value is None else build_value_trunk(config.value, rng)
    policy = ScoredRows(config.units, POLICY_ROWS, MOVE_SORTS, SORT_ROWS, rng)
    return ListNetwork(trunk, policy, {"value": value}, value_trunk)


def build_value_head(config: SparseConfig, rng: np.random.Generator) -> ChosenSequential:
    """A value head with random weights, float32."""
    return ChosenSequential(
        dense1=ChosenDense(config.units, config.hidden, MEN_BUCKETS, rng),
        activation1=Activation("relu"),
        dense2=ChosenDense(config.hidden, config.inner, MEN_BUCKETS, rng),
        activation2=Activation("relu"),
        output=ChosenDense(config.inner, OUTPUTS, MEN_BUCKETS, rng),
    )


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
