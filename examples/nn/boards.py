"""Recorded games as pictures of boards and numbers of moves, seen by the side to move; python-chess
plays the moves.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import chess
import numpy as np

from engine.errors import DataError
from examples.nn.common import open_text

# numbers 1 to 6 for P N B R Q K of the side to move, 7 to 12 for the other's; 0 is an empty square
KINDS = 12
MOVE_PLANES = 64  # queen moves: 8 directions of up to 7 squares; then 8 knight moves
# (files, ranks)
DIRECTIONS = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
LEAPS = [(1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2)]


class Position(NamedTuple):
    """A board uint8 [64] (a1 = 0) from the mover's side, and the move played there, seen the same
    way.
    """

    board: np.ndarray
    move: int  # plane * 64 + square it starts from


def read_games(path: Path, shortest: int = 20) -> Iterator[list[str]]:
    """Yield the moves of every game of at least `shortest` plies, in UCI notation.

    The file has tab-separated columns under a line of names, one of them "uci"; it may be packed
    (.xz). Raises DataError for another form.
    """
    with open_text(path) as lines:
        names = next(lines, "").rstrip("\n").split("\t")
        if "uci" not in names:
            raise DataError(f"{path}: expected a column 'uci' of moves, found {names[:8]}")
        column = names.index("uci")
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if len(fields) != len(names):
                raise DataError(
                    f"{path}: expected {len(names)} columns, found {len(fields)} in {line[:60]!r}"
                )
            moves = fields[column].split()
            if len(moves) >= shortest:
                yield moves


def replay(moves: Sequence[str]) -> Iterator[Position]:
    """Every position of a game given in UCI notation, from the initial position on."""
    board = chess.Board()
    for text in moves:
        move = chess.Move.from_uci(text)
        flip = 0 if board.turn else 56
        start = move.from_square ^ flip
        yield Position(picture(board), move_plane(start, move.to_square ^ flip) * 64 + start)
        board.push(move)


def picture(board: chess.Board) -> np.ndarray:
    """Return a board as uint8 [64], seen by the side to move: a number for each kind of piece."""
    masks = []
    for side in (board.turn, not board.turn):
        for kind in chess.PIECE_TYPES:
            masks.append(board.pieces_mask(kind, side))
    bits = np.unpackbits(np.array(masks, "<u8").view(np.uint8), bitorder="little")
    ranks = bits.reshape(KINDS, 8, 8)
    if not board.turn:
        ranks = ranks[:, ::-1]
    numbers: np.ndarray = np.arange(1, KINDS + 1, dtype=np.uint8) @ ranks.reshape(KINDS, 64)
    return numbers


def move_plane(start: int, target: int) -> int:
    """Direction and distance of a move as a number below 64; a promotion counts as the pawn's move."""
    files = target % 8 - start % 8
    ranks = target // 8 - start // 8
    if (files, ranks) in LEAPS:
        return 56 + LEAPS.index((files, ranks))
    distance = max(abs(files), abs(ranks))
    return 7 * DIRECTIONS.index((files // distance, ranks // distance)) + distance - 1


def planes(boards: np.ndarray) -> np.ndarray:
    """Boards uint8 [B, 64] -> float32 [B, 12, 8, 8], one plane of zeros and ones per kind of piece."""
    channels_last = boards[:, :, None] == np.arange(1, KINDS + 1, dtype=np.uint8)  # (B, 64, 12)
    return channels_last.astype(np.float32).reshape(-1, 8, 8, KINDS).transpose(0, 3, 1, 2)
