"""Game collections in two compact text formats: engine games with evaluations, human games with results only.

Both give one-hot policy targets on the move played. Engine games are JSON lines with `uci`, `ev`, `result`,
and `fen` if a game does not begin with the start position. `ev[i]` is in centipawns from White's side before move i
(mate +-(32000 - n), null if unknown). Human games are tab-separated, with a header naming columns `result` and `uci`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import chess
import numpy as np

from engine.board.convert import row_from_board
from engine.board.fen import parse_fen
from engine.board.layout import SIDE
from engine.errors import DataError, FenError
from selfplay.data.text_files import Bookmark, SkipLog, numbered_lines
from selfplay.records.collect import GameRecord
from selfplay.records.targets import WHITE_POINTS, blend_wdl, wdl_from_result, wdl_from_score
from selfplay.records.uci_text import MOVE_OF_TEXT


def read_engine_games(path: Path, bookmark: Bookmark | None = None) -> Iterator[GameRecord]:
    """Games of an engine collection after the bookmark. Positions without an evaluation are not usable.

    Skips games without any evaluation, and games from unplayable positions (logged). Raises DataError naming file and
    line for a malformed line.
    """
    start, skipped = row_from_board(chess.Board()), SkipLog(path)
    for number, line in numbered_lines(path, bookmark):
        try:
            game = json.loads(line)
            evaluated = np.array([score is not None for score in game["ev"]], np.bool_)
            if evaluated.any():
                own = row_from_board(parse_fen(game["fen"], chess960=True)) if "fen" in game else start
                yield _engine_game(own, game, evaluated)
        except FenError as error:
            skipped.note(number, str(error))
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise DataError(f"{path}:{number}: not an engine game: {error!r}") from error
    skipped.close()


def _engine_game(start: np.ndarray, game: dict, evaluated: np.ndarray) -> GameRecord:
    moves = [MOVE_OF_TEXT[text] for text in game["uci"].split()]
    if len(moves) != len(evaluated):
        raise ValueError(f"{len(moves)} moves and {len(evaluated)} evaluations")
    record = record_of_result(start, moves, WHITE_POINTS[game["result"]])
    white_cp = np.array([score or 0 for score in game["ev"]], np.float32)
    if not np.isfinite(white_cp).all():
        raise ValueError("an evaluation that is not finite")
    black_to_move = (np.arange(len(moves)) + int(start[SIDE])) % 2 == 1
    mover_cp = np.where(black_to_move, -white_cp, white_cp)
    wdl = blend_wdl(wdl_from_score(mover_cp), record.wdl)
    return GameRecord(start, record.moves, record.target_counts, record.moves, record.target_probs, wdl, evaluated)


def read_human_games(path: Path, bookmark: Bookmark | None = None) -> Iterator[GameRecord]:
    """Games of a human collection after the bookmark. Raises DataError naming file and line for a malformed line."""
    start, header = row_from_board(chess.Board()), next(numbered_lines(path), (1, ""))[1].split("\t")
    if not {"result", "uci"} <= set(header):
        raise DataError(f"{path}:1: expected tab-separated columns with `result` and `uci`, found {header[:20]}")
    result_column, uci_column = header.index("result"), header.index("uci")
    bookmark = bookmark or Bookmark()
    bookmark.lines = max(1, bookmark.lines)
    for number, line in numbered_lines(path, bookmark):
        try:
            cells = line.split("\t")
            moves = [MOVE_OF_TEXT[text] for text in cells[uci_column].split()]
            points = WHITE_POINTS[cells[result_column]]
        except (KeyError, IndexError) as error:
            raise DataError(f"{path}:{number}: not a game line: {error!r}") from error
        if moves:
            yield record_of_result(start, moves, points)


def record_of_result(start: np.ndarray, moves: list[int] | np.ndarray, white_points: int) -> GameRecord:
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


def white_points_of(game: GameRecord) -> int:
    """White's points in a game that `record_of_result` made: 1, 0 or -1."""
    return round(float(game.wdl[0, 0] - game.wdl[0, 2])) * (-1 if game.start[SIDE] else 1)
