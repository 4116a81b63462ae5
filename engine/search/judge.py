"""What the rules say about a leaf, and whether a mate in one decides it."""

from __future__ import annotations

import numpy as np

from engine.board.ending import CHECKMATE, ONGOING, game_end
from engine.board.movegen import generate
from engine.native.jit import kernel
from engine.search.tree import DRAW, LOSS, UNKNOWN, WIN
from engine.tactics.mates import mating_move


@kernel()
def judge(leaves, leaf, at_root, mate_in_one, scratch_row, scratch_moves):
    """Generate the moves of the position in ``leaves.rows[leaf]``; returns (known, mate_plies) as in `tree.Round`.

    The root is only asked for checkmate: what to play there is the question, even where a draw may be claimed.
    """
    row = leaves.rows[leaf]
    moves = leaves.moves[leaf]
    count = generate(row, moves)
    leaves.n_moves[leaf] = count
    end = game_end(row, count)
    if end == CHECKMATE:
        return np.int64(WIN), np.int64(0)
    if not at_root:
        if end != ONGOING:
            return np.int64(DRAW), np.int64(0)
        if mate_in_one and mating_move(row, moves, count, scratch_row, scratch_moves) >= 0:
            return np.int64(LOSS), np.int64(1)
    return np.int64(UNKNOWN), np.int64(0)
