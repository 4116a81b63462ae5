"""Generates legal moves without making them: masks resolve pins and checks before a move is
written.

With the king's attackers known there are three cases: no check (any target), one check (capture the
checker or step in between), two checks (only the king moves). A pinned piece may only move along
the line through king and pinner.
"""

from typing import NamedTuple

import numpy as np

from engine.board.attacks import (
    KING_ATTACKS,
    KNIGHT_ATTACKS,
    ONE,
    PAWN_ATTACKS,
    ZERO,
    attackers,
    bishop_attacks,
    bit,
    in_check,
    is_attacked,
    king_square,
    line_through,
    pawn_attacks_by_side,
    rook_attacks,
    squares_between,
)
from engine.board.layout import (
    BISHOP,
    BLACK,
    CASTLING,
    EN_PASSANT,
    KNIGHT,
    MAX_MOVES,
    PAWN,
    QUEEN,
    RANK_1,
    RANK_8,
    ROOK,
    SIDE,
    WHITE,
)
from engine.native.bits import ctz, popcount
from engine.native.jit import kernel

ALL_SQUARES = np.uint64(0xFFFFFFFFFFFFFFFF)
RANK_3 = np.uint64(0xFF << 16)
RANK_6 = np.uint64(0xFF << 40)


class Targets(NamedTuple):
    """Bitboards of the squares to which each kind of piece may go."""

    pawns: np.uint64
    knights: np.uint64
    diagonal: np.uint64  # bishops and queens
    straight: np.uint64  # rooks and queens
    king: np.uint64  # without castling


@kernel()
def generate(row, moves):
    """Write all legal moves of `row` into `moves` (uint16, at least 218 long); returns how many."""
    targets = Targets(ALL_SQUARES, ALL_SQUARES, ALL_SQUARES, ALL_SQUARES, ALL_SQUARES)
    count, checked = _generate_to(row, targets, moves)
    side = np.int64(row[SIDE])
    own = row[WHITE + side]
    if not checked and row[CASTLING] & own:
        occupied = own | row[BLACK - side]
        count = _castling_moves(row, king_square(row, side), side, occupied, moves, count)
    assert count <= MAX_MOVES
    return count


@kernel()
def has_move(row, moves):
    """Whether the side to move has a legal move. Mostly a pawn that steps ahead shows it; else
    writes all moves into `moves`, as `generate` does.
    """
    side = np.int64(row[SIDE])
    own = row[WHITE + side]
    king = king_square(row, side)
    # No pawn outside the king's lines is pinned.
    lines = rook_attacks(king, ZERO) | bishop_attacks(king, ZERO)
    pawns = row[PAWN] & own & ~lines
    ahead = pawns << np.uint64(8) if side == 0 else pawns >> np.uint64(8)
    if ahead & ~(own | row[BLACK - side]) and not in_check(row):
        return True
    return generate(row, moves) > 0


@kernel()
def generate_some(row, targets, moves):
    """Write the moves of `generate` that go to `targets`, and en passant, in the same order; no
    castling.
    """
    count, _ = _generate_to(row, targets, moves)
    return count


@kernel()
def _generate_to(row, targets, moves):
    """Write the moves to `targets`; returns (number of moves, whether the side to move is in
    check).
    """
    side = np.int64(row[SIDE])
    own = row[WHITE + side]
    theirs = row[BLACK - side]
    occupied = own | theirs
    king = king_square(row, side)
    checkers = attackers(row, king, occupied, 1 - side)

    count = _king_moves(row, king, targets.king & ~own, occupied, side, moves)
    if popcount(checkers) > 1:
        return count, True
    evasion = ALL_SQUARES
    if checkers:
        evasion = checkers | squares_between(king, ctz(checkers))
    pinned = pinned_pieces(row, king, side)
    count = _piece_moves(row, king, own, occupied, pinned, evasion & ~own, targets, moves, count)
    count = _pawn_moves(row, king, side, pinned, evasion & targets.pawns, moves, count)
    if row[EN_PASSANT]:
        count = _en_passant_moves(row, side, moves, count)
    return count, checkers != ZERO


@kernel()
def pinned_pieces(row, king, side):
    """Return the pieces of `side` that stand alone between their king and an enemy slider."""
    own = row[WHITE + side]
    theirs = row[BLACK - side]
    snipers = rook_attacks(king, theirs) & (row[ROOK] | row[QUEEN])
    snipers |= bishop_attacks(king, theirs) & (row[BISHOP] | row[QUEEN])
    snipers &= theirs
    pinned = ZERO
    while snipers:
        blockers = squares_between(king, ctz(snipers)) & own
        if popcount(blockers) == 1:
            pinned |= blockers
        snipers &= snipers - ONE
    return pinned


@kernel()
def _write(source, targets, moves, count):
    while targets:
        moves[count] = source | ctz(targets) << 6
        count += 1
        targets &= targets - ONE
    return count


