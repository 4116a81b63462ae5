"""Samples positions of teacher games to begin games with: balanced openings, and endings to play out.

Openings are as the teacher scored them. Endings are judged again by a strong engine:

won     the side to move is better by WON_CP[0] to WON_CP[1] and has to win
held    the side to move holds a draw by one move, no capture; its second choice loses by WON_CP[0] or more
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import chess
import numpy as np

from engine.board.fen import parse_fen
from engine.errors import DataError
from selfplay.data.teacher import read_boards

LATEST_PLY = 8  # plies from the start of a teacher game, which is already an opening position
MOST_CP = 30  # the most that the best move may be worth, for either side
FEWEST_PIECES = 28

KINDS = ("won", "held")
WON_CP = (220, 700)  # Set by hand: where a game that is not won was a mistake, and winning it takes play.
DRAWN_CP = 30  # The most that a draw may be worth, for either side.
PIECES = range(4, 17)
Labels = Sequence[tuple[str, int]]  # (move, centipawns from the side to move), best first


def sample_openings(files: Iterable[Path], count: int, seed: int) -> list[tuple[chess.Board, int]]:
    """Sample distinct balanced positions, at most one per game: (board, score in centipawns from the side to move).

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


def is_ending(board: chess.Board, labels: Labels, kind: str) -> bool:
    """Whether a position with these labels is an ending of a kind in KINDS."""
    if board.is_check() or chess.popcount(board.occupied) not in PIECES or not labels:
        return False
    move, best = labels[0]
    if kind == "won":
        return WON_CP[0] <= best <= WON_CP[1]
    loses = len(labels) > 1 and labels[1][1] <= -WON_CP[0]
    return abs(best) <= DRAWN_CP and loses and not board.is_capture(chess.Move.from_uci(move))


def sample_endings(
    files: Iterable[Path], kind: str, count: int, seed: int, judge: Callable[[str], Labels]
) -> Iterator[tuple[chess.Board, int]]:
    """Yield distinct endings as (board, score in centipawns from the side to move), at most one from a game.

    `judge` labels a FEN, best moves first; it decides, the labels of the files only propose. Every number of pieces
    gets its turn as long as it has proposals. Raises DataError at the end when fewer than `count` are found.
    """
    rng = np.random.default_rng(seed)
    proposals: dict[int, list[chess.Board]] = {pieces: [] for pieces in PIECES}
    for path in files:
        for game in read_boards(path):
            if boards := [board for board, labels in game if is_ending(board, labels, kind)]:
                board = parse_fen(f"{boards[rng.integers(len(boards))].epd()} 0 1")  # the clock starts anew
                proposals[chess.popcount(board.occupied)].append(board)
    for boards in proposals.values():
        rng.shuffle(boards)
    seen: set[str] = set()
    while any(proposals.values()) and len(seen) < count:
        for boards in filter(None, proposals.values()):
            found = _next_of(boards, kind, judge, seen)
            if found is not None and len(seen) < count:
                seen.add(found[0].epd())
                yield found
    if len(seen) < count:
        raise DataError(f"only {len(seen)} {kind} endings found, expected {count}")


def _next_of(
    boards: list[chess.Board], kind: str, judge: Callable[[str], Labels], seen: set[str]
) -> tuple[chess.Board, int] | None:
    """Return the next proposal, which is taken off, that the judge confirms."""
    while boards:
        board = boards.pop()
        labels = judge(board.fen())
        if board.epd() not in seen and is_ending(board, labels, kind):
            return board, labels[0][1]
    return None
