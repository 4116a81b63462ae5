"""Puts positions into batches, for callers that use an evaluator without a search."""

from collections.abc import Sequence

import chess
import numpy as np

from engine.board.convert import stack_from_board
from engine.board.movegen import generate
from engine.evaluation.protocol import LeafBatch, new_leaf_batch
from engine.network.input_formats import CLASSICAL, encode_as
from engine.network.policy_map import policy_index


def leaves_of(boards: Sequence[chess.Board], input_format: int = CLASSICAL) -> LeafBatch:
    """Return a new batch whose first leaves are boards with their games so far; planes in one of
    Lc0's formats.
    """
    leaves = new_leaf_batch(len(boards))
    for leaf, board in enumerate(boards):
        fill_leaf(leaves, leaf, stack_from_board(board), input_format)
    return leaves


def fill_leaf(
    leaves: LeafBatch, leaf: int, stack: np.ndarray, input_format: int = CLASSICAL
) -> None:
    """Fill a leaf with the last position of a game, uint64 [n, 16]: row, planes, legal moves and
    policy indices.
    """
    row = leaves.rows[leaf] = stack[-1]
    encode_as(input_format, stack, len(stack) - 1, leaves.masks[leaf])
    leaves.n_moves[leaf] = generate(row, leaves.moves[leaf])
    for i in range(leaves.n_moves[leaf]):
        leaves.policy_index[leaf, i] = policy_index(row, leaves.moves[leaf, i])
