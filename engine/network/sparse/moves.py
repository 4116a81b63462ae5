"""What the sparse family's policy knows of each legal move: its row, and its sorts.

A move has one of two rows for every policy move (`policy_map.py`): one for moves that look safe and
one for moves that seem to lose material on their target square. Its four sorts are numbers that
each have a logit, learnt once for all moves of the sort; the first sort has a row besides. What
sorts are made of:

    kind       of the moving piece, 0 to 5; captured: 0 for nothing, else 1 + kind
    attacker   the cheapest enemy that attacks the target: 0 none, 1 king or queen, 2 rook, 3 minor piece, 4 pawn
    support    of the target by another piece of ours: 0 none, 1 by a piece, 2 by a pawn
    risk       0 without an attacker, 1 with support against pieces, 2 else
    threat     the best that is attacked from the target, and was not: 0 nothing, 1 a pawn, 2 a minor piece, 3 a rook,
               4 a queen, 5 the king. What a piece of its own side protects counts against cheaper attackers only
    threats    how many of these it attacks: 0, 1, 2 or more
    left       pieces under attack that the moving piece alone protects, and leaves: 0, 1, 2 or more
    guarded    pieces in danger that it protects from the target: 0, 1, 2 or more
    others     other pieces in danger: 0, 1, 2 or more; fled: whether the moving piece stood in danger

    sort 0    kind, threat, risk, left
    sort 1    kind, attacker, support, captured, attacked twice, threat
    sort 2    kind, threat, risk, threats, left, fled, others
    sort 3    kind, threat, risk, threats, guarded, others
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import (
    BY_ANY,
    BY_MINOR,
    BY_PAWN,
    BY_ROOK,
    BY_TWO,
    KING_ATTACKS,
    KNIGHT_ATTACKS,
    ONE,
    ZERO,
    bishop_attacks,
    bit,
    pawn_attack_set,
    rook_attacks,
    targets_of,
)
from engine.board.layout import BISHOP, BLACK, KING, KNIGHT, PAWN, QUEEN, ROOK, SIDE, WHITE
from engine.native.aligned_arrays import buffers
from engine.native.bits import ctz, popcount
from engine.native.jit import kernel
from engine.network.policy_map import POLICY_INDEX, POLICY_SIZE
from engine.network.sparse.policy_features import (
    SORTS,
    THREATS,
    settled_level,
    view_flip,
    write_features,
)

POLICY_ROWS = 2 * POLICY_SIZE
POLICY_GROUPS = (1, 2, POLICY_SIZE)  # shape of the policy rows: [1, safe or unsafe, policy move]
SORT_ROWS = SORTS[0]  # sorts with a row
MOVE_SORTS = sum(SORTS)
# Where the numbers of sorts 1 to 3 begin.
FIRST_1 = SORTS[0]
FIRST_2 = sum(SORTS[:2])
FIRST_3 = sum(SORTS[:3])
THREAT_OF_KIND = np.array([1, 2, 2, 3, 4, 5], np.int64)  # by kind of the attacked piece


@kernel()
def look(row, moves, n_moves, sight):
    """Write a network's inputs: the features of a position, and the rows and sorts of its legal
    moves.

    Returns the number of features. Playing and training both call this function.
    """
    return write_view(row, moves, n_moves, settled_level(row, sight), sight)


@kernel()
def write_view(row, moves, n_moves, level, sight):
    """`look` with a given level of the quiescence balance."""
    count = write_features(row, level, sight)
    side = np.int64(row[SIDE])
    danger = judge_squares(row, side, sight)
    map_threats(row, side, sight)
    write_moves(row, moves, n_moves, danger, sight)
    return count


@kernel()
def judge_squares(row, side, sight):
    """Find unsafe targets for each kind of piece of the side to move; returns its pieces in danger,
    a bitboard.

    A piece is in danger if a cheaper enemy attacks it, or any enemy attacks it while nothing of
    ours protects it. Moving to such a square is unsafe (the mover itself does not count as
    protection) unless it takes a piece worth as much. This replaces static exchange evaluation at
    the cost of one test per move. Needs sight.attacks.
    """
    ours = sight.attacks[side]
    theirs = sight.attacks[1 - side]
    own = row[WHITE + side]
    enemy = row[BLACK - side]
    exposed = theirs[BY_ANY] & ~ours[BY_TWO]
    loose = theirs[BY_ANY] & ~ours[BY_ANY]
    cheaper = theirs[BY_PAWN]
    worth = row[QUEEN] & enemy
    danger = loose & ~row[KING]
    sight.unsafe[PAWN] = loose & ~enemy
    sight.unsafe[KING] = ZERO
    worth |= (row[ROOK] | row[BISHOP] | row[KNIGHT]) & enemy
    sight.unsafe[KNIGHT] = sight.unsafe[BISHOP] = (cheaper | exposed) & ~worth
    danger |= cheaper & (row[KNIGHT] | row[BISHOP])
    worth = (row[QUEEN] | row[ROOK]) & enemy
    cheaper |= theirs[BY_MINOR]
    sight.unsafe[ROOK] = (cheaper | exposed) & ~worth
    danger |= cheaper & row[ROOK]
    cheaper |= theirs[BY_ROOK]
    sight.unsafe[QUEEN] = (cheaper | exposed) & ~(row[QUEEN] & enemy)
    danger |= cheaper & row[QUEEN]
    return danger & own


@kernel()
def map_threats(row, side, sight):
    """Find, for each threat and kind of piece of the side to move, the squares from which it makes
    the threat.

    An attack looks the same from both ends: the squares from which a bishop attacks a queen are
    those that a bishop in the queen's place attacks. Needs sight.attacks.
    """
    enemy = row[BLACK - side]
    occupied, loose = enemy | row[WHITE + side], enemy & ~sight.attacks[1 - side, BY_ANY]
    sight.threats[:] = ZERO
    for kind in range(KING + 1):
        squares = sight.threats[THREAT_OF_KIND[kind]]
        pieces = row[kind] & enemy
        by_pawns = pieces
        if kind == PAWN:
            by_pawns &= loose
        squares[PAWN] |= pawn_attack_set(by_pawns, 1 - side)
        if kind < ROOK:
            pieces &= loose
        while pieces:
            square = ctz(pieces)
            pieces &= pieces - ONE
            is_loose = loose >> np.uint64(square) & ONE
            diagonal = bishop_attacks(square, occupied)
            straight = rook_attacks(square, occupied)
            squares[KNIGHT] |= KNIGHT_ATTACKS[square]
            squares[BISHOP] |= diagonal
            if is_loose or kind != ROOK:
                squares[ROOK] |= straight
            if is_loose or kind == KING:
                squares[QUEEN] |= diagonal | straight
            if is_loose and kind != KING:
                squares[KING] |= KING_ATTACKS[square]
    for kind in range(KING + 1):
        for level in range(1, THREATS):
            sight.threats[0, kind] |= sight.threats[level, kind]


@kernel()
def write_moves(row, moves, n_moves, danger, sight):
    """Write rows and sorts of the legal moves. Needs what `judge_squares` and `map_threats` found."""
    side = np.int64(row[SIDE])
    flip = view_flip(row)
    flips = flip | flip << 6
    ours = sight.attacks[side]
    theirs = sight.attacks[1 - side]
    own = row[WHITE + side]
    enemy = row[BLACK - side]
    occupied = own | enemy
    # Pieces under attack with one protector. A move of that one may leave them.
    duties = own & ~row[KING] & theirs[BY_ANY] & ours[BY_ANY] & ~ours[BY_TWO]
    source = np.int64(-1)
    kind = fled = np.int64(0)
    duty = endangered = attacked = ZERO
    for i in range(n_moves):
        move = np.int64(moves[i])
        if move & 63 != source:  # moves of one piece are adjacent
            source = move & 63
            kind = kind_on(row, source)
            fled = np.int64(danger >> np.uint64(source) & ONE)
            endangered = danger & ~bit(source)
            duty = ZERO
            if duties:
                duty = duties & targets_of(kind, source, side, occupied)
        target = move >> 6 & 63
        shift = np.uint64(target)
        captured = 0
        if enemy >> shift & ONE:
            captured = 1 + kind_on(row, target)
        unsafe = np.int64(sight.unsafe[kind] >> shift & ONE)
        pushes = kind == PAWN and (source ^ target) & 7 == 0
        attacker = cheapest_attacker(theirs, shift)
        supported = support(ours, shift, pushes)
        risk = 2
        if attacker == 0:
            risk = 0
        elif supported > 0 and attacker < 4:
            risk = 1
        threat, threats = threat_of(sight.threats, kind, np.uint64(source), shift)
        left = guarded = 0
        if duty | endangered:
            attacked = targets_of(kind, target, side, occupied & ~bit(source))
            left, guarded = at_most_2(duty & ~attacked), at_most_2(endangered & attacked)
        aim = (kind * 6 + threat) * 3 + risk
        aims = aim * 3 + threats
        in_danger = at_most_2(endangered)
        twice = np.int64(theirs[BY_TWO] >> shift & ONE)
        sight.rows[i] = POLICY_INDEX[move ^ flips] + POLICY_SIZE * unsafe
        sight.sorts[i, 0] = aim * 3 + left
        exchange = ((kind * 5 + attacker) * 3 + supported) * 6 + captured
        sight.sorts[i, 1] = FIRST_1 + (exchange * 2 + twice) * THREATS + threat
        sight.sorts[i, 2] = FIRST_2 + ((aims * 3 + left) * 2 + fled) * 3 + in_danger
        sight.sorts[i, 3] = FIRST_3 + (aims * 3 + guarded) * 3 + in_danger


class SortRows(NamedTuple):
    """The sort rows of a position's moves, each once."""

    rows: Annotated[np.ndarray, "int16 [218]"]  # their numbers
    places: Annotated[np.ndarray, "int16 [218]"]  # by legal move: where its own is among them
    place_of: Annotated[np.ndarray, "int16 [324]"]  # by number: where it is, -1 at rest


