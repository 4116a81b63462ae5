"""Main lines of PGN collections of any size as training games (policy: the move played; value: the
result).
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from engine.board.layout import SIDE
from engine.board.pgn.game_reader import GameText
from engine.board.pgn.letters import CODED_RESULTS, told_result
from engine.board.pgn.main_lines import MainLine, main_lines
from engine.files.note_log import NoteLog
from engine.files.text import open_unpacked, reading
from selfplay.data.cache import Bookmark, Reader
from selfplay.records.collect import LONGEST_GAME, GameRecord
from selfplay.records.endings import WITHOUT_MOVES, game_ending, positions_of
from selfplay.records.positions import UNKNOWN_RATING, UNKNOWN_SCORE
from selfplay.records.targets import WHITE_POINTS, wdl_from_result

FAULT = "with a fault"
# White's points by the result in the tags and the one behind the moves; None without both.
_POINTS = {
    (tag, behind): WHITE_POINTS.get(told_result(tag, behind))
    for tag in CODED_RESULTS
    for behind in CODED_RESULTS
}
# Win, draw, loss [3, 2, 3] by White's points + 1 and whether Black is to move.
_WDL = np.stack([wdl_from_result(points, np.array([False, True])) for points in (-1, 0, 1)])
log = logging.getLogger(__name__)


@dataclass
class Tally:
    """The games of a file: how many were read, and how many skipped for which reason."""

    read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        skipped = self.skipped.total()
        text = f"{self.read + skipped:,} games seen, {self.read:,} read, {skipped:,} skipped"
        if not skipped:
            return text
        why = ", ".join(f"{count:,} {reason}" for reason, count in self.skipped.most_common())
        return f"{text} ({why})"


def pgn_reader(least_elo: int = 0) -> Reader:
    """Return `read_pgn` with a lowest Elo, under a distinct name, which becomes part of the cache
    key.
    """
    reader = partial(read_pgn, least_elo=least_elo)
    reader.__name__ = f"read_pgn({least_elo})"  # type: ignore[attr-defined]
    return reader


def read_pgn(
    path: Path, bookmark: Bookmark | None = None, least_elo: int = 0
) -> Iterator[GameRecord]:
    """Yield the main lines of all games of standard chess or Chess960 that have moves and a result.

    least_elo: lowest Elo of either player; 0 also takes games without ratings. Begins after the
    `bookmark`. Skips a game with a fault, and logs file, line, column and word. Logs how many games
    it skipped, and why. The file may be packed (.gz, .bz2, .xz, .zst). Raises DataError if it is
    damaged.
    """
    skipped = NoteLog(path)
    bookmark = bookmark or Bookmark()
    tally = Tally()
    with reading(path), open_unpacked(path) as (stream, share):
        bookmark.share = share
        text = GameText(stream)
        text.skip_to(bookmark.place)
        for game in main_lines(text):
            reason = _reason(game, least_elo)
            if not reason and (points := _white_points(game)) is not None:
                bookmark.place = game.end
                tally.read += 1
                yield record_of_result(game.start, game.moves, points, game.elo)
                continue
            if reason == FAULT:
                skipped.note(f"{path}:{game.fault} (game skipped)")
            if game.is_game:
                tally.skipped[reason or "without a result"] += 1
    skipped.close()
    if tally.skipped:
        log.warning("%s: %s", path, tally)


def _reason(game: MainLine, least_elo: int) -> str:
    """Why a game is skipped; "" if it is not."""
    if least_elo > 0 and min(game.elo) < least_elo:
        return "below the Elo"
    if not game.fault and len(game.moves) > LONGEST_GAME:
        game.fault = f"{game.line}:1: over {LONGEST_GAME:,} plies"
    if not game.fault and len(WHITE_POINTS.keys() & {game.result, game.tag_result}) == 2:
        game.fault = f"{game.line}:1: the result is {game.tag_result} in the tags, and {game.result} behind the moves"
    if game.fault:
        return FAULT
    if not len(game.moves):
        return "without moves"
    return ""


def _white_points(game: MainLine) -> int | None:
    """White's points by the result, or where none is told, by a last position without moves; None
    without both.
    """
    points = _POINTS[game.tag_result, game.result]
    if points is not None:
        return points
    end = game_ending(positions_of(game.start, game.moves)[-1], 0, LONGEST_GAME)
    if end is None or end[0] not in WITHOUT_MOVES:
        return None
    return end[1]


def record_of_result(
    start: np.ndarray,
    moves: list[int] | np.ndarray,
    white_points: int,
    elo: tuple[int, int] = (UNKNOWN_RATING, UNKNOWN_RATING),
) -> GameRecord:
    """Return a game with the moves played as policy targets and the result as value target.

    elo: of White and Black, UNKNOWN_RATING where the game does not tell.
    """
    played = np.array(moves, np.uint16)
    black_to_move = (np.arange(len(moves)) + int(start[SIDE])) % 2 == 1
    return GameRecord(
        start=start,
        moves=played,
        target_counts=np.ones(len(moves), np.int64),
        target_moves=played,
        target_probs=np.ones(len(moves), np.float32),
        target_scores=np.full(len(moves), UNKNOWN_SCORE, np.int16),
        wdl=_WDL[white_points + 1, black_to_move.astype(np.int64)],
        usable=np.ones(len(moves), np.bool_),
        rating=np.maximum(np.where(black_to_move, elo[1], elo[0]), UNKNOWN_RATING),
    )
