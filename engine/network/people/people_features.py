"""What the network of people sees: the features of a position and its last moves, and the rows and
sorts of its legal moves.

Everything is seen from the side to move, mirrored as in `policy_features`. Features:

    ((piece * 2 + defended) * 2 + attacked) * 64 + square     as there, without phases
    3072 + a number of its state                              as there
    3138 + 64 * taken + square      where the move before went to; whether it took a piece
    3266 + square                   where it came from
    3330 + kind                     what it took
    3335 + square                   where our own move before that went to
    3399 + band                     the player's rating, in steps of 100

Two more sorts of move than in `sparse/moves.py`, each for every band, tell what depends on the
rating and on the moves before:

    sort 4    kind, answer, again, back, struck
    sort 5    kind, threat, risk, captured

Two are alike for all bands, and the last tells again what depends on the rating:

    sort 6    kind and square of the move before, kind and square of this one
    sort 7    kind, king's steps from target and from source to the enemy king, escapes
    sort 8    kind, exchange, best, capture

    escapes   of the enemy king from a check: 0 if the move gives none, else 1 + its safe squares, 4 for more than two
    exchange  level of what the exchange on the target wins (`tactics.see`)
    best      whether no other move's exchange wins more, and something is won

    answer    0, or 1 + what the move before took, 0 for nothing, for a move to where it went
    again     whether our piece that moved last moves again; back: to where it came from
    struck    whether the moving piece stands under attack by the piece that moved last
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import (
    BY_ANY,
    KING_ATTACKS,
    ONE,
    ZERO,
    bit,
    king_square,
    king_steps,
    targets_of,
    write_attacks,
)
from engine.board.layout import BLACK, KING, SIDE, WHITE
from engine.native.bits import ctz, popcount
from engine.native.jit import kernel
from engine.network.policy_map import POLICY_SIZE
from engine.network.sparse import policy_features as plain
from engine.network.sparse.moves import MOVE_SORTS, judge_squares, kind_on, map_threats, write_moves
from engine.network.sparse.policy_features import THREATS, settled_level, view_flip
from engine.tactics.quiescence import QuiescenceSpace
from engine.tactics.see import see

STATE_FEATURE = 12 * plain.PIECE_NUMBERS
TARGET_FEATURE = STATE_FEATURE + plain.STATE_FEATURES
SOURCE_FEATURE = TARGET_FEATURE + 2 * 64
TAKEN_FEATURE = SOURCE_FEATURE + 64
OWN_TARGET_FEATURE = TAKEN_FEATURE + 5
BAND_FEATURE = OWN_TARGET_FEATURE + 64
MOST_FEATURES = 48  # 32 pieces, 7 of the state, 4 of the moves before and the band; rounded up
PIECE_GROUPS = (12, 4, 64)  # shape of the piece features: [piece, attacked and defended, square]

WAYS_OF_SORTING = 9  # ways of sorting moves
ANSWERS = 7
FIRST_4 = MOVE_SORTS  # where the numbers of sort 4 begin
SORTS_4 = 6 * ANSWERS * 2 * 2 * 2  # of one band
SORTS_5 = 6 * THREATS * 3 * 6
KIND_SQUARES = 6 * 64  # kinds and squares of a piece
SORTS_6 = (KIND_SQUARES + 1) * KIND_SQUARES  # the first place is for no move before
STEPS = 8  # from a king to a square, 0 to 7
ESCAPES = 5
SORTS_7 = 6 * STEPS * STEPS * ESCAPES
EXCHANGES = 8
SORTS_8 = 6 * EXCHANGES * 2 * 2  # of one band
LEVEL_ENDS_CP = np.array([-400, -150, -50, 51, 151, 401, 701], np.int64)  # of exchanges; by hand
EVEN = 3  # level of an exchange that wins nothing
NO_SQUARE = -1

# A move that was played, as an array of squares and a kind; NO_SQUARE in place of what is not
# known.
SOURCE = 0
TARGET = 1
TAKEN = 2


class PeopleSight(NamedTuple):
    """One thread's scratch for `look`, and what it writes."""

    captures: QuiescenceSpace
    attacks: Annotated[np.ndarray, "uint64 [2, 8]"]  # as in `policy_features.Sight`, to `threats`
    unsafe: Annotated[np.ndarray, "uint64 [8]"]
    threats: Annotated[np.ndarray, "uint64 [THREATS, 8]"]
    features: Annotated[np.ndarray, "int16 [MOST_FEATURES]"]  # out: indices of active features
    rows: Annotated[np.ndarray, "int16 [218]"]  # out: policy row of each legal move
    sorts: Annotated[np.ndarray, "int32 [218, WAYS_OF_SORTING]"]  # out: what sorts of move each is
    won: Annotated[np.ndarray, "int64 [218]"]  # by the exchange of each move, centipawns
    played: Annotated[np.ndarray, "int64 [2, 3]"]  # the move before, and our own before that


