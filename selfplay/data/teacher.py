"""Teacher labels: whole games with several scored moves for every position.

A line is `FEN|result|ply;ply;...`, a ply `played:move=score,move=score,...`. Scores are centipawns from the side to
move, mate +-(32000 - n). Some played moves are not scored, because the games were steered for variety. A ply with only
the played move is a position without label. If the result is `*`, only the scores give the value, and the game's length
is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import chess
import numpy as np

from engine.board.convert import row_from_board
from engine.board.fen import parse_fen
from engine.errors import DataError
from selfplay.data.text_files import Bookmark, numbered_lines
from selfplay.records.collect import GameRecord
from selfplay.records.positions import offsets
from selfplay.records.targets import (
    MATE_SCORE_CP,
    WHITE_POINTS,
    blend_wdl,
    policy_from_scores,
    wdl_from_result,
    wdl_from_score,
)
from selfplay.records.uci_text import MOVE_OF_TEXT

LabelledBoard = tuple[chess.Board, list[tuple[str, int]]]  # labels are (move, centipawns of the side to move)
UNKNOWN_RESULT = "*"  # result of an abandoned game, or of one never played


def read_teacher(path: Path, bookmark: Bookmark | None = None) -> Iterator[GameRecord]:
    """Games of one label file after the bookmark, in order. Raises DataError naming the line of a malformed one."""
    for number, line in numbered_lines(path, bookmark):
        try:
            yield parse_teacher_line(line)
        except (KeyError, ValueError, OverflowError) as error:
            raise DataError(f"{path}:{number}: not a teacher label line: {error!r}") from error


def read_boards(path: Path, plies: int | None = None) -> Iterator[list[LabelledBoard]]:
    """`labelled_boards` of each game of a label file. Raises DataError naming file and line of a malformed line."""
    for number, line in numbered_lines(path):
        try:
            yield labelled_boards(line, plies)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not a teacher label line: {error!r}") from error


def labelled_boards(line: str, plies: int | None = None) -> list[LabelledBoard]:
    """Parse the first `plies` positions of a game, each with its labels, best first. Raises ValueError otherwise."""
    fen, _, body = line.split("|")
    board, found = parse_fen(fen), []
    for ply in body.split(";")[:plies]:
        move, _, texts = ply.partition(":")
        pairs = (text.split("=") for text in texts.split(",") if text)
        labels = sorted(((label, int(score)) for label, score in pairs), key=lambda one: -one[1])
        found.append((board.copy(stack=False), labels))
        board.push_uci(move)
    return found


def parse_teacher_line(line: str) -> GameRecord:
    """Parse one line. Raises ValueError or KeyError if it is malformed; legality is checked later."""
    fen, result, body = line.split("|")
    played, counts, moves, scores = [], [], [], []
    for ply in body.split(";"):
        move_text, colon, labels = ply.partition(":")
        played.append(MOVE_OF_TEXT[move_text])
        scored = labels.split(",") if colon else []
        counts.append(len(scored))
        for label in scored:
            text, _, score = label.partition("=")
            moves.append(MOVE_OF_TEXT[text])
            scores.append(int(score))
    board = parse_fen(fen, chess960=True)
    target_counts, scores_cp = np.array(counts), np.array(scores, np.float32)
    labelled = target_counts > 0
    first = offsets(target_counts[labelled])
    black_to_move = (np.arange(len(played)) + (not board.turn)) % 2 == 1
    return GameRecord(
        start=row_from_board(board),
        moves=np.array(played, np.uint16),
        target_counts=target_counts,
        target_moves=np.array(moves, np.uint16),
        target_probs=policy_from_scores(scores_cp, first),
        wdl=_values(scores_cp, first, labelled, result, black_to_move),
        usable=labelled,
        target_scores=np.clip(scores_cp, -MATE_SCORE_CP, MATE_SCORE_CP).astype(np.int16),
        ended=result != UNKNOWN_RESULT,
    )


def _values(
    scores_cp: np.ndarray, first: np.ndarray, labelled: np.ndarray, result: str, black_to_move: np.ndarray
) -> np.ndarray:
    """Value targets float32[n, 3]; zeros without label and result."""
    wdl = np.zeros((len(labelled), 3), np.float32)
    if result != UNKNOWN_RESULT:
        wdl = wdl_from_result(WHITE_POINTS[result], black_to_move)
    if labelled.any():
        scored = wdl_from_score(np.maximum.reduceat(scores_cp, first[:-1]))
        wdl[labelled] = scored if result == UNKNOWN_RESULT else blend_wdl(scored, wdl[labelled])
    return wdl
