"""Lc0's other input formats: rooks that may castle as squares, and boards in canonical order.

2        planes 104 and 105 hold the rooks with the right to castle towards a and towards h
3        plane 108 holds the en passant square; the history ends where the position cannot be repeated; and the board
         is turned so that the mover's king stands on files e to h, without pawns also on ranks 1 to 4 and below the
         diagonal (`canonical_turn`), unless someone may castle
4        as 3, and the fifty-move counter counts in hundreds
5        as 4, but of the history only positions that had occurred before, however long ago

The search writes the planes (`encode_as`); the evaluator turns the board and the moves.
"""

from functools import cache

import chess
import numpy as np

from engine.board.attacks import LEFT_FILES, ONE, ZERO, bit, flip_files
from engine.board.layout import (
    BISHOP,
    CASTLING,
    DOUBLE_PUSH,
    HALFMOVE,
    KING,
    KNIGHT,
    PAWN,
    QUEEN,
    REPETITIONS,
    ROOK,
    SIDE,
    WHITE,
)
from engine.native.bits import byteswap, ctz
from engine.native.jit import kernel
from engine.network import planes
from engine.network.planes import encode, encode_castling, encode_pieces, is_start_position
from engine.network.policy_map import INDEX_TO_UCI

CLASSICAL = 1
CANONICAL = 3
HUNDREDS = 4
_REPEATED = 5
INPUT_FORMATS = (CLASSICAL, 2, CANONICAL, HUNDREDS, _REPEATED)
# Files, ranks, both (a1 to h8): bits of a turn, done in this order.
FLIP = 1
FLIP_RANKS = 2
TRANSPOSE = 4
TURNS = 8

_UPPER_RANKS = np.uint64(0xFFFFFFFF00000000)
_ABOVE, _ON_DIAGONAL = np.uint64(0xE0C08000), np.uint64(0x10204080)  # of e1 to h4, from h1 to e4


def counter_scale(input_format: int) -> float:
    """Return what multiplies the fifty-move counter."""
    return 0.01 if input_format >= HUNDREDS else 1.0


@kernel()
def encode_as(input_format, stack, ply, masks):
    """Write the planes of `stack[ply]` in a format to `masks`, as `planes.encode` does; boards are
    not turned.
    """
    encode(stack, ply, masks)
    if input_format == CLASSICAL:
        return
    current = stack[ply]
    side = np.int64(current[SIDE])
    encode_castling(current, side, masks, True)
    if input_format >= CANONICAL:
        square = _en_passant_square(stack, ply)
        masks[planes.BLACK_TO_MOVE_PLANE] = ZERO
        if square >= 0:
            masks[planes.BLACK_TO_MOVE_PLANE] = bit(56 + (square & 7))
        _encode_repeatable(input_format, stack, ply, masks)


@kernel()
def _en_passant_square(stack, ply):
    """Return the square that a double push has just passed over where a pawn stands beside its
    target, or -1.

    Of the game's first position, whatever its FEN says.
    """
    row = stack[ply]
    if not row[DOUBLE_PUSH]:
        return -1
    square = ctz(row[DOUBLE_PUSH])
    if ply == 0:
        return square
    side = np.int64(row[SIDE])
    target = square - 8 + 16 * side
    beside = ZERO
    if target & 7 > 0:
        beside |= bit(target - 1)
    if target & 7 < 7:
        beside |= bit(target + 1)
    if row[PAWN] & row[WHITE + side] & beside:
        return square
    return -1


@kernel()
def _encode_repeatable(input_format, stack, ply, masks):
    """Write the history back to the last position that cannot be repeated; zero what is left of it."""
    current = stack[ply]
    slot = 0
    back = 0
    side = np.int64(current[SIDE])
    only_repeated = input_format == _REPEATED
    while slot < planes.HISTORY:
        at = max(ply - back, 0)
        row = stack[at]
        if back > ply and (only_repeated or is_start_position(row)):
            break
        if row[CASTLING] != current[CASTLING] or (back and _en_passant_square(stack, at) >= 0):
            break
        if not only_repeated or back == 0 or row[REPETITIONS]:
            encode_pieces(row, side, masks, planes.PLANES_PER_POSITION * slot)
            slot += 1
        if row[HALFMOVE] == ZERO:
            break
        back += 1
    for plane in range(
        planes.PLANES_PER_POSITION * slot, planes.PLANES_PER_POSITION * planes.HISTORY
    ):
        masks[plane] = ZERO