@kernel()
def look(stack, ply, band, n_bands, moves, n_moves, sight):
    """Write the features of stack[ply], and the rows and sorts of its legal moves; the stack holds
    the game so far. Returns the number of features. Playing and training both call this function.
    """
    row = stack[ply]
    side = np.int64(row[SIDE])
    flip = view_flip(row)
    level = settled_level(row, sight)
    for back in range(2):
        if ply > back:
            find_played(stack[ply - back - 1], stack[ply - back], sight.played[back])
        else:
            sight.played[back, :] = NO_SQUARE
    count = _write_position(row, side, flip, level, sight)
    count = _write_played(sight.played, flip, sight.features, count)
    sight.features[count] = BAND_FEATURE + band
    danger = judge_squares(row, side, sight)
    map_threats(row, side, sight)
    write_moves(row, moves, n_moves, danger, sight)
    _write_sorts_of_history(row, moves, n_moves, band, n_bands, sight)
    _write_sorts_of_kings(row, moves, n_moves, n_bands, sight)
    _write_sorts_of_exchanges(row, moves, n_moves, band, n_bands, sight)
    return count + 1


@kernel()
def find_played(before, after, played):
    """Write source, target and captured kind of the move between two positions to played [3].

    Of castling, the king's squares. What a pass has none of is NO_SQUARE.
    """
    side = np.int64(before[SIDE])
    own_before, own_after = before[WHITE + side], after[WHITE + side]
    left, reached = own_before & ~own_after, own_after & ~own_before
    if left & before[KING]:
        left &= before[KING]
    if reached & after[KING]:
        reached &= after[KING]
    captured = before[BLACK - side] & ~after[BLACK - side]
    played[:] = NO_SQUARE
    if left:
        played[SOURCE] = ctz(left)
    if reached:
        played[TARGET] = ctz(reached)
    if captured:
        played[TAKEN] = kind_on(before, ctz(captured))


@kernel()
def _write_position(row, side, flip, level, sight):
    """Write what one position shows; returns the number of features."""
    write_attacks(row, 0, sight.attacks[0])
    write_attacks(row, 1, sight.attacks[1])
    features = sight.features
    step = plain.PIECE_NUMBERS
    first = 0
    count = plain.write_pieces(row, side, 0, flip, sight.attacks, step, first, features, 0)
    count = plain.write_pieces(row, 1 - side, 6, flip, sight.attacks, step, first, features, count)
    count = plain.write_state(row, side, flip, STATE_FEATURE, features, count)
    features[count] = STATE_FEATURE + plain.BALANCE_FEATURE + level
    return count + 1


@kernel()
def _write_played(played, flip, features, count):
    """Write the features of the two moves before from features[count] on; returns the new count."""
    last, own = played[0], played[1]
    if last[TAKEN] != NO_SQUARE:
        count = _write_square(TARGET_FEATURE + 64, last[TARGET], flip, features, count)
        features[count] = TAKEN_FEATURE + last[TAKEN]
        count += 1
    else:
        count = _write_square(TARGET_FEATURE, last[TARGET], flip, features, count)
    count = _write_square(SOURCE_FEATURE, last[SOURCE], flip, features, count)
    return _write_square(OWN_TARGET_FEATURE, own[TARGET], flip, features, count)


@kernel()
def _write_square(base, square, flip, features, count):
    """Write the feature of a square, if there is one; returns the new count."""
    if square == NO_SQUARE:
        return count
    features[count] = base + (square ^ flip)
    return count + 1


