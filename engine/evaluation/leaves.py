"""Puts one position into a batch, for callers that use an evaluator without a search."""

from __future__ import annotations

import numpy as np

from engine.board.movegen import generate
from engine.evaluation.protocol import LeafBatch
from engine.network.planes import encode
from engine.network.policy_map import policy_index


def fill_leaf(leaves: LeafBatch, leaf: int, stack: np.ndarray) -> None:
    """Fill a leaf with the last position of a game, uint64 [n, 16]: row, planes, legal moves and policy indices."""
    row = leaves.rows[leaf] = stack[-1]
    encode(stack, len(stack) - 1, 0, leaves.masks[leaf])
    leaves.n_moves[leaf] = generate(row, leaves.moves[leaf])
    for i in range(leaves.n_moves[leaf]):
        leaves.policy_index[leaf, i] = policy_index(row, leaves.moves[leaf, i])
