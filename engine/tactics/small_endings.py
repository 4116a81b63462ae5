"""What is known of endings with few pieces: certain draws, how far a win has come, and what hardly
wins.

    draws       a pawn that cannot win, two knights, bishops that cannot chase the king out of the
                corner in which their rook's pawns would promote, a bishop and a knight of which one is lost
    wins        of pieces against a bare king: a network calls all these positions won alike, so a search wanders; here
                mate is nearer, the nearer the losing king is to the edge and to the other king, and the fewer squares
                it has. One scale holds everywhere: such a win is worth more than all that is not known
    chances     a side with hardly more pieces, its pawns counted as queens, hardly wins; and the longer no pawn moved
                and nothing was captured, the less a value is worth, so that a search prefers to make progress

King and pawn against king is solved: a table of 24 KB says for every position whether the pawn
wins. It is filled backwards from the promotions that the king cannot stop, until nothing changes:
with the pawn's side to move a position is won if one move wins, with the other side to move if
there is a move and all moves lose. The pawn stands on files a to d and moves up the board; other
positions are mirrored. https://www.chessprogramming.org/KPK

Values are of the side to move. The distances are those of mop-up evaluations: Slate and Atkin,
Chess 4.5 (1977). Where a game gets to four pieces without pawns, `solved_endings` knows the way.
"""

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
    king_square,
    king_steps,
)
from engine.board.ending import FIFTY_MOVE_PLIES
from engine.board.layout import (
    BISHOP,
    BLACK,
    DARK_SQUARES,
    FILE_A,
    FILE_H,
    HALFMOVE,
    KING,
    KNIGHT,
    PAWN,
    QUEEN,
    ROOK,
    SIDE,
    WHITE,
)
from engine.native.bits import ctz, popcount
from engine.native.jit import kernel

# The squares of the pawn, by its number.
_PAWNS = [square for square in range(8, 56) if square % 8 < 4]
_NORTH = np.uint64(8)


def beside(squares: np.ndarray) -> np.ndarray:
    """All squares beside some squares, for every word."""
    sides = squares << ONE & ~FILE_A | squares >> ONE & ~FILE_H
    row = squares | sides
    return sides | row << _NORTH | row >> _NORTH


def _won_positions() -> np.ndarray:
    """Return the wins as the other king's squares, uint64 [side to move: the pawn's or the other,
    pawn, own king].
    """
    kings = ONE << np.arange(64, dtype=np.uint64)
    pawns = kings[_PAWNS][:, None]
    # Where the other king can stand when it is to move, when it is not, and when it takes the pawn.
    waits = np.where(kings == pawns, ZERO, ~(KING_ATTACKS | kings | pawns))
    moves = waits & ~PAWN_ATTACKS[0, _PAWNS][:, None]
    takes = np.where(KING_ATTACKS & pawns, ZERO, beside(pawns))
    won = np.zeros((2, *moves.shape), np.uint64)
    won[0] = moves & _promotions(kings, pawns)
    is_step = KING_ATTACKS[:, None] & kings != ZERO
    while True:
        before = won.copy()
        # Add the positions in which a move of the pawn's side wins.
        steps_to_wins = np.bitwise_or.reduce(np.where(is_step, won[1][:, None], ZERO), axis=2)
        steps_to_wins[:-4] |= won[1, 4:]
        steps_to_wins[:4] |= np.where(kings == pawns[4:8], ZERO, won[1, 8:12] & ~pawns[4:8])
        won[0] |= steps_to_wins & moves
        # Add the positions in which the other king has a move, and loses by all of them.
        won[1] |= waits & ~takes & beside(moves) & ~beside(moves & ~won[0])
        if np.array_equal(won, before):
            return won


def _promotions(kings: np.ndarray, pawns: np.ndarray) -> np.ndarray:
    """Return from where the other king cannot take the queen that a pawn becomes, uint64 [pawn, own
    king].
    """
    goals = np.where(pawns >> np.uint64(48), pawns << _NORTH, ZERO)
    taking = goals | np.where(KING_ATTACKS & goals, ZERO, beside(goals))
    return np.where((goals != ZERO) & (kings != goals), ~taking, ZERO)


# The wins as uint64 [2 * 24 * 64]: the other king's squares by side to move, pawn and own king.
WINS = _won_positions().ravel()


@kernel()
def pawn_wins(row):
    """Whether the pawn wins in a position, uint64 [16], of two kings and one pawn."""
    strong = np.int64(row[PAWN] & row[WHITE] == ZERO)
    flip = 56 * strong
    pawn = ctz(row[PAWN]) ^ flip
    own = king_square(row, strong) ^ flip
    bare = king_square(row, 1 - strong) ^ flip
    if pawn & 4:
        pawn = pawn ^ 7
        own = own ^ 7
        bare = bare ^ 7
    number = 4 * (pawn >> 3) - 4 + (pawn & 3)
    waits = np.int64(row[SIDE]) ^ strong
    return WINS[(waits * 24 + number) * 64 + own] >> np.uint64(bare) & ONE != ZERO


