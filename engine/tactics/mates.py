"""Forced mates near the root, found by the rules alone.

A policy learned from games does not expect a quiet move or a queen sacrifice before a mate, and
where every move wins the values do not point the way. The few positions within reach are quickly
searched; the result then guides the tree search, whose own proof decides.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import (
    ZERO,
    bishop_attacks,
    bit,
    check_squares,
    in_check,
    king_square,
    rook_attacks,
)
from engine.board.layout import (
    BISHOP,
    BLACK,
    CASTLING,
    EN_PASSANT,
    KNIGHT,
    PAWN,
    QUEEN,
    RANK_1,
    RANK_8,
    ROOK,
    SIDE,
    WHITE,
)
from engine.board.makemove import copy_row, make
from engine.board.movegen import Targets, generate, generate_some
from engine.native.aligned_arrays import buffers
from engine.native.jit import kernel

MAX_MATE_MOVES = 4  # moves
# Squares of rooks that have castled, by side: d1 and f1, d8 and f8.
CASTLED_ROOKS = np.array([0x28, 0x28 << 56], np.uint64)
MATE_NODE_LIMIT = 2_000  # positions visited, about two milliseconds


class MateSpace(NamedTuple):
    """The stack of a mate search."""

    rows: Annotated[np.ndarray, "uint64 [2 * MAX_MATE_MOVES + 1, 16]"]
    moves: Annotated[np.ndarray, "uint16 [2 * MAX_MATE_MOVES + 1, 218]"]
    nodes: Annotated[np.ndarray, "int64 [1]"]  # positions visited


def new_mate_space() -> MateSpace:
    """Return a fresh stack."""
    return buffers(MateSpace)


@kernel()
def mating_start(row, most, space):
    """(move, moves): a move of `row` that forces mate, and in how many moves; (-1, 0) if none is
    found.

    Looks ahead at most `most` moves, which is at most MAX_MATE_MOVES.

    The attacker tries any move two moves before the mate, and only checks earlier. Draws by
    repetition or by the halfmove clock are ignored.
    """
    space.nodes[0] = 0
    for moves in range(1, most + 1):  # the shortest mate first
        copy_row(row, space.rows[0])
        index = _attack(space, np.int64(0), moves)
        if index >= 0:
            return np.int64(space.moves[0, index]), moves
    return -1, 0


@kernel()
def _attack(space, ply, most):
    """Index of the first move of rows[ply] that forces mate in at most `most` moves, -1 if none
    does.
    """
    row, moves = space.rows[ply], space.moves[ply]
    count = generate(row, moves)
    checks = checks_of(row)
    mating = first_mating(row, moves, count, checks, space.rows[ply + 1], space.moves[ply + 1])
    if most == 1 or mating >= 0:
        return mating
    for i in range(count):
        make(row, moves[i], space.rows[ply + 1])
        if most > 2 and not in_check(space.rows[ply + 1]):
            continue
        defences = generate(space.rows[ply + 1], space.moves[ply + 1])
        refuted = defences == 0  # no defence is stalemate, because mates were found before
        for k in range(defences):
            space.nodes[0] += 1
            make(space.rows[ply + 1], space.moves[ply + 1, k], space.rows[ply + 2])
            refuted = space.nodes[0] > MATE_NODE_LIMIT or _attack(space, ply + 2, most - 1) < 0
            if refuted:
                break
        if not refuted:
            return np.int64(i)
    return np.int64(-1)


@kernel()
def can_mate(row, moves, scratch_row, scratch_moves):
    """Whether a legal move gives checkmate. Writes moves that may into `moves`, and seldom others:
    to generate all would take most of the time.
    """
    side = np.int64(row[SIDE])
    checks = checks_of(row)
    pawn_steps, jumps, diagonal, straight, shields = checks
    rook_may_check = False
    if row[CASTLING] & row[WHITE + side]:
        king = king_square(row, 1 - side)
        rook_may_check = (rook_attacks(king, ZERO) & CASTLED_ROOKS[side]) != ZERO
    if shields or rook_may_check:
        count = generate(row, moves)
    else:
        targets = Targets(pawn_steps | RANK_1 | RANK_8, jumps, diagonal, straight, ZERO)
        count = generate_some(row, targets, moves)
    return first_mating(row, moves, count, checks, scratch_row, scratch_moves) >= 0


@kernel()
def mating_move(row, moves, count, scratch_row, scratch_moves):
    """Index of the first legal move that gives checkmate, -1 if none does."""
    return first_mating(row, moves, count, checks_of(row), scratch_row, scratch_moves)


@kernel()
def checks_of(row):
    """`check_squares`, and own pieces next to the enemy's king on its lines, one of which may hide
    a slider's check: the shields, none where no slider stands behind them.
    """
    pawn_steps, jumps, diagonal, straight = check_squares(row)
    side = np.int64(row[SIDE])
    own = row[WHITE + side]
    king = king_square(row, 1 - side)
    shields = (straight | diagonal) & own
    behind = (row[WHITE] | row[BLACK]) ^ shields
    seen = rook_attacks(king, behind) & (row[ROOK] | row[QUEEN])
    seen |= bishop_attacks(king, behind) & (row[BISHOP] | row[QUEEN])
    if not seen & own:
        shields = ZERO
    return pawn_steps, jumps, diagonal, straight, shields


@kernel()
def first_mating(row, moves, count, checks, scratch_row, scratch_moves):
    """Do what `mating_move` does, with the `checks_of` a position.

    Only moves that can give check are played out; playing all of them would take three times as
    long.
    """
    pawn_steps, jumps, diagonal, straight, shields = checks
    own = row[WHITE + np.int64(row[SIDE])]
    straight_own, diagonal_own = (row[ROOK] | row[QUEEN]) & own, (row[BISHOP] | row[QUEEN]) & own
    knights, pawns = row[KNIGHT], row[PAWN]
    special = own | row[EN_PASSANT]  # castling is encoded as a move to one's own rook
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
                return i
    return -1