@kernel()
def _king_moves(row, king, allowed, occupied, side, moves):
    count = 0
    without_king = occupied & ~bit(king)  # a slider's check continues behind the king
    targets = KING_ATTACKS[king] & allowed
    while targets:
        target = ctz(targets)
        if not is_attacked(row, target, without_king, 1 - side):
            moves[count] = king | target << 6
            count += 1
        targets &= targets - ONE
    return count


@kernel()
def _piece_moves(row, king, own, occupied, pinned, evasion, goals, moves, count):
    knights = row[KNIGHT] & own & ~pinned
    while knights:
        square = ctz(knights)
        count = _write(square, KNIGHT_ATTACKS[square] & evasion & goals.knights, moves, count)
        knights &= knights - ONE
    diagonal = row[BISHOP] | row[QUEEN]
    straight = row[ROOK] | row[QUEEN]
    sliders = (diagonal | straight) & own
    while sliders:
        square = ctz(sliders)
        source = sliders & (ZERO - sliders)
        targets, allowed = ZERO, ZERO
        if source & diagonal:
            targets |= bishop_attacks(square, occupied)
            allowed |= goals.diagonal
        if source & straight:
            targets |= rook_attacks(square, occupied)
            allowed |= goals.straight
        if source & pinned:
            targets &= line_through(king, square)
        count = _write(square, targets & allowed & evasion, moves, count)
        sliders &= sliders - ONE
    return count


@kernel()
def _pawn_moves(row, king, side, pinned, evasion, moves, count):
    own = row[WHITE + side]
    theirs = row[BLACK - side]
    empty = ~(own | theirs)
    pawns = row[PAWN] & own
    free = pawns & ~pinned
    count = _pawn_set_moves(free, side, empty, theirs, evasion, moves, count)
    held = pawns & pinned
    while held:
        square = ctz(held)
        along_pin = evasion & line_through(king, square)
        count = _pawn_set_moves(bit(square), side, empty, theirs, along_pin, moves, count)
        held &= held - ONE
    return count


@kernel()
def _pawn_set_moves(pawns, side, empty, theirs, allowed, moves, count):
    west, east = pawn_attacks_by_side(pawns, side)
    if side == 0:
        single = (pawns << np.uint64(8)) & empty
        double = ((single & RANK_3) << np.uint64(8)) & empty
        forward = 8
    else:
        single = (pawns >> np.uint64(8)) & empty
        double = ((single & RANK_6) >> np.uint64(8)) & empty
        forward = -8
    count = _write_pawns(single & allowed, forward, moves, count)
    count = _write_pawns(double & allowed, 2 * forward, moves, count)
    count = _write_pawns(west & theirs & allowed, forward - 1, moves, count)
    return _write_pawns(east & theirs & allowed, forward + 1, moves, count)


@kernel()
def _write_pawns(targets, step, moves, count):
    while targets:
        target = ctz(targets)
        move = (target - step) | target << 6
        if bit(target) & (RANK_1 | RANK_8):
            for promotion in range(1, 5):
                moves[count] = move | promotion << 12
                count += 1
        else:
            moves[count] = move
            count += 1
        targets &= targets - ONE
    return count


@kernel()
def _en_passant_moves(row, side, moves, count):
    target = ctz(row[EN_PASSANT])
    capturers = PAWN_ATTACKS[1 - side, target] & row[PAWN] & row[WHITE + side]
    while capturers:
        source = ctz(capturers)
        if en_passant_is_legal(row, side, source, target):
            moves[count] = source | target << 6
            count += 1
        capturers &= capturers - ONE
    return count


@kernel()
def en_passant_is_legal(row, side, source, target):
    """Whether an en passant capture leaves the king safe: two pawns leave a rank at once, which pin
    masks miss.
    """
    captured = target ^ 8  # The ranks 3 and 4, and 6 and 5, differ in this bit.
    occupied = (row[WHITE] | row[BLACK]) & ~bit(source) & ~bit(captured) | bit(target)
    return attackers(row, king_square(row, side), occupied, 1 - side) == ZERO


@kernel()
def castling_squares(king, rook):
    """Return (king's target, rook's target) when the king castles with the rook on `rook`: c and d
    file, or g and f.
    """
    home = king & 56
    if rook > king:
        return home + 6, home + 5
    return home + 2, home + 3


@kernel()
def _castling_moves(row, king, side, occupied, moves, count):
    rooks = row[CASTLING] & row[WHITE + side]
    while rooks:
        rook = ctz(rooks)
        king_to, rook_to = castling_squares(king, rook)
        movers = bit(king) | bit(rook)
        king_path = squares_between(king, king_to) | bit(king_to)
        rook_path = squares_between(rook, rook_to) | bit(rook_to)
        if not (king_path | rook_path) & occupied & ~movers:
            safe = True
            path = king_path & ~bit(king_to)
            while path and safe:
                safe = not is_attacked(row, ctz(path), occupied & ~bit(king), 1 - side)
                path &= path - ONE
            # In Chess960 the rook may have shielded the king's new square before it left.
            after = occupied & ~movers | bit(rook_to)
            if safe and not is_attacked(row, king_to, after, 1 - side):
                moves[count] = king | rook << 6
                count += 1
        rooks &= rooks - ONE
    return count
