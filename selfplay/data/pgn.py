"""PGN collections of any size, one game in memory at a time (policy: the move played; value: the result)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import chess
import chess.pgn

from engine.board.convert import encode_move, row_from_board
from engine.errors import FenError
from selfplay.data.collect import GameRecord
from selfplay.data.game_files import record_of_result
from selfplay.data.targets import WHITE_POINTS

__all__ = ["read_pgn"]


def read_pgn(path: Path) -> Iterator[GameRecord]:
    """The main lines of all decided or drawn games of standard chess or Chess960.

    Games without a result, without moves or of another variant are left out; a game ends before an unreadable move.
    """
    with open(path, encoding="utf-8", errors="replace") as stream:
        while (game := chess.pgn.read_game(stream, Visitor=_MainLine)) is not None:
            if game.record is not None:
                yield game.record


class _MainLine(chess.pgn.BaseVisitor["_MainLine"]):
    """Collects encoded moves; the tree that python-chess would build costs most of its reading time."""

    def __init__(self) -> None:
        self.outcome = "*"
        self.start: chess.Board | None = None
        self.moves: list[int] = []
        self.ended = False  # by a null move: analysis, no game goes on like that
        self.record: GameRecord | None = None

    def visit_header(self, tagname: str, tagvalue: str) -> None:
        if tagname == "Result":
            self.outcome = tagvalue

    def begin_variation(self) -> chess.pgn.SkipType:
        return chess.pgn.SKIP

    def visit_board(self, board: chess.Board) -> None:
        if self.start is None:
            self.start = board.copy(stack=False)

    def visit_move(self, board: chess.Board, move: chess.Move) -> None:
        self.ended |= not move
        if not self.ended:
            self.moves.append(encode_move(board, move))

    def handle_error(self, error: Exception) -> None:
        """Keep what was readable; python-chess has no use for a result here and stops at the error."""

    def result(self) -> _MainLine:
        points = WHITE_POINTS.get(self.outcome)
        start = self.start
        if (
            points is not None
            and self.moves
            and start is not None
            and start.uci_variant == "chess"
            and start.is_valid()
        ):
            with contextlib.suppress(FenError):  # unplayable, as with more queens than pawns could have become
                self.record = record_of_result(row_from_board(start), self.moves, points)
        return self
