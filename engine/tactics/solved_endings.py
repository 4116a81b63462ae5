"""Endings of up to four pieces without pawns, solved in some tenths of a second each: who wins, and
how soon.

A solution grows backwards from the mates, and from the captures that win, until nothing changes.
One word holds the squares of the losing king for which a position is won or lost while all else
stands still, so a step back is a few operations on whole arrays. Distances are those to mate or to
the next capture, as in Syzygy tables, or those to mate, carried through captures. The winner's king
stands on a1 to d4; other positions are mirrored. Axes of an array: rank and file of the winner's
king, 4 each, and the square of each other piece, 64 each. Where two pieces share a square, one has
just captured the other. Thompson, "Retrograde Analysis of Certain Endgames", ICCA Journal 9(3),
1986.

One word, `solve("Q").lost[2, 2, 9]`: of a king on c3 (rank 2, file 2 from 0) and its queen on b2
(square 9), with the loser to move. Bit s says whether a king on square s is lost. The first to be
found are the mates, 0x103, marked with 1; the queen is guarded:

    3 | . . K . . . . .
    2 | 1 Q . . . . . .
    1 | 1 1 . . . . . .
        a b c d e f g h

`escapes` spreads the squares that are not won to their neighbours: from there the king gets away.
What is lost then is all legal squares but those; a step back of the queen or the winner's king makes
the words of won positions, and the next step uses those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import cache, lru_cache, partial, reduce
from itertools import combinations
from typing import NamedTuple

import chess
import numpy as np

from engine.board.attacks import (
    ANTIDIAGONAL_LINE,
    DIAGONAL_LINE,
    FILE_LINE,
    KING_ATTACKS,
    KNIGHT_ATTACKS,
    KNIGHT_JUMPS,
    ONE,
    RANK_LINE,
    ZERO,
    flip_files,
)
from engine.native.pool import ThreadPool
from engine.tactics.small_endings import beside

MOST_SOLVED_PIECES = 4
LONG = 60.0  # Seconds in which every ending is solved, on any machine.
Wait = Callable[[Future["Solution"]], "Solution"]  # Returns the result, or raises TimeoutError.
MOVE_BITS = 6
MOST_MOVES = (1 << MOVE_BITS) - 1  # No such win takes more moves, to mate or to a capture.

_SQUARES = np.arange(64)
_BITS = ONE << _SQUARES.astype(np.uint64)
_STRAIGHT = ((0, 1), (1, 0), (0, -1), (-1, 0))
_DIAGONAL = ((1, 1), (1, -1), (-1, -1), (-1, 1))
# By (file, rank).
_STEPS = {"N": KNIGHT_JUMPS, "B": _DIAGONAL, "R": _STRAIGHT, "Q": _STRAIGHT + _DIAGONAL}
_LINES = FILE_LINE | RANK_LINE
_DIAGONALS = DIAGONAL_LINE | ANTIDIAGONAL_LINE
_REACH = {"K": KING_ATTACKS, "N": KNIGHT_ATTACKS, "B": _DIAGONALS, "R": _LINES}
_REACH["Q"] = _LINES | _DIAGONALS


class Solution(NamedTuple):
    """The decided positions of an ending, as squares of the losing king."""

    won: np.ndarray  # uint64 [4, 4, 64, ...]: with the winner to move.
    lost: np.ndarray  # uint64 [4, 4, 64, ...]: with the loser to move.
    # Bits of the winner's moves to mate or capture in won positions, uint64 [6, 4, 4, 64, ...].
    moves_won: np.ndarray
    moves: np.ndarray  # uint64 [6, 4, 4, 64, ...]: the same in lost positions.

    @property
    def longest(self) -> int:
        """The most moves that a win takes."""
        left = self.lost
        longest = 0
        for power in reversed(range(MOVE_BITS)):
            higher = left & self.moves[power]
            if higher.any():
                left = higher
                longest = longest | 1 << power
        return longest

    def lost_within(self, number: int) -> np.ndarray:
        """Return the lost positions from which the winner needs at most so many moves."""
        fewer = np.zeros_like(self.lost)
        equal = self.lost
        for power in reversed(range(MOVE_BITS)):
            if number >> power & 1:
                fewer = fewer | equal & ~self.moves[power]
                equal = equal & self.moves[power]
            else:
                equal = equal & ~self.moves[power]
        return fewer | equal


# ---- asking --------------------------------------------------------------------------------------


def probe(
    board: chess.Board, wait: Wait = Future.result, to_mate: bool = False
) -> tuple[int, int] | None:
    """(WDL, DTZ) of a position for its side to move, as Syzygy tables have them; (WDL, plies to
    mate) if `to_mate`.

    WDL is 2, 0 or -2 and takes the halfmove clock as 0. DTZ counts the plies to mate or to the next
    capture. None if the ending is not solved here, or if `wait` raises TimeoutError: then another
    thread goes on solving it.
    """
    if chess.popcount(board.occupied) > MOST_SOLVED_PIECES or board.pawns or board.castling_rights:
        return None
    try:
        moves = _moves_to_win(board, not board.turn, wait, to_mate)
        if moves is not None:
            return -2, -2 * moves
        moves = _moves_to_win(board, board.turn, wait, to_mate)
    except TimeoutError:
        return None
    return (0, 0) if moves is None else (2, 2 * moves - 1)


def _moves_to_win(board: chess.Board, winner: chess.Color, wait: Wait, to_mate: bool) -> int | None:
    """Return one side's moves to mate, or to mate or a capture; None if it does not win.

    Raises TimeoutError if the ending is not solved in time.
    """
    pieces = ""
    squares = []
    for side, letters in ((winner, "QRBN"), (not winner, "qrbn")):
        for letter in letters:
            kind = chess.Piece.from_symbol(letter).piece_type
            squares_of_kind = list(chess.scan_forward(board.pieces_mask(kind, side)))
            pieces += letter * len(squares_of_kind)
            squares += squares_of_kind
    king = board.king(winner)
    loser = board.king(not winner)
    if king is None or loser is None or not pieces[:1].isupper():
        return None
    mirror = (7 if king & 4 else 0) ^ (56 if king & 32 else 0)
    king ^= mirror
    loser ^= mirror
    mirrored = [square ^ mirror for square in squares]
    solution = wait(_solution(pieces, to_mate))
    place = (king >> 3, king & 7, *mirrored)
    decided, moves = (
        (solution.won, solution.moves_won)
        if board.turn == winner
        else (solution.lost, solution.moves)
    )
    if not int(decided[place]) >> loser & 1:
        return None
    return sum((int(moves[power, *place]) >> loser & 1) << power for power in range(MOVE_BITS))


def line_to_mate(board: chess.Board, move: chess.Move) -> tuple[chess.Move, ...]:
    """Return the line from a move to mate, where the winner takes the shortest way and the loser
    the longest.

    Empty where there is no mate, and where the solutions that it needs are not there.
    """
    line = [move]
    board = board.copy(stack=False)
    board.push(move)
    while any(board.legal_moves):
        try:
            best = _best_move(board.fen(en_passant="fen"))
        except TimeoutError:
            return ()
        if best is None:
            return ()
        line.append(best)
        board.push(best)
    return tuple(line) if board.is_checkmate() else ()


@lru_cache(
    maxsize=4096
)  # Lines of one position meet soon, and the next position's are parts of them.
def _best_move(fen: str) -> chess.Move | None:
    board = chess.Board(fen)
    best = (0, chess.Move.null())
    for move in board.legal_moves:
        after = board.copy(stack=False)
        after.push(move)
        answer = probe(after, partial(Future.result, timeout=0), to_mate=True)
        if answer is None:
            raise TimeoutError
        result, plies = answer
        # Mates come before escapes, the shortest first; what loses comes last, the longest first.
        worth = plies
        if result == 0:
            worth = 500
        elif result < 0:
            worth += 1000
        if worth > best[0]:
            best = (worth, move)
    return None if best[0] == 500 else best[1]


# ---- solving -------------------------------------------------------------------------------------


# One thread asks, and the other, which starts when it is needed, solves.
_SOLVER = ThreadPool(2, "solve")


@lru_cache(maxsize=8)
def _solution(pieces: str, to_mate: bool) -> Future[Solution]:
    return _SOLVER.start(solve, pieces, to_mate)


def solve(pieces: str, to_mate: bool = False) -> Solution:
    """Solve an ending: the winner's pieces beside its king in upper case, then the loser's in lower
    case ("BN", "Qr").

    Counts the winner's moves to mate or to the next capture, or `to_mate` through captures.
    """
    rules = _Rules(pieces)
    left = []
    last = 0  # After this number nothing comes by captures.
    for pieces_left in rules.after_captures:
        solution = solve(pieces_left)
        left.append((_Rules(pieces_left), solution))
        if to_mate:
            last = max(last, 1 + solution.longest)
    lost = np.zeros(rules.shape, np.uint64)
    won = np.zeros(rules.shape, np.uint64)
    moves = np.zeros((MOVE_BITS, *rules.shape), np.uint64)
    moves_won = np.zeros((MOVE_BITS, *rules.shape), np.uint64)
    fair = rules.legal_to_lose & (rules.attacked | rules.escapes(won))  # Legal, and no stalemate.
    for number in range(MOST_MOVES + 1):
        captures = np.zeros_like(lost)
        if number <= last:
            captures_won, captures = rules.captures(left, number if to_mate else MOST_MOVES)
            _note(moves_won, captures_won & ~won, number)
            won |= captures_won
        new = (fair & ~rules.escapes(won) | captures) & ~lost
        if number > last and not new.any():
            break
        _note(moves, new, number)
        lost |= new
        new_won = rules.legal_to_win & rules.ways_into(new) & ~won
        _note(moves_won, new_won, number + 1)
        won |= new_won
    return Solution(won, lost, moves_won, moves)


def _note(moves: np.ndarray, positions: np.ndarray, number: int) -> None:
    """Write a number of moves into the bits [6, ...] of some positions."""
    for power in range(MOVE_BITS):
        if number >> power & 1:
            moves[power] |= positions


def _axes(count: int) -> list[np.ndarray]:
    """Return the squares of the winner's king [4, 4, 1, ...] and those of each piece, along its
    axis.
    """
    kings = np.add.outer(8 * np.arange(4), np.arange(4)).reshape(4, 4, *[1] * count)
    return [kings, *(_SQUARES.reshape(-1, *[1] * behind) for behind in reversed(range(count)))]


class _Rules:
    """The rules of an ending, for all its positions at a time."""

    def __init__(self, pieces: str) -> None:
        self._pieces = "K" + pieces
        self._own = [place for place, piece in enumerate(pieces, 1) if piece.isupper()]
        self._others = [place for place, piece in enumerate(pieces, 1) if piece.islower()]
        self.shape = (4, 4, *[64] * len(pieces))
        self._squares = _axes(len(pieces))
        bits = [_BITS[squares] for squares in self._squares]
        apart = self._apart()
        self._onward = [
            ZERO if piece in "Nn" else apart & ~bit
            for piece, bit in zip(self._pieces, bits, strict=True)
        ]
        self.attacked = reduce(np.bitwise_or, map(self._attacks, (0, *self._own)))
        occupied = reduce(np.bitwise_or, bits)
        self.legal_to_win = apart & ~(self.attacked | occupied)
        self.legal_to_lose = apart & ~(self._attacks(0) | occupied) & self._unchecked()
        # Where the losing king may step.
        self._free = ~reduce(np.bitwise_or, [bits[place] for place in self._others], self.attacked)

    def _unchecked(self) -> np.ndarray:
        """Squares of the losing king for which no piece of its side attacks the other king."""
        king = self._squares[0]
        unchecked = np.full(self.shape, ~ZERO)
        for place in self._others:
            blocks = _between()[self._squares[place], king]
            unchecked &= np.where(self._attacks(place) & _BITS[king], blocks, ~ZERO)
        return unchecked

    def _apart(self) -> np.ndarray:
        """All bits where no two pieces share a square, else none."""
        apart = np.full(self.shape, ~ZERO)
        for first, second in combinations(self._squares, 2):
            apart[np.broadcast_to(first == second, self.shape)] = ZERO
        return apart

    def _attacks(self, place: int) -> np.ndarray:
        """Squares that a piece attacks if the losing king is not in its way."""
        here = self._squares[place]
        hidden = [
            _beyond()[here, squares]
            for blocker, squares in enumerate(self._squares)
            if blocker != place
        ]
        return _REACH[self._pieces[place].upper()][here] & ~reduce(np.bitwise_or, hidden)

    @property
    def after_captures(self) -> tuple[str, ...]:
        """The pieces left after a capture that is not a draw: of the loser's piece, or of each of
        the winner's two.
        """
        if self._others:
            return (self._pieces[1:-1],)
        return (self._pieces[2], self._pieces[1]) if len(self._own) == 2 else ()

    def captures(
        self, left: Sequence[tuple[_Rules, Solution]], number: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions after a capture that are won in at most so many moves, and those
        that are lost.

        `left`: the endings of `after_captures`.
        """
        won = np.zeros(self.shape, np.uint64)
        lost = np.zeros(self.shape, np.uint64)
        if self._others:
            ranks, files = np.indices((4, 4))
            lost_after = left[0][1].lost_within(number)
            lost[:, :, _SQUARES, _SQUARES] = lost_after
            lost[ranks, files, :, 8 * ranks + files] = lost_after
        elif number:
            for place, (rules, solution) in enumerate(left, 1):
                won_after = rules.legal_to_win & rules.ways_into(solution.lost_within(number - 1))
                won |= _BITS[self._squares[place]] & np.expand_dims(won_after, 1 + place)
        return won, lost

    def escapes(self, won: np.ndarray) -> np.ndarray:
        """Squares of the losing king from which its side has a legal move to a position that is not
        won.
        """
        escapes = beside(self._free & ~won)
        for place in self._others:
            reached = self.legal_to_win & ~won
            reached[:, :, _SQUARES, _SQUARES] = ~ZERO
            escapes |= self._back(place, reached)
        return escapes

    def ways_into(self, lost: np.ndarray) -> np.ndarray:
        """Squares of the losing king for which a move of the winner leads to a lost position."""
        return reduce(
            np.bitwise_or, [self._back(place, lost) for place in self._own], _king_back(lost)
        )

    def _back(self, place: int, reached: np.ndarray) -> np.ndarray:
        """Return the positions from which a move of one piece leads to those reached."""
        reached = np.moveaxis(reached, place + 1, 0)
        onward = self._onward[place]
        onward = np.moveaxis(np.broadcast_to(onward, self.shape), place + 1, 0)
        sources = np.zeros_like(reached)
        for file, rank in _STEPS[self._pieces[place].upper()]:
            way = np.zeros_like(reached)
            for squares in _by_room(file, rank):
                beyond = squares + file + 8 * rank
                way[squares] = reached[beyond] | way[beyond] & onward[beyond]
            sources |= way
        return np.moveaxis(sources, 0, place + 1)


