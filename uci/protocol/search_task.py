"""Tasks run on their own threads, so that the reading thread stays free for `stop`, `isready` and `quit`.

One `go` is a search that sends exactly one `bestmove`, when UCI allows it.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import chess

from engine.errors import EvaluatorError, MoveError, ShapeError, StillCompilingError
from engine.options import EngineOptions
from engine.search.limits import Limits, SearchControl
from engine.search.result import SearchInfo, SearchResult
from uci.protocol.move_stats import move_stats
from uci.protocol.position import read_move
from uci.protocol.words import GoCommand, format_current_move, format_info
from uci.protocol.writer import Writer, info_string

if TYPE_CHECKING:
    from engine.player import Engine

_CURRENT_MOVE_FROM_MS = 1000  # shorter searches need no `currmove`


def make_limits(command: GoCommand, board: chess.Board) -> Limits:
    """The engine's limits for a `go`. Leaves out illegal `searchmoves` and adds them to the command's problems."""
    moves = []
    for text in command.searchmoves or ():
        try:
            if text != "0000":
                moves.append(read_move(board, text))
        except MoveError as error:
            command.problems.append(f"go: {error}")
    return Limits(infinite=command.infinite, ponder=command.ponder, searchmoves=tuple(moves), **command.numbers)


def any_move(board: chess.Board, limits: Limits, error: Exception, best: chess.Move | None = None) -> list[str]:
    """The lines for a `go` that failed: the error, and an allowed move, the ``best`` one if any was found before.

    Prints the traceback on stderr, unless somebody else's evaluator is at fault, whose name the error tells.
    """
    if not isinstance(error, (EvaluatorError, ShapeError)):
        traceback.print_exception(error, file=sys.stderr)
    return _first_move(board, limits, f"search failed: {type(error).__name__}: {error}", best)


def _first_move(board: chess.Board, limits: Limits, message: str, best: chess.Move | None = None) -> list[str]:
    move = best or _plain_move(board.copy(stack=False), list(limits.searchmoves or board.legal_moves))
    return [info_string(message), f"bestmove {board.uci(move) if move else '(none)'}"]


def _plain_move(board: chess.Board, moves: list[chess.Move]) -> chess.Move | None:
    """A move for when nothing can be searched: a mate, or else the first that allows none, or else the first."""
    harmless = None
    for move in moves:
        board.push(move)
        if board.is_checkmate():
            return move
        if harmless is None and not any(_mates(board, reply) for reply in list(board.legal_moves)):
            harmless = move
        board.pop()
    return harmless or next(iter(moves), None)


def _mates(board: chess.Board, move: chess.Move) -> bool:
    board.push(move)
    is_mate = board.is_checkmate()
    board.pop()
    return is_mate


class Task(threading.Thread):
    """One piece of work. Only the reading thread calls `stop`, `ponderhit` and `join`.

    `working` becomes false when the last line is sent: the GUI may continue then, although the thread has not quite
    ended.
    """

    def __init__(self, writer: Writer, begun: float | None = None) -> None:
        super().__init__(name=type(self).__name__, daemon=True)
        self.working = True
        self._writer = writer
        self._control = SearchControl(begun)

    def stop(self) -> None:
        """Ends the work at the next opportunity."""
        self._control.stop()

    def ponderhit(self) -> None:
        """Does nothing here; a search overrides it."""


class LinesTask(Task):
    """Writes a debugging command's lines one by one until they end or `stop` arrives."""

    def __init__(self, writer: Writer, command: str, work: Callable[[SearchControl], Iterable[str]]) -> None:
        super().__init__(writer)
        self._command = command
        self._work = work

    def run(self) -> None:
        try:
            last = self._say_all_but_last()
        except StillCompilingError:  # raised by a stop
            last = info_string(f"{self._command} stopped")
        except Exception as error:  # noqa: BLE001 - a bug in a debugging command must not end the conversation
            traceback.print_exc(file=sys.stderr)
            last = info_string(f"{self._command} failed: {type(error).__name__}: {error}")
        self.working = False
        self._writer.line(last)

    def _say_all_but_last(self) -> str:
        last = ""
        for number, line in enumerate(self._work(self._control)):
            if self._control.stopped:
                return info_string(f"{self._command} stopped")
            if number:
                self._writer.line(last)
            last = line
        return last


