"""Game collections in two compact text forms: engine games with evaluations, and human games by result alone.

Both give one-hot policy targets on the move played. Engine games are JSON lines with `uci`, `ev` and `result`, `ev[i]`
in centipawns from White's side before move i (mate +-(32000 - n), null where unknown). Human games are tab-separated
with a header that names the columns `result` and `uci`.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import chess
import numpy as np

from engine.board.convert import row_from_board
from engine.board.layout import SIDE
from engine.errors import DataError
from selfplay.data.collect import GameRecord
from selfplay.data.targets import WHITE_POINTS, blend_wdl, wdl_from_result, wdl_from_score
from selfplay.data.uci_text import MOVE_OF_TEXT

__all__ = ["read_engine_games", "read_human_games", "record_of_result"]


def read_engine_games(path: Path) -> Iterator[GameRecord]:
    """Games of an engine collection; positions without an evaluation are not usable, games without any are left out.

    Raises DataError naming file and line where the form is broken.
    """
    start = row_from_board(chess.Board())
    with _open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                game = json.loads(line)
                evaluated = np.array([score is not None for score in game["ev"]], np.bool_)
                if evaluated.any():
                    yield _engine_game(start, game, evaluated)
            except (KeyError, ValueError, TypeError) as error:
                raise DataError(f"{path}:{number}: not an engine game: {error!r}") from error


def _engine_game(start: np.ndarray, game: dict, evaluated: np.ndarray) -> GameRecord:
    moves = [MOVE_OF_TEXT[text] for text in game["uci"].split()]
    if len(moves) != len(evaluated):
        raise ValueError(f"{len(moves)} moves and {len(evaluated)} evaluations")
    record = record_of_result(start, moves, WHITE_POINTS[game["result"]])
    white_cp = np.array([score or 0 for score in game["ev"]], np.float32)
    mover_cp = np.where(np.arange(len(moves)) % 2 == 1, -white_cp, white_cp)
    wdl = blend_wdl(wdl_from_score(mover_cp), record.wdl)
    return GameRecord(start, record.moves, record.target_counts, record.moves, record.target_probs, wdl, evaluated)


def read_human_games(path: Path) -> Iterator[GameRecord]:
    """Games of a human collection. Raises DataError naming file and line where the form is broken."""
    start = row_from_board(chess.Board())
    with _open_text(path) as lines:
        header = next(lines, "").rstrip("\n").split("\t")
        if not {"result", "uci"} <= set(header):
            raise DataError(f"{path}:1: expected tab-separated columns with `result` and `uci`, found {header}")
        result_column, uci_column = header.index("result"), header.index("uci")
        for number, line in enumerate(lines, start=2):
            try:
                cells = line.rstrip("\n").split("\t")
                moves = [MOVE_OF_TEXT[text] for text in cells[uci_column].split()]
                points = WHITE_POINTS[cells[result_column]]
            except (KeyError, IndexError) as error:
                raise DataError(f"{path}:{number}: not a game line: {error!r}") from error
            if moves:
                yield record_of_result(start, moves, points)


def record_of_result(start: np.ndarray, moves: list[int], white_points: int) -> GameRecord:
    """A game with the moves played as policy targets and the result as value target."""
    played = np.array(moves, np.uint16)
    black_to_move = (np.arange(len(moves)) + int(start[SIDE])) % 2 == 1
    return GameRecord(
        start=start,
        moves=played,
        target_counts=np.ones(len(moves), np.int64),
        target_moves=played,
        target_probs=np.ones(len(moves), np.float32),
        wdl=wdl_from_result(white_points, black_to_move),
        usable=np.ones(len(moves), np.bool_),
    )


def _open_text(path: Path) -> TextIO:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    return open(path, encoding="utf-8")
