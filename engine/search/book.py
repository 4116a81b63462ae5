"""Moves from an opening book of the Polyglot format."""

import random
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

import chess
import chess.polyglot
import numpy as np

from engine.board.notation import board_after
from engine.errors import DataError
from engine.files.text import reading

ENTRY_BYTES = 16  # key, move, weight, learn: big-endian u64, u16, u16, u32


class PolyglotBook:
    """A Polyglot book (.bin), its entries sorted by position.

    Raises DataError for a file that is missing or is no such book.
    """

    def __init__(self, path: str | Path) -> None:
        with reading(Path(path)):
            size = Path(path).stat().st_size
            if size == 0 or size % ENTRY_BYTES:
                raise DataError(
                    f"{path}: expected a Polyglot book, entries of 16 bytes, found {size} bytes"
                )
            keys = np.memmap(path, ">u8", "r", shape=(size // ENTRY_BYTES, 2))[:, 0]
            if (keys[1:] < keys[:-1]).any():
                raise DataError(
                    f"{path}: expected a Polyglot book, found positions that are not in ascending order"
                )
            self._reader = chess.polyglot.open_reader(path)

    def close(self) -> None:
        """Close the file. The book is not used afterwards."""
        self._reader.close()

    def move(
        self, board: chess.Board, rng: np.random.Generator, among: Container[chess.Move] = ()
    ) -> chess.Move | None:
        """Return a legal book move, drawn as often as its weight says; None where the book has
        none.

        `among`: the moves that it may be; empty = all.

        Entries of weight 0 are never played. A book knows positions, not games: a move is no book
        move either if it repeats a position of the game, or ends the game in a draw, or lets the
        opponent mate at once.
        """
        weights = dict[chess.Move, int]()
        for entry in self._reader.find_all(chess.polyglot.zobrist_hash(board)):
            # No legal move; castling is written in either way.
            with suppress(ValueError, IndexError):
                move = board.parse_uci(entry.move.uci())
                weights[move] = weights.get(move, 0) + entry.weight
        moves = [
            move
            for move in weights
            if move and (not among or move in among) and _is_harmless(board, move)
        ]
        draw = random.Random(int(rng.integers(2**32)))
        return draw.choices(moves, [weights[move] for move in moves])[0] if moves else None


def _is_harmless(board: chess.Board, move: chess.Move) -> bool:
    after = board_after(board, move)
    if after.is_checkmate():
        return True
    draws = (
        after.is_repetition(2)
        or after.is_stalemate()
        or after.is_insufficient_material()
        or after.is_fifty_moves()
    )
    checks = filter(after.gives_check, after.legal_moves)
    return not draws and not any(board_after(after, reply).is_checkmate() for reply in checks)