class RefusedTask(Task):
    """Answers a `go` without a position, as one without a legal move. `waits`: not before `stop` or `ponderhit`."""

    def __init__(self, writer: Writer, waits: bool) -> None:
        super().__init__(writer)
        self._may_answer = threading.Event()
        if not waits:
            self._may_answer.set()

    def stop(self) -> None:
        """Sends the answer."""
        self._may_answer.set()

    def ponderhit(self) -> None:
        """Sends the answer."""
        self._may_answer.set()

    def run(self) -> None:
        self._may_answer.wait()
        self.working = False
        self._writer.line("bestmove (none)")


class SearchTask(Task):
    """Searches `board` and reports. `result` is set once the search has ended.

    `restricted` means that `searchmoves` was given: if none of those moves is legal, there is nothing to search.
    `begun` is when the clock began to run, as in `SearchControl`.
    """

    def __init__(
        self,
        engine: Engine,
        board: chess.Board,
        limits: Limits,
        restricted: bool,
        options: EngineOptions,
        writer: Writer,
        begun: float | None = None,
    ) -> None:
        super().__init__(writer, begun)
        self.board = board
        self.result: SearchResult | None = None
        self._engine = engine
        self._limits = limits
        self._nothing_to_search = not any(board.legal_moves) or (restricted and not limits.searchmoves)
        self._options = options
        self._said: Sequence[SearchInfo] = ()
        self._said_move: chess.Move | None = None  # in the last `currmove`
        self._may_answer = threading.Event()
        if not (limits.infinite or limits.ponder):
            self._may_answer.set()

    def stop(self) -> None:
        """Ends the search, which then sends its best move at once."""
        self._may_answer.set()
        super().stop()

    def ponderhit(self) -> None:
        """The opponent has played the expected move: the clock counts from now on."""
        if not self._limits.infinite:
            self._may_answer.set()
        self._control.ponderhit()

    def run(self) -> None:
        lines = self._final_lines()
        self._may_answer.wait()
        self.working = False
        self._writer.line(*lines)

    def _final_lines(self) -> list[str]:
        if self._nothing_to_search:
            score = "mate 0" if self.board.is_checkmate() else "cp 0"
            return [f"info depth 0 score {score}", "bestmove (none)"]
        try:
            self._engine.set_position(self.board)
            self.result = self._engine.search(self._limits, self._say, self._control)
            for problem in self._engine.take_problems():
                self._writer.info(problem)
        except StillCompilingError as error:
            return _first_move(self.board, self._limits, str(error))
        except Exception as error:  # noqa: BLE001 - after any error the GUI must still get a move
            return any_move(self.board, self._limits, error, self._said[0].pv[0] if self._said else None)
        return self._result_lines(self.result)

    def _result_lines(self, result: SearchResult) -> list[str]:
        lines = [] if list(result.infos) == list(self._said) else self._info_lines(result.infos)
        if not result.infos:
            lines = ["info string move from the opening book"]
        if self._options.verbose_move_stats:
            lines += move_stats(result, self.board)
        best = result.best_move
        answer = f"bestmove {self.board.uci(best) if best else '(none)'}"
        if best and result.ponder_move:
            after = self.board.copy(stack=False)
            after.push(best)
            answer += f" ponder {after.uci(result.ponder_move)}"
        return [*lines, answer]

    def _say(self, infos: Sequence[SearchInfo]) -> None:
        self._said = infos
        self._writer.line(*self._current_move(infos), *self._info_lines(infos))

    def _current_move(self, infos: Sequence[SearchInfo]) -> list[str]:
        """The line that names the move searched most, once a search takes a while and when it is another move."""
        info = infos[0]
        if info.current_move in (None, self._said_move) or info.time_ms < _CURRENT_MOVE_FROM_MS:
            return []
        self._said_move = info.current_move
        return [format_current_move(info, self.board)]

    def _info_lines(self, infos: Sequence[SearchInfo]) -> list[str]:
        return [format_info(info, self.board, self._options.show_wdl) for info in infos]
