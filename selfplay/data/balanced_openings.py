"""Draws an opening set: balanced early positions of teacher games, as scored by a strong engine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import chess
import numpy as np

from engine.errors import DataError
from selfplay.data.teacher import read_boards

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
        for game in read_boards(path, LATEST_PLY):
            for board, labels in game:
                if _is_balanced(board, labels):
                    found.setdefault(board.epd(), (board, labels[0][1]))
                    break
    if len(found) < count:
        raise DataError(f"only {len(found)} balanced positions found, expected {count}")
    names = sorted(found)
    chosen = np.random.default_rng(seed).permutation(len(names))[:count]
    return [found[names[i]] for i in sorted(chosen)]


def _is_balanced(board: chess.Board, labels: list[tuple[str, int]]) -> bool:
    if not labels or abs(labels[0][1]) > MOST_CP:
        return False
    return len(board.piece_map()) >= FEWEST_PIECES and not board.is_check()
