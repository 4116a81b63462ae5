"""What the rules say about a leaf, and whether a mate in one decides it."""

from __future__ import annotations

import numpy as np

from engine.board.attacks import (
    KNIGHT_ATTACKS,
    PAWN_ATTACKS,
    ZERO,
    bishop_attacks,
    bit,
    in_check,
    king_square,
    rook_attacks,
)
from engine.board.ending import CHECKMATE, ONGOING, game_end
from engine.board.layout import BISHOP, BLACK, EN_PASSANT, KNIGHT, PAWN, QUEEN, ROOK, SIDE, WHITE
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.native.jit import kernel
from engine.search.tree import DRAW, LOSS, UNKNOWN, WIN


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


@kernel()
def mating_move(row, moves, count, scratch_row, scratch_moves):
    """Index of the first legal move that gives checkmate, -1 if none does.

    Few moves can give check: to play out all of them would take three times as long.
    """
    side = np.int64(row[SIDE])
    own, occupied = row[WHITE + side], row[WHITE] | row[BLACK]
    king = king_square(row, 1 - side)
    straight, diagonal = rook_attacks(king, occupied), bishop_attacks(king, occupied)
    straight_own, diagonal_own = (row[ROOK] | row[QUEEN]) & own, (row[BISHOP] | row[QUEEN]) & own
    jumps, knights = KNIGHT_ATTACKS[king], row[KNIGHT]
    pawn_steps, pawns = PAWN_ATTACKS[1 - side, king], row[PAWN]
    special = own | row[EN_PASSANT]  # castling goes to the own rook
    shields = (straight | diagonal) & own  # next to the king on its lines, where one hides the check of a slider
    behind = occupied ^ shields
    if not (rook_attacks(king, behind) & straight_own | bishop_attacks(king, behind) & diagonal_own):
        shields = ZERO
    for i in range(count):
        move = np.int64(moves[i])
        source, target = bit(move & 63), bit(move >> 6 & 63)
        may_check = move >> 12 != 0 or (special & target) != ZERO or (shields & source) != ZERO
        may_check = may_check or ((straight & target) != ZERO and (straight_own & source) != ZERO)
        may_check = may_check or ((diagonal & target) != ZERO and (diagonal_own & source) != ZERO)
        may_check = may_check or ((jumps & target) != ZERO and (knights & source) != ZERO)
        may_check = may_check or ((pawn_steps & target) != ZERO and (pawns & source) != ZERO)
        if may_check:
            make(row, moves[i], scratch_row)
            if in_check(scratch_row) and generate(scratch_row, scratch_moves) == 0:
                return np.int64(i)
    return np.int64(-1)
