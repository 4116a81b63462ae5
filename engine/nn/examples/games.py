"""Recorded chess games for the examples: a table with a column ``uci`` of moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.errors import DataError
from engine.nn.examples.common import open_text


def read_games(path: Path, shortest: int = 20) -> Iterator[list[str]]:
    """The moves of every game of at least ``shortest`` plies, in UCI notation.

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