def new_sort_rows() -> SortRows:
    """Scratch for `list_sort_rows`."""
    return buffers(SortRows, {"place_of": np.full(SORT_ROWS, -1, np.int16)})


@kernel()
def list_sort_rows(sorts, n_moves, listed):
    """List the different first sorts of the moves, some ten of them; returns how many there are."""
    rows, place_of = listed.rows, listed.place_of
    count = np.int64(0)
    for i in range(n_moves):
        row = sorts[i, 0]
        if place_of[row] < 0:
            place_of[row], rows[count] = count, row
            count += 1
        listed.places[i] = place_of[row]
    for k in range(count):
        place_of[rows[k]] = -1
    return count


@kernel()
def sort_bias(table, sorts):
    """Return the logits of a move's sorts, together."""
    total = table[sorts[0]]
    for k in range(1, len(sorts)):
        total += table[sorts[k]]
    return total


@kernel()
def kind_on(row, square):
    """Kind of the piece on an occupied square."""
    shift = np.uint64(square)
    kind = np.int64(0)
    while not row[kind] >> shift & ONE:
        kind += 1
    return kind


@kernel()
def cheapest_attacker(sets, shift):
    """Return the cheapest attacker of a side on a square: 0 none, 1 king or queen, 2 rook, 3 minor,
    4 pawn.
    """
    minor = sets[BY_MINOR] | sets[BY_PAWN]  # Adds bits instead of branching.
    rook = minor | sets[BY_ROOK]
    bits = (sets[BY_ANY] >> shift & ONE) + (rook >> shift & ONE)
    return np.int64(bits + (minor >> shift & ONE) + (sets[BY_PAWN] >> shift & ONE))


@kernel()
def support(sets, shift, pushes):
    """Return what else of the own attack sets protects a move's target: 0 nothing, 1 a piece, 2 a
    pawn.

    pushes: whether a pawn goes straight ahead, to a square that it did not attack.
    """
    protected = (sets[BY_ANY] if pushes else sets[BY_TWO]) >> shift & ONE
    return np.int64(protected + (protected & sets[BY_PAWN] >> shift))


@kernel()
def threat_of(squares, kind, source, target):
    """(best threat of a move, number of threats up to two); what its piece attacks already is none."""
    threat = threats = 0
    if not squares[0, kind] >> target & ONE:
        return threat, threats
    for level in range(THREATS - 1, 0, -1):
        if squares[level, kind] >> target & ~(squares[level, kind] >> source) & ONE:
            threat = max(threat, level)
            threats = min(threats + 1, 2)
    return threat, threats


@kernel()
def at_most_2(bitboard):
    """Return the number of squares, 2 for more."""
    return min(popcount(bitboard), 2)