MOST_KNOWN_PIECES = 5  # Draws and wins are known of positions with up to so many pieces.
# A known win is worth from this to 1, and nothing else that is not proven is worth more: so a move
# into such an ending is never worth less than one that waits, whatever an evaluator says. How far
# the win has come is told by its plies left.
KNOWN_WIN = 0.999
# Of values in endings, as a share that counts (docs/what-was-tried.md). Stockfish's classical
# evaluation has such, too.
FADING_PIECES = 12  # Values fade with the halfmove clock in positions with up to so many pieces.
FADED_SHARE = 0.5  # What they lose by move fifty.
# What a value counts of a side that has not more than a minor piece more, with all its pawns promoted.
FORCELESS_SHARE = 0.15
# Worth of pieces in this comparison.
MINOR = 3
ROOK_WORTH = 5
QUEEN_WORTH = 9
LONGEST_PLIES = 60.0  # Plies that the longest of these wins has left. Set by hand.
# How much of the way the losing king's edge and its squares are; the rest is the distance of the
# kings. Set by hand.
EDGE_SHARE, SQUARES_SHARE = 0.45, 0.35


@kernel()
def has_few_pieces(row):
    """Whether a position has so few pieces that this module may know it."""
    return popcount(row[WHITE] | row[BLACK]) <= MOST_KNOWN_PIECES


@kernel()
def share_of_value(row, value):
    """Which share of a value of a position, uint64 [16], counts; the rest is a draw's. `value`: for
    the mover.
    """
    share = 1.0
    if popcount(row[WHITE] | row[BLACK]) <= FADING_PIECES:
        # A root's clock may show any number.
        halfmoves = min(np.int64(row[HALFMOVE]), np.int64(FIFTY_MOVE_PLIES))
        share -= FADED_SHARE * np.float64(halfmoves) / FIFTY_MOVE_PLIES
    side = np.int64(row[SIDE])
    if lacks_force(row, side if value > 0.0 else 1 - side):
        share *= FORCELESS_SHARE
    return share


@kernel()
def lacks_force(row, strong):
    """Whether a side has at most a minor piece more than the other side's pieces, were all its pawns
    queens: so neither a capture of its own nor a promotion takes its force away.
    """
    own = row[WHITE + strong]
    enemy = row[BLACK - strong]
    queens_to_come = QUEEN_WORTH * popcount(row[PAWN] & own)
    return ending_worth(row, own) + queens_to_come - ending_worth(row, enemy) <= MINOR


@kernel()
def ending_worth(row, own):
    """Worth of the pieces on some squares, without pawns and king."""
    minors = MINOR * popcount((row[KNIGHT] | row[BISHOP]) & own)
    return (
        minors + ROOK_WORTH * popcount(row[ROOK] & own) + QUEEN_WORTH * popcount(row[QUEEN] & own)
    )


@kernel()
def is_certain_draw(row):
    """Whether a position, uint64 [16], is known to be drawn with best play, at any halfmove clock."""
    for strong in range(2):
        own, enemy = row[WHITE + strong], row[BLACK - strong]
        if enemy & ~row[KING] == ZERO:
            pieces = own & ~row[KING]
            if pieces == row[PAWN]:
                return popcount(pieces) == 1 and not pawn_wins(row)
            if pieces == row[KNIGHT]:
                return popcount(pieces) <= 2
            if is_bishop_and_knight(row, pieces):
                return loses_a_piece(row, strong)
            return pieces == row[PAWN] | row[BISHOP] and is_wrong_corner(row, strong)
    return False


@kernel()
def is_wrong_corner(row, strong):
    """Whether bishops and pawns cannot win: all pawns on one rook's file, all bishops of the other
    colour than its last square, and the lone king beside that square or on it.
    """
    pawns, bishops = row[PAWN], row[BISHOP]
    if pawns == ZERO or (pawns & ~FILE_A and pawns & ~FILE_H):
        return False
    corner = np.int64(0 if pawns & FILE_A else 7) + 56 * (1 - strong)
    colour = DARK_SQUARES if bit(corner) & DARK_SQUARES else ~DARK_SQUARES
    return (
        not bishops & colour
        and (KING_ATTACKS[corner] | bit(corner)) & bit(king_square(row, 1 - strong)) != ZERO
    )


@kernel()
def is_bishop_and_knight(row, pieces):
    """Whether the squares `pieces` hold one bishop, one knight and nothing else."""
    bishops, knights = pieces & row[BISHOP], pieces & row[KNIGHT]
    return popcount(pieces) == 2 and popcount(bishops) == 1 and popcount(knights) == 1


