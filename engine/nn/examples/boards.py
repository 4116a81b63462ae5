"""Just enough chess to read recorded games and turn them into pictures of boards: pieces move as the game says, and
nothing is checked.

The learning library knows no chess, and the games are known to be legal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.errors import DataError
from engine.nn.examples.common import open_text

PIECES = "PNBRQK"  # numbers 1 to 6 for the side to move, 7 to 12 for the other; 0 is an empty square
PAWN, ROOK, KING, OTHER = 1, 4, 6, 6  # OTHER: how much higher the other side's numbers are
BACK_RANK = [ROOK, 2, 3, 5, KING, 3, 2, ROOK]
MOVE_PLANES = 64  # queen moves: 8 directions of up to 7 squares; then 8 knight moves
DIRECTIONS = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]  # (files, ranks)
LEAPS = [(1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2)]


class Position(NamedTuple):
    """A board uint8 [64] (a1 = 0) from the mover's side, and the move played there, seen the same way."""

    board: np.ndarray
    move: int  # plane * 64 + square it starts from


def read_games(path: Path, shortest: int = 20) -> Iterator[list[str]]:
    """The moves of every game of at least `shortest` plies, in UCI notation.

    The file has tab-separated columns under a line of names, one of them "uci"; it may be packed (.xz). Raises
    DataError for another form.
    """
    with open_text(path) as lines:
        names = next(lines, "").rstrip("\n").split("\t")
        if "uci" not in names:
            raise DataError(f"{path}: expected a column 'uci' of moves, found {names[:8]}")
        column = names.index("uci")
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if len(fields) != len(names):
                raise DataError(f"{path}: expected {len(names)} columns, found {len(fields)} in {line[:60]!r}")
            moves = fields[column].split()
            if len(moves) >= shortest:
                yield moves


def start_board() -> np.ndarray:
    """The initial position, White to move."""
    board = np.zeros(64, np.uint8)
    board[:8], board[8:16] = BACK_RANK, PAWN
    board[48:56], board[56:] = PAWN + OTHER, np.array(BACK_RANK) + OTHER
    return board


def replay(moves: Sequence[str]) -> Iterator[Position]:
    """Every position of a game given in UCI notation, from the initial position on."""
    board = start_board()
    for ply, text in enumerate(moves):
        start, target = square(text[:2]), square(text[2:4])
        if ply % 2:
            start, target = start ^ 56, target ^ 56  # Black looks from the other side
        yield Position(board.copy(), move_plane(start, target) * 64 + start)
        _play(board, start, target, text[4:])
        board = turned(board)


def square(text: str) -> int:
    """ "a1" -> 0, "h8" -> 63."""
    return "abcdefgh".index(text[0]) + 8 * (int(text[1]) - 1)


def move_plane(start: int, target: int) -> int:
    """Direction and distance of a move as a number below 64; a promotion counts as the pawn's move."""
    files, ranks = target % 8 - start % 8, target // 8 - start // 8
    if (files, ranks) in LEAPS:
        return 56 + LEAPS.index((files, ranks))
    distance = max(abs(files), abs(ranks))
    return 7 * DIRECTIONS.index((files // distance, ranks // distance)) + distance - 1


def turned(board: np.ndarray) -> np.ndarray:
    """The board from the other side: ranks upside down, own and other pieces exchanged."""
    flipped = board.reshape(8, 8)[::-1].reshape(64)
    return np.where(flipped == 0, 0, np.where(flipped > OTHER, flipped - OTHER, flipped + OTHER)).astype(np.uint8)


def planes(boards: np.ndarray) -> np.ndarray:
    """Boards uint8 [B, 64] -> float32 [B, 12, 8, 8], one plane of zeros and ones per kind of piece."""
    kinds = np.arange(1, 2 * OTHER + 1, dtype=np.uint8)
    channels_last = boards[:, :, None] == kinds  # (B, 64, 12)
    return channels_last.astype(np.float32).reshape(-1, 8, 8, 2 * OTHER).transpose(0, 3, 1, 2)


def _play(board: np.ndarray, start: int, target: int, promotion: str) -> None:
    """Move a piece of the side that looks at the board."""
    piece = board[start]
    if piece == PAWN and start % 8 != target % 8 and board[target] == 0:
        board[target - 8] = 0  # en passant
    if piece == KING and abs(target - start) == 2:
        corner = target + 1 if target > start else target - 2
        board[(start + target) // 2], board[corner] = ROOK, 0
    board[target] = PIECES.index(promotion.upper()) + 1 if promotion else piece
    board[start] = 0
