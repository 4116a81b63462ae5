"""A UCI conversation: commands in, one `bestmove` for each `go` out.

The reading thread handles the commands. Once the engine is loaded, all work that may take long runs
on a thread of its own, so that `stop` and `isready` get an answer at once. The engine is imported
when it is first needed; before that, the option table answers `uci`.
"""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.cli.option_forms import uci_lines
from engine.errors import AinoError, ConfigError, did_you_mean
from engine.options import OPTIONS, EngineOptions, Value, find_option, set_option
from uci import __version__
from uci.loading.loader import DemandRefused, EngineFactory, change_engine, load_engine, make_engine
from uci.protocol import words
from uci.protocol.words import Writer

if TYPE_CHECKING:
    import chess

    from engine.player import Engine
    from engine.search.job import SearchJob
    from uci.protocol.position import PositionKeeper

PROGRESS_INTERVAL_S = 2.0  # time between progress messages while the engine loads
QUIT_TIMEOUT_S = 2.0  # a search still running after this time ends with the process


class Session:
    """State of one conversation. All output goes through `writer`.

    `demanded` maps fields of EngineOptions to the values named on the command line. The
    conversation ends when the engine cannot take one of them.
    """

    def __init__(
        self,
        writer: Writer,
        options: EngineOptions | None = None,
        engine_factory: EngineFactory = make_engine,
        demanded: Mapping[str, Value] = MappingProxyType({}),
    ) -> None:
        self.writer = writer
        self.options = options or EngineOptions()
        # Why the engine cannot take the command line's options; a refusal ends the conversation.
        self.refusal = ""
        self._engine: Engine | None = None  # until one is needed
        self._factory, self._demanded = engine_factory, demanded
        self._position_keeper: PositionKeeper | None = None
        self._job: SearchJob[list[str]] | None = None
        self._forgets = False  # Whether the engine forgets its tree before it searches again.
        # Seconds that the last `position` took; a GUI's clock runs from when it sent that.
        self._position_s = 0.0
        self._commands: dict[str, Callable[[str], None]] = {
            "uci": self._uci,
            "isready": self._isready,
            "setoption": self._setoption,
            "ucinewgame": self._ucinewgame,
            "position": self._position,
            "go": self._go,
            "stop": lambda text: self.stop(),
            "ponderhit": self._ponderhit,
            "debug": lambda text: None,  # Aino tells everything anyhow
            "register": lambda text: None,  # Aino is free and needs no registration
            "d": self._display,
            "eval": self._eval,
            "help": self._help,
        }

    def run(self, lines: Iterable[str]) -> int:
        """Handle lines until `quit`, the end of input, a closed stdout, or a `refusal`.

        Returns the exit status.
        """
        self._open_log()
        try:
            for line in lines:
                if not self.handle(line) or self.writer.closed:
                    break
        except KeyboardInterrupt:
            pass  # Ctrl-C in a terminal is quit
        finally:
            self._close()
        return int(bool(self.refusal))

    def handle(self, line: str) -> bool:
        """Handle one line. Return False for `quit` and a `refusal`.

        Bad input leaves the state unchanged and gets an `info string` as its answer.
        """
        text = words.line_text(line)
        self.writer.received(text.strip())
        commands = ["quit", *self._commands]
        word, rest = words.split_command(text, commands)
        if word == "quit":
            return False
        if word == "setoption":  # of which a value may be the name of a file
            _, rest = words.split_command(line, commands)
        if word:
            try:
                self._commands[word](rest)
            except DemandRefused as error:
                self.refusal = str(error)
                self.writer.info(self.refusal)
                return False
            except Exception as error:  # noqa: BLE001 - a bug in one command must not end the game
                if isinstance(error, AinoError):
                    self.writer.info(str(error))
                else:
                    traceback.print_exc(file=sys.stderr)
                    self.writer.info(f"{word} failed: {type(error).__name__}: {error}")
                self._answer_after_failure(word, rest)
        elif text.strip():
            guess = did_you_mean(commands, text.split()[0])
            self.writer.info(f"unknown command: {text.strip()[:200]}{guess}")
        return True

    def _answer_after_failure(self, word: str, text: str) -> None:
        """Say that without which a GUI waits for ever, after an error too."""
        if word == "isready":
            self.writer.line("readyok")
        elif word == "go":
            self.writer.line(self._fallback_answer(text))

    def _fallback_answer(self, text: str) -> str:
        try:
            from uci.protocol.fallback_move import fallback_answer

            board = self._board()
            if self._keeper().refusal:
                board.clear()
            searchmoves = words.parse_go(text).searchmoves or ()
            return fallback_answer(
                board, [move for move in board.legal_moves if board.uci(move) in searchmoves]
            )
        except Exception:  # noqa: BLE001 - what failed before may fail here, too
            return words.NO_MOVE

    # ---- commands --------------------------------------------------------------------------------

    def _uci(self, text: str) -> None:
        self.writer.line(
            f"id name Aino {__version__}",
            "id author the Aino authors",
            *uci_lines(self.options),
            "uciok",
        )

    def _isready(self, text: str) -> None:
        if not self._working():
            self._ready_engine()
        self.writer.line("readyok")

    def _setoption(self, text: str) -> None:
        name, value = words.parse_setoption(text)
        option = find_option(name)
        if option is None:
            guess = did_you_mean([option.name for option in OPTIONS], name)
            self.writer.info(f"unknown option: {name}{guess}")
        elif option.type == "button":
            self._forgets = True
        elif value is None and option.type != "string":
            # Cute Chess writes an empty text as no value.
            raise ConfigError(
                f"setoption: no value for {option.name}, expected {option.range_text}"
            )
        else:
            value, rating = words.file_name(value or ""), ""
            if option.field == "play_like":
                value, rating = words.rating_in(value)
            options = set_option(self.options, name, value)
            if rating:
                options = set_option(options, "UCI_Elo", rating)
            self.options = options
            if option.field == "log_file":
                self._open_log()
            elif option.field == "chess960" and self._position_keeper is not None:
                self._note(self._position_keeper.change_rules(self.options.chess960))

    def _open_log(self) -> None:
        try:
            self.writer.log_to(self.options.log_file)
        except (ConfigError, OSError) as error:
            self.options = replace(self.options, log_file="")
            self.writer.info(f"cannot write the log file: {error}")

    def _ucinewgame(self, text: str) -> None:
        self._finish_work()
        self._forgets = True
        self._forget()

    def _forget(self) -> None:
        """Forget the tree where that was asked for. Call only while no task is running."""
        if self._forgets and self._engine is not None:
            self._engine.new_game()
        self._forgets = False

    def _position(self, text: str) -> None:
        begun = time.perf_counter()
        self._note(self._keeper().read(text, self.options.chess960))
        self._position_s = time.perf_counter() - begun

    def _note(self, notes: Iterable[str]) -> None:
        for note in notes:
            self.writer.info(f"position: {note}")

    def _go(self, text: str) -> None:
        from uci.protocol.answer import Answer, make_limits

        begun = time.perf_counter() - self._position_s
        self._position_s = 0.0
        command = words.parse_go(text)
        self._finish_work()
        board = self._board()
        refusal = self._keeper().refusal
        if refusal:
            self.writer.info(
                f"nothing to search, because Aino refused the last position: {refusal}"
            )
            board.clear()  # any move would be one of another position
        if command.perft is not None:
            from uci.protocol.debugging import tell_perft

            depth = command.perft
            if not refusal:
                self._start(lambda job: tell_perft(self.writer, board, depth, job))
            return
        limits = make_limits(command, board)
        for problem in dict.fromkeys(command.problems):
            self.writer.info(problem)
        is_first = self._engine is None
        loads_from = time.perf_counter()
        engine: Engine | Exception
        try:
            engine = self._ready_engine()
        except DemandRefused:
            raise
        except Exception as error:  # noqa: BLE001 - the answer is a move without a search
            engine = error
        if is_first:  # It is searched for its whole time.
            begun += time.perf_counter() - loads_from
        answer = Answer(
            engine, board, limits, command.searchmoves is not None, self.options, self.writer
        )
        self._start(answer.find, begun)

    def stop(self) -> None:
        """End the search that runs, if one does. Any thread may ask for it."""
        if (job := self._job) is not None:
            job.stop()

    def _ponderhit(self, text: str) -> None:
        if self._job is not None:
            self._job.ponderhit()

    # ---- debugging commands ----------------------------------------------------------------------

    def _display(self, text: str) -> None:
        board = self._board()
        self.writer.line(*str(board).splitlines(), f"Fen: {board.fen()}")

    def _help(self, text: str) -> None:
        from uci.protocol.debugging import HELP

        self.writer.line(*HELP.splitlines())

    def _eval(self, text: str) -> None:
        from uci.protocol.debugging import evaluation_lines

        if self._working():
            self.writer.info("eval: wait for the end of the search")
        else:
            engine = self._ready_engine()
            # Without book and level, for this command.
            engine.set_options(replace(engine.options, analyse_mode=True))
            if getattr(engine, "is_prepared", True):
                self.writer.line(*evaluation_lines(engine, self._board()))
            else:
                self.writer.info("eval: wait until everything is compiled")

    # ---- engine and search -----------------------------------------------------------------------

    def _keeper(self) -> PositionKeeper:
        if self._position_keeper is None:
            from uci.protocol.position import PositionKeeper

            self._position_keeper = PositionKeeper(self.options.chess960)
        return self._position_keeper

    def _board(self) -> chess.Board:
        return self._keeper().board.copy()

    def _working(self) -> bool:
        return self._job is not None and not self._job.done()

    def _start(
        self, work: Callable[[SearchJob[list[str]]], list[str]], begun: float | None = None
    ) -> None:
        """Let a job work and write its last lines. It is done before: a GUI may continue when it
        has read them.
        """
        from engine.search.job import SearchJob

        self._job = SearchJob[list[str]](begun).start(work, lambda lines: self.writer.line(*lines))

    def _finish_work(self, within_s: float | None = None) -> None:
        if self._job is not None:
            self._job.stop()
            self._job.join(within_s)

    def _ready_engine(self) -> Engine:
        """Return the engine with the current options, as far as it accepts them, loaded if
        necessary.

        Call only while no task is running. Raises DemandRefused.
        """
        hash_before = self._engine.options.hash_mib if self._engine else 0
        if self._engine is None:
            with self._signs_of_life():
                self._engine = load_engine(
                    self.options, self._factory, self.writer.info, self._demanded
                )
        elif self._engine.options != self.options:
            with self._signs_of_life():
                change_engine(self._engine, self.options, self.writer.info, self._demanded)
        self._forget()
        from engine.cli.machine import physical_memory_mib

        # With the engine, which has been imported by now.
        from uci.loading.patient import PatientEngine

        engine = self._engine
        if isinstance(engine, PatientEngine):
            engine.on_wait = lambda progress: self.writer.info(str(progress))
        # Systems grant more memory than the machine has; a search that fills it swaps, or the
        # system kills it.
        hash_mib = engine.options.hash_mib
        if hash_mib != hash_before and (memory_mib := physical_memory_mib() or hash_mib) < hash_mib:
            self.writer.info(
                f"Hash {hash_mib} is more than the {memory_mib} MiB of memory that this machine has"
            )
        for problem in engine.take_problems():
            self.writer.info(problem)
        self.options = engine.options
        return engine

    @contextlib.contextmanager
    def _signs_of_life(self) -> Iterator[None]:
        done = threading.Event()

        def tick() -> None:
            seconds = 0.0
            while not done.wait(PROGRESS_INTERVAL_S):
                seconds += PROGRESS_INTERVAL_S
                self.writer.info(f"loading the engine: {seconds:.0f} s")
                if self.writer.closed:  # the GUI has gone, so nobody needs the engine
                    _thread.interrupt_main()

        ticker = threading.Thread(target=tick, name="signs-of-life", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            done.set()
            ticker.join()

    def _close(self) -> None:
        self._finish_work(QUIT_TIMEOUT_S)
        if not self._working() and self._engine is not None:
            self._engine.close()