# ---- turning -------------------------------------------------------------------------------------


@kernel()
def transpose(board):
    """Mirror a board at the diagonal from h1 to a8: a1 and h8 change places."""
    result = ZERO
    while board:
        square = ctz(board)
        result |= bit((7 - (square & 7)) * 8 + 7 - (square >> 3))
        board &= board - ONE
    return result


@kernel()
def turned(board, turn):
    """Return a board after a turn."""
    if turn & FLIP:
        board = flip_files(board)
    if turn & FLIP_RANKS:
        board = byteswap(board)
    if turn & TRANSPOSE:
        board = transpose(board)
    return board


@kernel()
def canonical_turn(masks):
    """Return the turn of the current position in planes that `encode_as` wrote in a canonical
    format.
    """
    if masks[planes.CASTLING_PLANE] | masks[planes.CASTLING_PLANE + 1]:
        return 0
    turn = np.int64(0)
    king = masks[KING]
    if king & LEFT_FILES:
        turn |= FLIP
    if masks[PAWN] | masks[6 + PAWN]:
        return turn
    if king & _UPPER_RANKS:
        turn |= FLIP_RANKS
    king = turned(king, turn)
    if king & _ABOVE or (king & _ON_DIAGONAL and _is_larger_untransposed(masks, turn)):
        turn |= TRANSPOSE
    return turn


@kernel()
def _is_larger_untransposed(masks, turn):
    """Whether transposing makes the first board that it changes smaller, of all pieces, ours,
    kings, queens, ...
    """
    ours, theirs = ZERO, ZERO
    for kind in range(6):
        ours |= masks[kind]
        theirs |= masks[6 + kind]
    for number in range(7):
        if number == 0:
            board = ours | theirs
        elif number == 1:
            board = ours
        else:
            kind = (KING, QUEEN, ROOK, KNIGHT, BISHOP)[number - 2]
            board = masks[kind] | masks[6 + kind]
        board = turned(board, turn)
        transposed = transpose(board)
        if board != transposed:
            return board > transposed
    return False


def turned_batch(
    input_format: int, masks: np.ndarray, policy_index: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Planes uint64 [N, 112] and policy indices int16 [N, any] in the order in which a network of a
    format sees them: as they are unless it is canonical.
    """
    if input_format < CANONICAL:
        return masks, policy_index
    result = np.empty_like(masks)
    turns = np.empty(len(masks), np.int64)
    _turn_all(masks, result, turns)
    return result, turned_moves()[turns[:, None], policy_index]


@kernel()
def _turn_all(masks, result, turns):
    for row in range(masks.shape[0]):
        turn = turns[row] = canonical_turn(masks[row])
        for plane in range(masks.shape[1]):
            board = masks[row, plane]
            if turn and plane <= planes.BLACK_TO_MOVE_PLANE:
                board = turned(board, turn)
            result[row, plane] = board


@cache
def turned_moves() -> np.ndarray:
    """int16 [8, 1858]: the policy index of each policy move by the turn of its board. Promotions
    are never mirrored.
    """
    index = {name: number for number, name in enumerate(INDEX_TO_UCI)}
    moves = np.zeros((TURNS, len(INDEX_TO_UCI)), np.int16)
    for turn in range(TURNS):
        for number, name in enumerate(INDEX_TO_UCI):
            squares = [
                turned_square(chess.parse_square(part), turn) for part in (name[:2], name[2:4])
            ]
            moves[turn, number] = index.get(
                "".join(map(chess.square_name, squares)) + name[4:], number
            )
    return moves


def turned_square(square: int, turn: int) -> int:
    """Where a turn puts a square."""
    file, rank = square & 7, square >> 3
    if turn & FLIP:
        file = 7 - file
    if turn & FLIP_RANKS:
        rank = 7 - rank
    if turn & TRANSPOSE:
        file, rank = 7 - rank, 7 - file
    return rank * 8 + file