# ---- the board -----------------------------------------------------------------------------------


@cache
def _between() -> np.ndarray:
    """Squares strictly between two squares on a line, uint64 [64, 64]."""
    return np.array(
        [[chess.between(first, second) for second in range(64)] for first in range(64)], np.uint64
    )


@cache
def _beyond() -> np.ndarray:
    """Squares that a piece on the first square does not see because of one on the second, uint64
    [64, 64].
    """
    # [first, second, third].
    seen = _between()[:, None, :] >> _SQUARES.astype(np.uint64)[:, None] & ONE
    return (seen * _BITS).sum(2, dtype=np.uint64)


@cache
def _by_room(file: int, rank: int) -> list[np.ndarray]:
    """Return the squares from which a piece can go once by (file, rank), those from which it can
    twice, and so on.
    """
    room = np.full(64, 7)
    for at, step in ((_SQUARES & 7, file), (_SQUARES >> 3, rank)):
        if step:
            room = np.minimum(room, (7 - at if step > 0 else at) // abs(step))
    return [np.flatnonzero(room == times) for times in range(1, 8)]


def _king_back(reached: np.ndarray) -> np.ndarray:
    """Return the positions from which a move of the winner's king leads to those reached."""
    wide = np.zeros((6, 6, *reached.shape[2:]), np.uint64)  # A square more on each side.
    wide[1:5, 1:5] = reached
    wide[5:] = _mirrored(wide[4:5], 56)
    wide[:, 5:] = _mirrored(wide[:, 4:5], 7)
    steps = [(rank, file) for rank in range(3) for file in range(3) if (rank, file) != (1, 1)]
    return reduce(np.bitwise_or, [wide[rank : rank + 4, file : file + 4] for rank, file in steps])


def _mirrored(boards: np.ndarray, mirror: int) -> np.ndarray:
    """Boards with files (7) or ranks (56) turned round, but for the place of the winner's king."""
    for axis in range(2, boards.ndim):
        boards = boards.take(_SQUARES ^ mirror, axis)
    if mirror == 56:
        return boards.byteswap()
    return flip_files.py_func(boards)
