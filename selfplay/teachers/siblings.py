"""Siblings: the positions after all moves of a position, whose order decides what a search plays.

The measure is how well a judge's values go with the labels of quiet siblings, centred within their parent: what all of
them share cancels in a tree. It can be asked of the moves of one sort alone, too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.board.attacks import KING_ATTACKS, ZERO, bit, is_attacked, pawn_attack_set, piece_at
from engine.board.attacks import piece_attacks as officer_attacks
from engine.board.layout import BLACK, KING, MAX_MOVES, PAWN, ROW_WORDS, SIDE, WHITE
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.errors import DataError
from engine.native.jit import kernel
from selfplay.records.calibration import DEPTH_2_SCORES
from selfplay.records.targets import NEAR_BEST
from selfplay.teachers.net_file import StockfishNet
from selfplay.teachers.values import q_of, settled_mask, teacher_cp

LABEL_PLIES = 2
# Sorts of moves, by bit: a move may have several.
SORTS = ("no capture", "attacks anew", "leaves an attack", "king", "pawn")
NO_CAPTURE, ATTACKS_ANEW, LEAVES_AN_ATTACK, KING_MOVE, PAWN_MOVE = (1 << i for i in range(len(SORTS)))


class Siblings(NamedTuple):
    """The positions after all moves of some positions."""

    rows: np.ndarray  # uint64 [S, 16]
    parent: np.ndarray  # int64 [S]
    label: np.ndarray  # float64 [S] Q of the parent's mover, by the teacher at depth 2
    quiet: np.ndarray  # bool [S] calm and close to the best sibling
    sorts: np.ndarray  # int64 [S] of the moves that lead there


class Order(NamedTuple):
    """How a judge orders siblings."""

    correlation: float  # with the labels, centred within the parent
    error: float  # its standard error, by leaving out parents
    bias: float  # mean of judged minus labelled differences to all quiet siblings of the parent, Q of its mover


def siblings_of(net: StockfishNet, parents: np.ndarray, threads: int = 1) -> Siblings:
    """All children of the rows uint64[P, 16] that have a move, labelled by the teacher.

    Raises DataError if there are none.
    """
    found, owner, sorts = children_of(np.ascontiguousarray(parents))
    if not len(found):
        raise DataError("no balanced position with a move among the parents")
    label = -q_of(DEPTH_2_SCORES.wdl(teacher_cp(net, found, LABEL_PLIES, threads)))
    best = np.full(len(parents), -np.inf)
    np.maximum.at(best, owner, label)
    quiet = settled_mask(net, found, threads) & (label > best[owner] - NEAR_BEST)
    return Siblings(found, owner, label, quiet, sorts)


def children_of(parents: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows [S, 16], number of the parent [S], sorts of the move [S]) of all children that have a move."""
    most = len(parents) * MAX_MOVES
    rows, owner, sorts = np.zeros((most, ROW_WORDS), np.uint64), np.zeros(most, np.int64), np.zeros(most, np.int64)
    count = write_children(parents, rows, owner, sorts)
    return rows[:count].copy(), owner[:count], sorts[:count]


@kernel()
def write_children(parents, rows, owner, sorts):
    """Write the children that have a move, and return their number."""
    moves, replies, count = np.zeros(MAX_MOVES, np.uint16), np.zeros(MAX_MOVES, np.uint16), np.int64(0)
    for number in range(len(parents)):
        for i in range(np.int64(generate(parents[number], moves))):
            make(parents[number], moves[i], rows[count])
            if generate(rows[count], replies):
                owner[count], sorts[count] = number, sorts_of(parents[number], moves[i], rows[count])
                count += 1
    return count


@kernel()
def sorts_of(row, move, child):
    """Return the sorts of a move as bits: bit i for SORTS[i].

    A move attacks anew if the piece attacks one on its new square that it did not attack before, or leaves an attack if
    the enemy attacked its old square. Castling is a move of the king.
    """
    side = np.int64(row[SIDE])
    origin, target = np.int64(move) & 63, np.int64(move) >> 6 & 63
    kind, theirs = piece_at(row, origin), row[BLACK - side]
    castles = bit(target) & row[WHITE + side] != ZERO
    sorts = np.int64(0)
    if row[BLACK - side] == child[BLACK - side]:
        sorts |= NO_CAPTURE
    if kind == KING:
        sorts |= KING_MOVE
    elif kind == PAWN:
        sorts |= PAWN_MOVE
    if is_attacked(row, origin, row[WHITE] | row[BLACK], 1 - side):
        sorts |= LEAVES_AN_ATTACK
    if not castles and attacks_of(child, target, side) & child[BLACK - side] & ~attacks_of(row, origin, side) & theirs:
        sorts |= ATTACKS_ANEW
    return sorts


@kernel()
def attacks_of(row, square, side):
    """Squares that the piece of a side on a square attacks."""
    kind = piece_at(row, square)
    if kind == PAWN:
        return pawn_attack_set(bit(square), side)
    if kind == KING:
        return KING_ATTACKS[square]
    return officer_attacks(kind, square, row[WHITE] | row[BLACK])


def order(judged: np.ndarray, siblings: Siblings, sort: int | None = None) -> Order:
    """How Q float64[S] of the parents' movers orders the quiet siblings, all or those of SORTS[sort] alone."""
    quiet = siblings.quiet
    a, b, owner = judged[quiet], siblings.label[quiet], siblings.parent[quiet]
    bias = _centred(a, owner) - _centred(b, owner)
    of_sort = np.ones(len(a), np.bool_) if sort is None else siblings.sorts[quiet] >> sort & 1 > 0
    if not of_sort.any():
        return Order(0.0, 0.0, 0.0)
    correlation, error = _centred_correlation(a[of_sort], b[of_sort], owner[of_sort])
    return Order(correlation, error, float(bias[of_sort].mean()))


def _centred(a: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Values less their owner's mean."""
    counts = np.maximum(np.bincount(owner), 1)
    return a - (np.bincount(owner, a) / counts)[owner]


def _centred_correlation(a: np.ndarray, b: np.ndarray, owner: np.ndarray) -> tuple[float, float]:
    """(correlation within owners, its standard error by leaving out one owner at a time)."""
    a, b = _centred(a, owner), _centred(b, owner)
    products = np.stack([np.bincount(owner, x) for x in (a * b, a * a, b * b)])
    total = products.sum(axis=1, keepdims=True)
    left = _correlation(total - products[:, np.bincount(owner) > 0])
    error = np.sqrt((len(left) - 1) * np.mean((left - left.mean()) ** 2))
    return float(_correlation(total)[0]), float(error)


def _correlation(products: np.ndarray) -> np.ndarray:
    """Correlation from sums of ab, aa and bb [3, n]; 0 if a or b never varies."""
    scale = np.sqrt(np.maximum(products[1] * products[2], 0.0))
    return np.divide(products[0], scale, out=np.zeros_like(scale), where=scale > 1e-12)