@kernel()
def _write_sorts_of_history(row, moves, n_moves, band, n_bands, sight):
    """Write sorts 4 to 6 of every move, after `write_moves`, from whose sorts they take parts."""
    side = np.int64(row[SIDE])
    last, own = sight.played[0], sight.played[1]
    last_target = last[TARGET]
    occupied = row[WHITE] | row[BLACK]
    struck = ZERO
    flip = view_flip(row)
    place = np.int64(0)
    if last_target != NO_SQUARE:
        mover = kind_on(row, last_target)
        struck = targets_of(mover, last_target, 1 - side, occupied)
        place = 1 + mover * 64 + (last_target ^ flip)
    first_5 = FIRST_4 + n_bands * SORTS_4
    first_6 = first_5 + n_bands * SORTS_5 + place * KIND_SQUARES
    for i in range(n_moves):
        move = np.int64(moves[i])
        source, target = move & 63, move >> 6 & 63
        aim = np.int64(sight.sorts[i, 0]) // 3  # kind, threat, risk
        captured = (np.int64(sight.sorts[i, 1]) - plain.SORTS[0]) // (2 * THREATS) % 6
        kind = aim // (3 * THREATS)
        answer = np.int64(0)
        if target == last_target:
            answer = 2 + last[TAKEN]
        again = np.int64(source == own[TARGET])
        back = again & np.int64(target == own[SOURCE])
        hit = np.int64(struck >> np.uint64(source) & ONE)
        number = (((kind * ANSWERS + answer) * 2 + again) * 2 + back) * 2 + hit
        sight.sorts[i, 4] = FIRST_4 + band * SORTS_4 + number
        sight.sorts[i, 5] = first_5 + band * SORTS_5 + aim * 6 + captured
        sight.sorts[i, 6] = first_6 + kind * 64 + (target ^ flip)
        sight.rows[i] %= POLICY_SIZE


@kernel()
def _write_sorts_of_kings(row, moves, n_moves, n_bands, sight):
    """Write sort 7 of every move."""
    side = np.int64(row[SIDE])
    enemies = row[BLACK - side]
    king = king_square(row, 1 - side)
    occupied = (row[WHITE] | row[BLACK]) & ~(row[KING] & enemies)
    free = KING_ATTACKS[king] & ~enemies & ~sight.attacks[side, BY_ANY]
    first = FIRST_4 + n_bands * (SORTS_4 + SORTS_5) + SORTS_6
    for i in range(n_moves):
        move = np.int64(moves[i])
        source, target = move & 63, move >> 6 & 63
        aim = np.int64(sight.sorts[i, 0]) // 3
        kind, threat = aim // (3 * THREATS), aim // 3 % THREATS
        escapes = np.int64(0)
        if threat == THREATS - 1:
            attacked = targets_of(kind, target, side, occupied & ~bit(source))
            escapes = 1 + min(popcount(free & ~attacked), 3)
        steps = king_steps(king, target) * STEPS + king_steps(king, source)
        sight.sorts[i, 7] = first + (kind * STEPS * STEPS + steps) * ESCAPES + escapes


@kernel()
def _write_sorts_of_exchanges(row, moves, n_moves, band, n_bands, sight):
    """Write sort 8 of every move."""
    side = np.int64(row[SIDE])
    enemies = row[BLACK - side]
    contested = enemies | sight.attacks[1 - side, BY_ANY]
    most = np.int64(LEVEL_ENDS_CP[EVEN])
    for i in range(n_moves):
        move = np.int64(moves[i])
        won = np.int64(0)
        if move >> 12 or contested >> np.uint64(move >> 6 & 63) & ONE:
            won = see(row, move)
            most = max(most, won)
        sight.won[i] = won
    first = FIRST_4 + n_bands * (SORTS_4 + SORTS_5) + SORTS_6 + SORTS_7 + band * SORTS_8
    for i in range(n_moves):
        level = np.int64(0)
        won = sight.won[i]
        while level < len(LEVEL_ENDS_CP) and won >= LEVEL_ENDS_CP[level]:
            level += 1
        kind = np.int64(sight.sorts[i, 0]) // (9 * THREATS)
        captures = np.int64(enemies >> np.uint64(np.int64(moves[i]) >> 6 & 63) & ONE)
        number = ((kind * EXCHANGES + level) * 2 + np.int64(won == most)) * 2 + captures
        sight.sorts[i, 8] = first + number
