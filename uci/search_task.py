"""One `go`: a search on its own thread that says exactly one `bestmove`, when UCI allows it."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

import chess

from engine.errors import MoveError
from engine.search.control import SearchControl
from engine.search.limits import Limits
from engine.search.results import SearchInfo, SearchResult
from uci.position import read_move
from uci.protocol import GoCommand, format_info
from uci.writer import Writer

if TYPE_CHECKING:
    from engine.player import Engine

__all__ = ["SearchTask", "any_move", "make_limits"]


def make_limits(command: GoCommand, board: chess.Board) -> Limits:
    """The engine's limits for a `go`; illegal `searchmoves` are left out and added to the command's problems."""
    numbers = dict(command.numbers)
    own, other = ("white_time_ms", "black_time_ms") if board.turn == chess.WHITE else ("black_time_ms", "white_time_ms")
    if own not in numbers and other in numbers:
        numbers[own] = numbers[other]  # a clock for one side only means some time control
    moves = []
    for text in command.searchmoves or ():
        try:
            if text != "0000":
                moves.append(read_move(board, text))
        except MoveError as error:
            command.problems.append(f"go: {error}")
    return Limits(infinite=command.infinite, ponder=command.ponder, searchmoves=tuple(moves), **numbers)


def any_move(board: chess.Board, limits: Limits, error: Exception) -> list[str]:
    """The lines for a `go` that failed: what went wrong (traceback on stderr), and some allowed move."""
    traceback.print_exception(error, file=sys.stderr)
    move = next(iter(limits.searchmoves or board.legal_moves), None)
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return [f"info string search failed: {message}", f"bestmove {board.uci(move) if move else '(none)'}"]


class SearchTask(threading.Thread):
    """Searches `board` and reports. `stop`, `ponderhit` and `join` are for the reading thread.

    `searching` ends with the moment at which the best move is said: the GUI may go on then, though the thread has not
    quite ended. `restricted` tells that `searchmoves` was given: if none of those is legal, there is nothing to search.
    """

    def __init__(
        self, engine: Engine, board: chess.Board, limits: Limits, restricted: bool, show_wdl: bool, writer: Writer
    ) -> None:
        super().__init__(name="search", daemon=True)
        self._engine = engine
        self._board = board
        self._limits = limits
        self._nothing_to_search = not any(board.legal_moves) or (restricted and not limits.searchmoves)
        self.searching = True
        self._show_wdl = show_wdl
        self._writer = writer
        self._control = SearchControl()
        self._said: Sequence[SearchInfo] = ()
        self._may_answer = threading.Event()
        if not (limits.infinite or limits.ponder):
            self._may_answer.set()

    def stop(self) -> None:
        """Ends the search; its best move is said at once."""
        self._may_answer.set()
        self._control.stop()

    def ponderhit(self) -> None:
        """The opponent has played the expected move: from now on the clock counts."""
        if not self._limits.infinite:
            self._may_answer.set()
        self._control.ponderhit()

    def run(self) -> None:
        lines = self._final_lines()
        self._may_answer.wait()
        self.searching = False
        self._writer.line(*lines)

    def _final_lines(self) -> list[str]:
        if self._nothing_to_search:
            score = "mate 0" if self._board.is_checkmate() else "cp 0"
            return [f"info depth 0 score {score}", "bestmove (none)"]
        try:
            self._engine.set_position(self._board)
            result = self._engine.search(self._limits, self._say, self._control)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the GUI is owed a move
            return any_move(self._board, self._limits, error)
        return self._result_lines(result)

    def _result_lines(self, result: SearchResult) -> list[str]:
        lines = [] if list(result.infos) == list(self._said) else self._info_lines(result.infos)
        best = result.best_move
        answer = f"bestmove {self._board.uci(best) if best else '(none)'}"
        if best and result.ponder_move:
            after = self._board.copy(stack=False)
            after.push(best)
            answer += f" ponder {after.uci(result.ponder_move)}"
        return [*lines, answer]

    def _say(self, infos: Sequence[SearchInfo]) -> None:
        self._said = infos
        self._writer.line(*self._info_lines(infos))

    def _info_lines(self, infos: Sequence[SearchInfo]) -> list[str]:
        return [format_info(info, self._board, self._show_wdl) for info in infos]
