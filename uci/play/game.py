"""A terminal game: the engine that plays in it, and the console that shows it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import chess
from rich.console import Console

from engine.cli.console import say, waiting
from engine.errors import DataError
from engine.options import EngineOptions
from engine.search.job import SearchJob
from engine.search.result import SearchResult
from uci.common.board_view import BoardStyle, captured_text, render_board
from uci.game.clock import clock_text
from uci.game.ends import UNFINISHED, GameEnd
from uci.game.game_file import default_path, games_folder
from uci.game.level import HINT_LEVEL, Level
from uci.game.timed_game import Setup, TimedGame
from uci.language import _, later, translated
from uci.library.changes import save_game
from uci.openings.opening_names import opening_name

if TYPE_CHECKING:
    from uci.loading.patient import PatientEngine


class Ask(Protocol):
    """Reads a line, as `uci.play.asking.ask_line`."""

    def __call__(self, prompt: str, left_s: float | None = None) -> str: ...


@dataclass
class TerminalSettings:
    """How a game looks, and where it is saved; one's games at a terminal share them."""

    style: BoardStyle
    pgn: Path | None = None  # where to save the game; None for a file of its own
    book: bool = False  # whether Aino begins with known openings, by chance
    scores: bool = False  # whether to show what Aino thinks of its moves
    # The engine's own, without a level.
    options: EngineOptions = field(default_factory=EngineOptions)


class TerminalGame(TimedGame):
    """A game, and what is shown of it.

    `uci.play.loop` plays it; what can be typed besides moves is in `uci.play.typed_commands`.
    """

    def __init__(
        self,
        console: Console,
        engine: PatientEngine,
        setup: Setup,
        settings: TerminalSettings,
        ask: Ask,
    ) -> None:
        super().__init__(setup)
        self.console = console
        self.settings = settings
        self.engine = engine
        self.asker = ask
        self.rng = random.Random()
        self.perspective = chess.WHITE if setup.human is None else setup.human
        self._opening = ""

    @property
    def sides_text(self) -> str:
        """Who plays what, and how strongly."""
        if self.human is None:
            return _("Aino plays both sides")
        text = _("you have Black")
        if self.human == chess.WHITE:
            text = _("you have White")
        return text + _("; Aino's level: {level}", level=_(self.level.text))

    def keep(self, end: GameEnd = UNFINISHED) -> Path | None:
        """Save a game that has moves and say where; return the file or None. Show a game that
        cannot be saved.
        """
        if not self.plies:
            return None
        record = self.record(end)
        path = self.settings.pgn or default_path(self.started)
        try:
            save_game(record, path)
        except (OSError, DataError) as error:
            text = _("cannot save the game in {path}: {error}", path=path, error=error)
            self.say(f"{text}\n\n{record}")
            return None
        text = _("saved to {path}", path=path)
        if end == UNFINISHED and path.parent == games_folder():
            text += _(". Continue it with `aino play --load last`.")
        self.say(text)
        return path

    # ---- the engine ------------------------------------------------------------------------------

    def search(self, level: Level = HINT_LEVEL) -> SearchResult:
        """Search the position, for a hint or at a level; Ctrl-C stops it and is raised."""
        self.engine.set_options(level.options(self.settings.options))
        self.engine.set_position(self.board)
        with waiting(self.console, _("Aino is thinking")) as tell:
            if not self.engine.is_prepared:
                self._wait_until_compiled(tell)
            left = None if self.clock is None else self.clock.limits()
            return self.engine.start(level.limits(left, self.board.turn)).result()

    def _wait_until_compiled(self, tell: Callable[[str], None]) -> None:
        """Stop the clocks until Aino is compiled: that is nobody's time."""
        if self.clock is not None:
            self.clock.set_left(self.board.turn, self.clock.left(self.board.turn))

        def wait(job: SearchJob[None]) -> None:
            only_once = later("{progress}, only this once")
            self.engine.wait(
                lambda progress: tell(_(only_once, progress=translated(str(progress)))),
                lambda: job.stopped,
            )

        SearchJob[None]().start(wait).result()
        self.start_clock()

    # ---- output ----------------------------------------------------------------------------------

    def show(self) -> None:
        """Print the board, and what was captured."""
        self.console.print(render_board(self.board, self.perspective, self.settings.style))
        if captured := captured_text(self.board, self.settings.style):
            self.say(captured)

    def say(self, text: str) -> None:
        say(self.console, translated(text))

    def tell_opening(self) -> None:
        """Name the opening when it has changed."""
        name = opening_name(self.board)
        if name and name != self._opening:
            self._opening = name
            self.say(_("Opening: {name}", name=name))

    # ---- questions -------------------------------------------------------------------------------

    def ask(self, prompt: str) -> str:
        """Return the person's answer, without spaces around it. Raises EOFError, and FlagFell when
        their time is up.
        """
        clock = self.clock
        if clock is None:
            return self.asker(prompt).strip()
        own, opponent = clock.left(self.board.turn), clock.left(not self.board.turn)
        clocks = _("[you {own}, Aino {other}] ", own=clock_text(own), other=clock_text(opponent))
        return self.asker(clocks + prompt, own).strip()

    def confirms(self, question: str) -> bool:
        return self.ask(f"{question} {_('[y/N]')} ").lower()[:1] in ("y", _("yes")[0])
