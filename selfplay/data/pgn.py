"""PGN collections of any size, one game in memory at a time (policy: the move played; value: the result)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import chess
import chess.pgn

from engine.board.convert import encode_move, row_from_board
from engine.errors import FenError
from selfplay.data.game_files import record_of_result
from selfplay.data.text_files import Bookmark, SkipLog, numbered_lines
from selfplay.records.collect import LONGEST_GAME, GameRecord
from selfplay.records.targets import WHITE_POINTS

TAG_LINE = re.compile(r'\[\w+\s+"')
RESULTS = (*WHITE_POINTS, "*")
WHOLE_COMMENT = re.compile(r"\{[^}]*\}|;.*")
LARGEST_GAME = 1 << 20  # characters; without a limit an unclosed comment would swallow the rest of the file


class PgnReader:
    """`read_pgn` with a lowest Elo, under a distinct name, which becomes part of the cache key."""

    def __init__(self, least_elo: int = 0) -> None:
        self.__name__ = f"read_pgn({least_elo})"
        self._least_elo = least_elo

    def __call__(self, path: Path, bookmark: Bookmark) -> Iterator[GameRecord]:
        return read_pgn(path, self._least_elo, bookmark)


def read_pgn(path: Path, least_elo: int = 0, bookmark: Bookmark | None = None) -> Iterator[GameRecord]:
    """The main lines of all games of standard chess or Chess960 that have a result.

    least_elo: lowest Elo of either player; 0 also takes games without ratings. Begins after the `bookmark`. Skips games
    whose tags and moves tell no result, without moves or of another variant. Also skips unreadable games, and logs
    file, line and reason. The file may be packed (.gz, .bz2, .xz). Raises DataError if it is damaged.
    """
    skipped = SkipLog(path)
    bookmark = bookmark or Bookmark()
    lines = numbered_lines(path, errors="replace", bookmark=bookmark)
    for line, text in game_texts(lines, skipped):
        game = _main_line(text, least_elo)
        if game is not None and game.fault:
            skipped.note(line, game.fault)
        elif game is not None and game.record is not None:
            bookmark.lines = line + text.count("\n")
            yield game.record
    skipped.close()


def game_texts(lines: Iterable[tuple[int, str]], skipped: SkipLog) -> Iterator[tuple[int, str]]:
    """(number of its first line, text) of every game of the numbered lines.

    A game ends where tags follow moves; one without tags also at a blank line and after a result. What looks like a tag
    inside a comment is none, unless a blank line precedes it: then somebody forgot to close the comment.
    """
    game: list[str] = []
    first, length, tagged, in_moves, in_comment, over = 0, 0, False, False, False, False
    for number, line in lines:
        is_blank = not line or line.isspace()
        is_tag = TAG_LINE.match(line) is not None and (over or not in_comment)
        if in_moves and (is_tag or (over and not (tagged or in_comment or is_blank))):
            if length <= LARGEST_GAME:
                yield first, "\n".join(game)
            game, length, tagged, in_moves, in_comment = [], 0, False, False, False
        first = first if length else number
        tagged |= is_tag
        in_moves |= not (is_tag or is_blank)
        in_comment = not is_tag and _ends_in_comment(line, in_comment)
        over = is_blank or (not (tagged or in_comment) and line.rstrip().endswith(RESULTS))
        length += len(line) + 1
        if length <= LARGEST_GAME:
            game.append(line)
        elif game:
            game = []
            skipped.note(first, f"over {LARGEST_GAME:,} characters without the tags of a next game")
    if game:
        yield first, "\n".join(game)


def _ends_in_comment(line: str, in_comment: bool) -> bool:
    """Whether a comment in braces goes on after a line of moves; `in_comment`: whether one goes on before it."""
    if in_comment:
        _, brace, line = line.partition("}")
        in_comment = not brace
    return in_comment or ("{" in line and "{" in WHOLE_COMMENT.sub("", line))


def _main_line(text: str, least_elo: int) -> _MainLine | None:
    """The game of a text; None if there is none."""
    try:
        return chess.pgn.read_game(io.StringIO(text), Visitor=partial(_MainLine, least_elo))
    except ValueError as error:  # for example, a number too long for Python
        broken = _MainLine(least_elo)
        broken.fault = str(error)
        return broken


class _MainLine(chess.pgn.BaseVisitor["_MainLine"]):
    """Collects encoded moves without python-chess's game tree, which costs most of its reading time."""

    def __init__(self, least_elo: int) -> None:
        self.least_elo = least_elo
        self.headers = chess.pgn.Headers({})
        self.start: chess.Board | None = None
        self.moves: list[int] = []
        self.ended = False  # a null move ended the game: it occurs only in analysis
        self.record: GameRecord | None = None
        self.fault = ""

    def visit_header(self, tagname: str, tagvalue: str) -> None:
        self.headers[tagname] = tagvalue

    def end_headers(self) -> chess.pgn.SkipType | None:
        return None if self._is_selected() else chess.pgn.SKIP

    def _is_selected(self) -> bool:
        ratings = [self.headers.get(name, "") for name in ("WhiteElo", "BlackElo")]
        return (self.headers.is_chess960() or _is_standard(self.headers)) and (
            self.least_elo <= 0 or all(re.fullmatch("[0-9]{1,4}", x) and int(x) >= self.least_elo for x in ratings)
        )

    def begin_variation(self) -> chess.pgn.SkipType:
        return chess.pgn.SKIP

    def visit_board(self, board: chess.Board) -> None:
        if self.start is None:
            self.start = board.copy(stack=False)

    def visit_move(self, board: chess.Board, move: chess.Move) -> None:
        self.ended |= not move or len(self.moves) == LONGEST_GAME
        if not self.ended:
            self.moves.append(encode_move(board, move))

    def visit_result(self, result: str) -> None:
        if self.headers.get("Result") not in WHITE_POINTS:
            self.headers["Result"] = result

    def handle_error(self, error: Exception) -> None:
        self.fault = self.fault or str(error)

    def result(self) -> _MainLine:
        points = WHITE_POINTS.get(self.headers.get("Result", ""))
        if self.moves and self.start is not None and points is not None and not self.fault:
            try:
                self.record = record_of_result(row_from_board(self.start), self.moves, points)
            except FenError as error:  # unplayable, as with more queens than pawns could have become
                self.fault = str(error)
        return self


def _is_standard(headers: chess.pgn.Headers) -> bool:
    try:
        return headers.variant() is chess.Board
    except ValueError:  # python-chess does not know this variant
        return False
