"""Draws an opening set: balanced early positions of teacher games, as scored by a strong engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import chess
import numpy as np

from engine.board.fen import parse_fen
from engine.errors import DataError
from selfplay.data.text_files import numbered_lines

LATEST_PLY = 8  # plies from the start of a teacher game, which is already an opening position
MOST_CP = 30  # the most that the best move may be worth, for either side
FEWEST_PIECES = 28


def draw_openings(files: Iterable[Path], count: int, seed: int) -> list[tuple[chess.Board, int]]:
    """Draw distinct balanced positions, at most one per game: (board, score in centipawns from the side to move).

    Takes from each teacher game the first position, within LATEST_PLY plies of its start, that is not in check, has at
    least FEWEST_PIECES pieces and a best move within +-MOST_CP. Raises DataError when there are too few.
    """
    found: dict[str, tuple[chess.Board, int]] = {}
    for path in files:
        for board, score_cp in _balanced_positions(path):
            found.setdefault(board.epd(), (board, score_cp))
    if len(found) < count:
        raise DataError(f"only {len(found)} balanced positions found, expected {count}")
    names = sorted(found)
    chosen = np.random.default_rng(seed).permutation(len(names))[:count]
    return [found[names[i]] for i in sorted(chosen)]


def _balanced_positions(path: Path) -> Iterator[tuple[chess.Board, int]]:
    for number, line in numbered_lines(path, "ascii"):
        try:
            fen, _, body = line.split("|")
            board = parse_fen(fen)
            for ply in body.split(";", LATEST_PLY)[:LATEST_PLY]:
                move, _, labels = ply.partition(":")
                scores = [int(label.partition("=")[2]) for label in labels.split(",") if label]
                score_cp = max(scores, default=MOST_CP + 1)  # without scores the position is unlabelled
                if abs(score_cp) <= MOST_CP and len(board.piece_map()) >= FEWEST_PIECES and not board.is_check():
                    yield board, score_cp
                    break
                board.push_uci(move)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not a teacher label line: {error!r}") from error