@kernel()
def loses_a_piece(row, strong):
    """Whether a bishop and a knight lose one of them to the bare king at once: it can take one now,
    or its next move attacks them so that no answer saves both.
    """
    own = row[WHITE + strong]
    bare = king_square(row, 1 - strong)
    king = king_square(row, strong)
    bishop = ctz(own & row[BISHOP])
    knight = ctz(own & row[KNIGHT])
    if row[SIDE] == strong:
        return not can_save_both(king, bishop, knight, bare)
    if not are_safe(king, bishop, knight, bare):
        return True
    steps = KING_ATTACKS[bare] & ~(
        own | KING_ATTACKS[king] | KNIGHT_ATTACKS[knight] | bishop_attacks(bishop, own)
    )
    while steps:
        if not can_save_both(king, bishop, knight, ctz(steps)):
            return True
        steps &= steps - ONE
    return False


@kernel()
def can_save_both(king, bishop, knight, bare):
    """Whether the side with the pieces, to move, has a move after which the `bare` king can take
    neither of them.
    """
    if are_safe(king, bishop, knight, bare):
        return True
    own = bit(king) | bit(bishop) | bit(knight)
    for mover in range(3):
        if mover == 0:
            targets = KING_ATTACKS[king] & ~(own | bit(bare) | KING_ATTACKS[bare])
        elif mover == 1:
            targets = bishop_attacks(bishop, own | bit(bare)) & ~own
        else:
            targets = KNIGHT_ATTACKS[knight] & ~own
        while targets:
            to = ctz(targets)
            targets &= targets - ONE
            king_then = king
            bishop_then = bishop
            knight_then = knight
            if mover == 0:
                king_then = to
            elif mover == 1:
                bishop_then = to
            else:
                knight_then = to
            if are_safe(king_then, bishop_then, knight_then, bare):
                return True
    return False


@kernel()
def are_safe(king, bishop, knight, bare):
    """Whether the `bare` king can take neither piece: those beside it are guarded."""
    reach, guarded = KING_ATTACKS[bare], KING_ATTACKS[king]
    if reach & bit(knight) and not (
        guarded | bishop_attacks(bishop, bit(king) | bit(knight))
    ) & bit(knight):
        return False
    return not reach & bit(bishop) or (guarded | KNIGHT_ATTACKS[knight]) & bit(bishop) != ZERO


@kernel()
def judge_small_ending(row, value, draw, plies):
    """(value in -1..1, draw probability, plies left) of a position, uint64 [16], for its side to
    move.

    Takes what an evaluator said. Where nothing is known, returns it, but for a value as high as that
    of a known win.
    """
    strong = winner_of_small_ending(row)
    if strong < 0:
        return min(max(value, -KNOWN_WIN), KNOWN_WIN), draw, plies
    progress = progress_of(row, strong)
    won = KNOWN_WIN + (1.0 - KNOWN_WIN) * progress
    return won if row[SIDE] == strong else -won, 1.0 - won, LONGEST_PLIES * (1.0 - progress)


@kernel()
def winner_of_small_ending(row):
    """Return the side that wins a position, uint64 [16], 0 for White and 1 for Black; -1 if this
    module does not know one.
    """
    if not has_few_pieces(row):
        return -1
    for strong in range(2):
        own = row[WHITE + strong] & ~row[KING]
        enemy = row[BLACK - strong] & ~row[KING]
        if wins_against_bare_king(row, strong, own, enemy):
            return strong
    return -1


@kernel()
def wins_against_bare_king(row, strong, own, enemy):
    """Whether one side's pieces `own` win against a bare king, which cannot take one of them now."""
    if enemy != ZERO or own == ZERO:
        return False
    if own & row[PAWN] or own == row[KNIGHT]:
        return False  # The network knows these well enough.
    if own == row[BISHOP] and (own & DARK_SQUARES == ZERO or own & ~DARK_SQUARES == ZERO):
        return False
    if is_bishop_and_knight(row, own) and loses_a_piece(row, strong):
        return False
    touched = ZERO
    if row[SIDE] != strong:
        touched = KING_ATTACKS[king_square(row, 1 - strong)] & own
    while touched:
        if not attackers(row, ctz(touched), row[WHITE] | row[BLACK], strong):
            return False
        touched &= touched - ONE
    return True


@kernel()
def progress_of(row, strong):
    """How far the win of the side `strong` has come, 0..1."""
    winner, loser = king_square(row, strong), king_square(row, 1 - strong)
    file, rank = loser & 7, loser >> 3
    near = (7.0 - king_steps(winner, loser)) / 5.0
    from_edge = min(file, 7 - file) ** 2 + min(rank, 7 - rank) ** 2
    squares_taken = 1.0 - free_squares(row, loser, strong) / 8.0
    near_share = 1.0 - EDGE_SHARE - SQUARES_SHARE
    return EDGE_SHARE * (1.0 - from_edge / 18.0) + SQUARES_SHARE * squares_taken + near_share * near


@kernel()
def free_squares(row, king, strong):
    """Return the number of squares beside a king that the side `strong` does not attack."""
    ring = KING_ATTACKS[king]
    count = 0.0
    occupied = (row[WHITE] | row[BLACK]) & ~bit(king)
    while ring:
        if not attackers(row, ctz(ring), occupied, strong):
            count += 1.0
        ring &= ring - ONE
    return count
