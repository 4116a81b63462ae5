"""A match on disk: `games.jsonl` is what counts and what a resumed match reads, `games.pgn` is made beside it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import chess
import chess.pgn

from engine.errors import RunError
from engine.nn.atomic import atomic_write

__all__ = ["GameRow", "MatchArchive"]


@dataclass(frozen=True)
class GameRow:
    """One finished game. Games 2k and 2k + 1 share an opening; in the odd one the first engine has Black."""

    number: int
    white: str
    black: str
    start_fen: str
    uci: str  # moves, separated by spaces
    result: str
    reason: str
    offender: str  # name of the engine at fault, empty where play decided
    detail: str
    slowest_ms: tuple[float, float]  # longest think of White, of Black

    @property
    def first_points(self) -> float:
        """Points of the first engine: 1, 1/2 or 0."""
        white = {"1-0": 1.0, "0-1": 0.0, "1/2-1/2": 0.5}[self.result]
        return white if self.number % 2 == 0 else 1.0 - white


class MatchArchive:
    """The folder of a match; a match with other contestants or settings is refused.

    Raises RunError when the folder belongs to another match or a complete line of its games cannot be read.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        described = folder / "match.json"
        text = json.dumps(settings, indent=2)
        if described.is_file() and described.read_text(encoding="utf-8") != text:
            raise RunError(f"{folder} holds another match (see {described.name}): use a new folder")
        with atomic_write(described) as stream:
            stream.write(text.encode())
        self._games = folder / "games.jsonl"
        self.rows = self._read_rows()
        with atomic_write(self._games) as stream:
            stream.writelines((json.dumps(asdict(row)) + "\n").encode() for row in self.rows.values())
        with atomic_write(folder / "games.pgn") as stream:
            stream.writelines(self._pgn(row, settings).encode() for row in self.rows.values())
        self._settings = settings

    def add(self, row: GameRow) -> None:
        """Append a finished game; it is on disk when this returns."""
        self.rows[row.number] = row
        _append(self._games, json.dumps(asdict(row)) + "\n")
        _append(self.folder / "games.pgn", self._pgn(row, self._settings))

    def _read_rows(self) -> dict[int, GameRow]:
        """Stored games; what follows the last line end was cut off by a crash and is dropped."""
        if not self._games.is_file():
            return {}
        lines = self._games.read_text(encoding="utf-8").split("\n")[:-1]
        try:
            rows = [GameRow(**json.loads(line)) for line in lines]
        except (ValueError, TypeError) as error:
            raise RunError(f"{self._games}: damaged: {error}") from error
        return {row.number: row for row in rows}

    @staticmethod
    def _pgn(row: GameRow, settings: dict[str, Any]) -> str:
        board = chess.Board(row.start_fen)
        game = chess.pgn.Game()
        game.setup(board)
        game.headers.update(
            Event="Aino match", Round=f"{row.number // 2 + 1}.{row.number % 2 + 1}", White=row.white, Black=row.black,
            Result=row.result, TimeControl=str(settings["time_control"]), Termination=row.reason,
        )  # fmt: skip
        node: chess.pgn.GameNode = game
        for text in row.uci.split():
            node = node.add_variation(chess.Move.from_uci(text))
        return f"{game}\n\n"


def _append(path: Path, text: str) -> None:
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
