"""The sparse network as layers of the learning library, for training.

Inputs, numbered as in `features.py`, -1 = none: features integer [B, 40]; policy rows and sorts of the legal moves,
both integer [B, M]. Outputs, for the side to move:
    policy [B, M]    logits of the legal moves
    value  [B, 4]    logits of win, draw, loss; plies to the end of the game, in hundreds

`parameters.py` has the names of its parameters.
"""

from __future__ import annotations

import numpy as np

from engine.network.sparse.features import FEATURES, MOVE_SORTS, POLICY_ROWS
from engine.network.sparse.parameters import OUTPUTS, SparseConfig
from engine.nn.layers import Activation, Dense, ListNetwork, PairProduct, ScoredRows, Sequential, SparseDense

TYPICAL_ACTIVE = 28  # features of an average position
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
    return ListNetwork(trunk, ScoredRows(config.units, POLICY_ROWS, MOVE_SORTS, rng), {"value": value})
