"""The loop of a terminal game: show, ask, answer, until the game ends or the player leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import chess
from rich.console import Console

from engine.errors import MoveError
from engine.search.control import SearchControl
from engine.search.limits import Limits
from engine.search.results import SearchResult
from uci.play.board_view import BoardStyle, render_board
from uci.play.move_input import read_human_move

if TYPE_CHECKING:
    from engine.player import Engine

__all__ = ["GameEnd", "TerminalGame"]

HELP = """\
a move      e4, Nf3, exd5, O-O, e8=Q, or from and to: g1f3
hint        what Aino would play
takeback    undo your last move (also: undo)
moves       all legal moves
board       show the board again; 'flip' turns it round
fen         the position as FEN
resign      give the game up
quit        leave; the game is saved (also Ctrl-D, Ctrl-C)"""

_STOP_POLL_S = 0.1  # how often the waiting main thread looks for Ctrl-C


@dataclass(frozen=True)
class GameEnd:
    """How a game ended: PGN result and the reason in words."""

    result: str
    reason: str


class TerminalGame:
    """One game between a person and the engine; `ask` reads a line and raises EOFError at the end of input."""

    def __init__(
        self,
        console: Console,
        engine: Engine,
        board: chess.Board,
        human: chess.Color,
        limits: Limits,
        style: BoardStyle,
        ask: Callable[[str], str] = input,
    ) -> None:
        self.board = board
        self._console = console
        self._engine = engine
        self._human = human
        self._limits = limits
        self._style = style
        self._ask = ask
        self._perspective = human
        self._start_ply = len(board.move_stack)

    def play(self) -> GameEnd:
        """Plays to the end; leaving (quit, EOF, Ctrl-C) gives result "*"."""
        self._say("Moves like e4, Nf3 or g1f3; 'help' lists the rest.")
        self._show()
        try:
            while True:
                end = self._natural_end() or (self._human_turn() if self._is_human_turn() else self._engine_turn())
                if end is not None:
                    return end
        except (EOFError, KeyboardInterrupt):
            self._console.print()
            return GameEnd("*", "unterminated")

    # ---- turns ------------------------------------------------------------------------------------------------------

    def _is_human_turn(self) -> bool:
        return self.board.turn == self._human

    def _human_turn(self) -> GameEnd | None:
        number = f"{self.board.fullmove_number}{'.' if self.board.turn == chess.WHITE else '...'}"
        text = self._ask(f"{number} your move: ").strip()
        if not text:
            return None
        word = text.lower()
        if word == "quit":
            raise EOFError
        if word == "resign":
            return GameEnd("0-1" if self._human == chess.WHITE else "1-0", "you resign")
        command = self._commands().get(word)
        if command is not None:
            command()
            return None
        try:
            move = read_human_move(self.board, text)
        except MoveError as error:
            self._say(str(error))
            return None
        self.board.push(move)
        if self._natural_end():
            self._show()
        return None

    def _engine_turn(self) -> GameEnd | None:
        result = self._search()
        if result.best_move is None:
            raise MoveError(f"the engine found no move in {self.board.fen()}")
        san = self.board.san(result.best_move)
        self.board.push(result.best_move)
        self._show()
        self._say(f"Aino plays {san}{_score_text(result)}")
        return None

    def _search(self) -> SearchResult:
        """Searches on a thread of its own, so that Ctrl-C reaches the waiting one."""
        results: list[SearchResult | Exception] = []
        control = SearchControl()

        def work() -> None:
            try:
                results.append(self._engine.search(self._limits, control=control))
            except Exception as error:  # noqa: BLE001 - carried over to the waiting thread and raised there
                results.append(error)

        self._engine.set_position(self.board)
        thread = threading.Thread(target=work, name="search", daemon=True)
        with self._console.status("Aino is thinking"):
            thread.start()
            try:
                while thread.is_alive():
                    thread.join(_STOP_POLL_S)
            except KeyboardInterrupt:
                control.stop()
                thread.join()
                raise
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    def _natural_end(self) -> GameEnd | None:
        """Mate, stalemate, dead position, third repetition or fifty moves."""
        outcome = self.board.outcome()
        if outcome is not None:
            return GameEnd(outcome.result(), outcome.termination.name.lower().replace("_", " "))
        if self.board.is_repetition(3):
            return GameEnd("1/2-1/2", "threefold repetition")
        if self.board.is_fifty_moves():
            return GameEnd("1/2-1/2", "fifty moves")
        return None

    # ---- commands ---------------------------------------------------------------------------------------------------

    def _commands(self) -> dict[str, Callable[[], None]]:
        return {
            "help": lambda: self._say(HELP),
            "hint": self._hint,
            "takeback": self._takeback,
            "undo": self._takeback,
            "moves": lambda: self._say(" ".join(sorted(self.board.san(move) for move in self.board.legal_moves))),
            "board": self._show,
            "flip": self._flip,
            "fen": lambda: self._say(self.board.fen()),
        }

    def _hint(self) -> None:
        result = self._search()
        if result.best_move is not None:
            self._say(f"Aino would play {self.board.san(result.best_move)}{_score_text(result)}")

    def _takeback(self) -> None:
        """Undoes the engine's last move and the person's move before it."""
        if len(self.board.move_stack) - self._start_ply < 2:
            self._say("there is no move of yours to take back")
            return
        self.board.pop()
        self.board.pop()
        self._show()

    def _flip(self) -> None:
        self._perspective = not self._perspective
        self._show()

    # ---- output -----------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        self._console.print(render_board(self.board, self._perspective, self._style))

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _score_text(result: SearchResult) -> str:
    """The engine's opinion of its move in brackets, from its own side."""
    if not result.infos:
        return ""
    info = result.infos[0]
    if info.score_mate is not None:
        return f" (mate in {info.score_mate})" if info.score_mate > 0 else f" (mated in {-info.score_mate})"
    return f" ({info.score_cp / 100:+.2f})"
