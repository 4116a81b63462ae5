"""A UCI conversation: commands in, one `bestmove` for each `go` out.

The thread that reads handles the commands; each search runs on a thread of its own, so that `stop` and `isready` are
answered at once. The engine is imported when it is first needed, after `uci` has been answered from the option table.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import AinoError, ConfigError
from engine.options import EngineOptions, find_option, set_option, uci_lines
from uci import __version__, protocol
from uci.writer import Writer

if TYPE_CHECKING:
    import chess

    from engine.player import Engine
    from uci.position import PositionKeeper
    from uci.search_task import SearchTask

__all__ = ["Session"]

PROGRESS_INTERVAL_S = 2.0  # between signs of life while kernels compile
QUIT_TIMEOUT_S = 2.0  # a search that does not end by then is left to die with the process

_REFUSALS = (AinoError, MemoryError, OSError)  # how the engine says no to options


def make_engine(options: EngineOptions) -> Engine:
    """The real engine, loaded and compiled, ready to search."""
    from engine import Engine

    engine = Engine(options)
    engine.warm_up()
    return engine


class Session:
    """State of one conversation. Nothing here writes but through `writer`."""

    def __init__(
        self,
        writer: Writer,
        options: EngineOptions | None = None,
        engine_factory: Callable[[EngineOptions], Engine] = make_engine,
    ) -> None:
        self.writer = writer
        self.options = options or EngineOptions()
        self._engine_factory = engine_factory
        self._engine: Engine | None = None
        self._position_keeper: PositionKeeper | None = None
        self._task: SearchTask | None = None
        self._commands: dict[str, Callable[[str], None]] = {
            "uci": self._uci,
            "isready": self._isready,
            "setoption": self._setoption,
            "ucinewgame": self._ucinewgame,
            "position": self._position,
            "go": self._go,
            "stop": self._stop,
            "ponderhit": self._ponderhit,
            "d": self._display,
            "eval": self._eval,
            "debug": lambda text: None,  # nothing to add to what is always said
            "register": lambda text: None,  # Aino is free
        }

    def run(self, lines: Iterable[str]) -> int:
        """Handles lines until `quit`, the end of input, or a reader that went away. Returns the exit status."""
        self._open_log()
        try:
            for line in lines:
                if not self.handle(line) or self.writer.closed:
                    break
        except KeyboardInterrupt:
            pass  # Ctrl-C in a terminal is quit
        finally:
            self._close()
        return 0

    def handle(self, line: str) -> bool:
        """Handles one line; False for `quit`. Bad input keeps the state and is answered by `info string`."""
        self.writer.received(line.strip())
        word, rest = protocol.split_command(line)
        if word == "quit":
            return False
        if word:
            try:
                self._commands[word](rest)
            except AinoError as error:
                self.writer.info(str(error))
            except Exception as error:  # noqa: BLE001 - a bug in one command must not end the game
                traceback.print_exc(file=sys.stderr)
                self.writer.info(f"{word} failed: {type(error).__name__}: {error}")
        elif line.strip():
            self.writer.info(f"unknown command: {line.strip()[:200]}")
        return True

    # ---- commands ---------------------------------------------------------------------------------------------------

    def _uci(self, text: str) -> None:
        self.writer.line(f"id name Aino {__version__}", "id author the Aino authors", *uci_lines(), "uciok")

    def _isready(self, text: str) -> None:
        try:
            if not self._searching():
                self._ready_engine()
        finally:  # whatever is wrong was told; a GUI that waits for ever helps nobody
            self.writer.line("readyok")

    def _setoption(self, text: str) -> None:
        name, value = protocol.parse_setoption(text)
        option = find_option(name)
        if option is None:
            self.writer.info(f"unknown option: {name}")
        elif option.type == "button":
            self._ucinewgame("")
        elif value is None:
            raise ConfigError(f"setoption: no value for {option.name}, expected {option.range_text}")
        else:
            self.options = set_option(self.options, name, value)
            if option.field == "log_file":
                self._open_log()

    def _open_log(self) -> None:
        try:
            self.writer.log_to(self.options.log_file)
        except OSError as error:
            self.options = replace(self.options, log_file="")
            self.writer.info(f"cannot write the log file: {error}")

    def _ucinewgame(self, text: str) -> None:
        self._finish_search()
        if self._engine is not None:
            self._engine.new_game()

    def _position(self, text: str) -> None:
        self._keeper().set(protocol.parse_position(text), self.options.chess960)

    def _go(self, text: str) -> None:
        from uci.search_task import SearchTask, any_move, make_limits

        command = protocol.parse_go(text)
        self._finish_search()
        board = self._board()
        if command.perft is not None:
            self._perft(board, command.perft)
            return
        limits = make_limits(command, board)
        for problem in command.problems:
            self.writer.info(problem)
        try:
            engine = self._ready_engine()
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the GUI is owed a move
            self.writer.line(*any_move(board, limits, error))
            return
        self._task = SearchTask(
            engine, board, limits, command.searchmoves is not None, self.options.show_wdl, self.writer
        )
        self._task.start()

    def _stop(self, text: str) -> None:
        if self._task is not None and self._task.searching:
            self._task.stop()

    def _ponderhit(self, text: str) -> None:
        if self._task is not None and self._task.searching:
            self._task.ponderhit()

    # ---- debugging commands -----------------------------------------------------------------------------------------

    def _perft(self, board: chess.Board, depth: int) -> None:
        from engine.board.perft import divide

        counts = divide(board, depth) if depth else {}
        total = sum(counts.values()) if depth else 1
        self.writer.line(*(f"{move}: {count}" for move, count in counts.items()), "", f"Nodes searched: {total}")

    def _display(self, text: str) -> None:
        board = self._board()
        self.writer.line(*str(board).splitlines(), f"Fen: {board.fen()}")

    def _eval(self, text: str) -> None:
        if self._searching():
            self.writer.info("eval: not during a search")
            return
        from uci.static_eval import describe_evaluation

        self.writer.line(*describe_evaluation(self._ready_engine(), self._board()))

    # ---- engine and search ------------------------------------------------------------------------------------------

    def _keeper(self) -> PositionKeeper:
        if self._position_keeper is None:
            from uci.position import PositionKeeper

            self._position_keeper = PositionKeeper()
        return self._position_keeper

    def _board(self) -> chess.Board:
        board = self._keeper().board.copy()
        board.chess960 = self.options.chess960
        return board

    def _searching(self) -> bool:
        return self._task is not None and self._task.searching

    def _finish_search(self) -> None:
        if self._task is not None:
            self._task.stop()
            self._task.join()

    def _ready_engine(self) -> Engine:
        """The engine with the present options, loaded if need be; only called while nothing is searching."""
        if self._engine is None:
            with self._signs_of_life():
                self._engine = self._load_engine()
        elif self._engine.options != self.options:
            with self._signs_of_life():
                self._change_options(self._engine)
        return self._engine

    def _load_engine(self) -> Engine:
        try:
            return self._engine_factory(self.options)
        except _REFUSALS as error:
            self.writer.info(f"{error}; playing with default memory and without a net")
        self.options = replace(self.options, evaluator="material", hash_mib=EngineOptions().hash_mib)
        return self._engine_factory(self.options)

    def _change_options(self, engine: Engine) -> None:
        """Gives the engine all new options; if it refuses, all but the net; if that fails too, the old ones again."""
        old, new = engine.options, self.options
        for options in (new, replace(new, evaluator=old.evaluator, weights_file=old.weights_file), old):
            try:
                engine.set_options(options)
            except _REFUSALS as error:
                self.writer.info(f"{error}; keeping what was set before")
            else:
                self.options = options
                return

    @contextlib.contextmanager
    def _signs_of_life(self) -> Iterator[None]:
        done = threading.Event()

        def tick() -> None:
            seconds = 0.0
            while not done.wait(PROGRESS_INTERVAL_S):
                seconds += PROGRESS_INTERVAL_S
                self.writer.info(f"compiling kernels, once after an installation or update: {seconds:.0f} s")

        ticker = threading.Thread(target=tick, name="signs-of-life", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            done.set()
            ticker.join()

    def _close(self) -> None:
        if self._task is not None:
            self._task.stop()
            self._task.join(QUIT_TIMEOUT_S)
        if self._engine is not None and not self._searching():
            self._engine.close()
