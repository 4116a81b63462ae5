"""Opening books in Polyglot's format: moves and weights by position, read through python-chess."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import chess
import chess.polyglot
import numpy as np

from engine.errors import DataError

ENTRY_BYTES = 16  # key, move, weight, learn: big-endian u64, u16, u16, u32


class PolyglotBook:
    """A Polyglot book (.bin), its entries sorted by position.

    Raises DataError for a file that is missing or is no such book.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            size = Path(path).stat().st_size
            if size == 0 or size % ENTRY_BYTES:
                raise DataError(f"{path}: expected a Polyglot book, entries of 16 bytes, found {size} bytes")
            keys = np.memmap(path, ">u8", "r", shape=(size // ENTRY_BYTES, 2))[:, 0]
            if (keys[1:] < keys[:-1]).any():
                raise DataError(f"{path}: expected a Polyglot book, found positions that are not in ascending order")
            self._reader = chess.polyglot.open_reader(path)
        except OSError as error:
            raise DataError(f"{path}: the book cannot be read: {error.strerror}") from error

    def __enter__(self) -> PolyglotBook:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. The book is not used afterwards."""
        self._reader.close()

    def move(self, board: chess.Board, rng: np.random.Generator) -> chess.Move | None:
        """A legal book move, drawn as often as its weight says; None where the book has none.

        Entries of weight 0 are never played.
        """
        entries = list(self._reader.find_all(board))
        if not entries:
            return None
        return entries[_draw([entry.weight for entry in entries], rng)].move


def _draw(weights: Sequence[int], rng: np.random.Generator) -> int:
    """An index, each as likely as its weight."""
    return int(np.searchsorted(np.cumsum(weights), rng.integers(sum(weights)), side="right"))
