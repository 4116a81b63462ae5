"""What a `go` is answered: lines on the way, and exactly one `bestmove`, when UCI allows it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import chess

from engine.errors import AinoError, MoveError, StillCompilingError
from engine.options import EngineOptions
from engine.search.job import SearchJob
from engine.search.limits import Limits
from engine.search.result import RootMove, SearchInfo, SearchResult
from uci.protocol.fallback_move import fallback_answer
from uci.protocol.position import read_move
from uci.protocol.words import (
    NO_MOVE,
    NOTHING_SEARCHED,
    GoCommand,
    Writer,
    format_current_move,
    format_info,
    format_moves,
)

if TYPE_CHECKING:
    from engine.player import Engine
    from engine.search.tree.root import RootPosition

_CURRENT_MOVE_FROM_MS = 1000  # shorter searches need no `currmove`


def make_limits(command: GoCommand, board: chess.Board) -> Limits:
    """Return the engine's limits for a `go`. Moves illegal `searchmoves` to the command's
    problems.
    """
    moves = []
    for text in dict.fromkeys(command.searchmoves or ()):
        try:
            if text != "0000":
                moves.append(read_move(board, text))
        except MoveError as error:
            command.problems.append(f"go: {error}")
    return Limits(
        infinite=command.infinite,
        ponder=command.ponder,
        searchmoves=tuple(moves),
        **command.numbers,
    )


@dataclass
class Answer:
    """Searches `board` and reports.

    A search that fails answers the best move that it has found. Where it has found none, or where
    the `engine` is the error that there is none, the answer is `fallback_move`.

    `restricted` means that `searchmoves` was given: if none of those moves is legal, there is
    nothing to search.
    """

    engine: Engine | Exception
    board: chess.Board
    limits: Limits
    restricted: bool
    options: EngineOptions
    writer: Writer
    _said: Sequence[SearchInfo] = ()
    _said_move: chess.Move | None = None  # in the last `currmove`

    def find(self, job: SearchJob[Any]) -> list[str]:
        """Return the last lines, held back until they may be sent."""
        lines = self._final_lines(job)
        job.hold(self.limits)
        return lines

    def _final_lines(self, job: SearchJob[Any]) -> list[str]:
        if not any(self.board.legal_moves) or (self.restricted and not self.limits.searchmoves):
            score = "mate 0" if self.board.is_checkmate() else "cp 0"
            return [f"info depth 0 score {score}", NO_MOVE]
        try:
            return self._result_lines(self._search(job))
        except StillCompilingError as error:
            self.writer.info(str(error))
        except Exception as error:  # noqa: BLE001 - after any error the GUI must still get an answer
            self.writer.info(f"search failed: {type(error).__name__}: {error}")
            # As it is where somebody else's evaluator is at fault.
            if not isinstance(error, AinoError):
                traceback.print_exception(error, file=sys.stderr)
        if self._said:
            return [f"bestmove {self.board.uci(self._said[0].pv[0])}"]
        return [NOTHING_SEARCHED, fallback_answer(self.board, self.limits.searchmoves)]

    def _search(self, job: SearchJob[Any]) -> SearchResult:
        if isinstance(self.engine, Exception):
            raise self.engine
        self.engine.set_position(self.board)
        result = self.engine.search(self.limits, self._say, job)
        for problem in self.engine.take_problems():
            self.writer.info(problem)
        return result

    def _result_lines(self, result: SearchResult) -> list[str]:
        lines = list[str]()
        if list(result.infos) != list(self._said):
            lines = self._info_lines(result.infos)
        if not result.infos:
            lines = [NOTHING_SEARCHED, "info string move from the opening book"]
        if self.options.verbose_move_stats:
            lines += move_stats(result, self.board)
        line = [move for move in (result.best_move, result.ponder_move) if move]
        return [*lines, "bestmove " + " ponder ".join(format_moves(line, self.board) or ["(none)"])]

    def _say(self, infos: Sequence[SearchInfo]) -> None:
        self._said = infos
        self.writer.line(*self._current_move(infos), *self._info_lines(infos))

    def _current_move(self, infos: Sequence[SearchInfo]) -> list[str]:
        """Return the line that names the move searched most, once a search takes a while and when
        the move changes.
        """
        info = infos[0]
        if info.current_move in (None, self._said_move) or info.time_ms < _CURRENT_MOVE_FROM_MS:
            return []
        self._said_move = info.current_move
        return [format_current_move(info, self.board)]

    def _info_lines(self, infos: Sequence[SearchInfo]) -> list[str]:
        return [format_info(info, self.board, self.options.show_wdl) for info in infos]


def move_stats(result: SearchResult, board: chess.Board) -> list[str]:
    """Return the lines of Lc0's `VerboseMoveStats`, which GUIs such as Nibbler read, least visited
    move first, as Lc0.

    info string e2e4  (322 ) N:      56 (+ 0) (P: 56.40%) (WL:  0.03279) (D: 0.052) (M:  0.0) (Q:  0.03279) (U: 0.98418)
                (S:  1.01791) (V:  0.0337)

    The fields stand on one line: move, its index among the 1858 policy moves, visits (and visits in
    flight: 0 after the search), prior, win minus loss, draw, moves left, value, exploration bonus,
    the score by which the search compares moves (value, bonus and what moves left count for), and
    the evaluator's own value. `(T)` marks a proven result. A move without visits shows first-play
    urgency as its Q. The last line, `node`, describes the root position: its visits are one more
    than those of all moves, because they include its own evaluation, and so do its values. All
    values are from the side to move. Empty when nothing was searched.
    """
    ranked = sorted(result.children, key=lambda child: (child.visits, child.s))
    if result.root is None or not ranked:
        return []
    return [_move_line(child, board) for child in ranked] + [_node_line(result.root, ranked)]


def _move_line(child: RootMove, board: chess.Board) -> str:
    head = _head(board.uci(child.move), f"{child.policy_index:<4}", child.visits, child.prior)
    values, seen = "(WL:  -.-----) (D: -.---) (M:  -.-)", "(V:  -.----)"
    if child.visits:
        values = _values(child.q, child.draw, child.moves_left)
        seen = f"(V: {child.v:7.4f})"
    line = f"{head} {values} (Q: {child.q:8.5f}) (U: {child.u:6.5f}) (S: {child.s:8.5f}) {seen}"
    if child.mate is not None:
        line += " (T)"
    return line


def _node_line(root: RootPosition, children: Sequence[RootMove]) -> str:
    visited_prior = sum(child.prior for child in children if child.visits)
    head = _head("node", f"{len(children):4}", root.visits, visited_prior)
    return f"{head} {_values(root.q, root.draw, root.moves_left)} (Q: {root.q:8.5f}) (V: {root.v:7.4f})"


def _head(name: str, number: str, visits: int, prior: float) -> str:
    decimals = 1 if prior >= 0.99995 else 2
    return f"info string {name:<5} ({number}) N: {visits:7} (+ 0) (P: {100 * prior:5.{decimals}f}%)"


def _values(win_minus_loss: float, draw: float, moves_left: float) -> str:
    return f"(WL: {win_minus_loss:8.5f}) (D: {draw:5.3f}) (M: {moves_left:4.1f})"
