"""The level and the clock that a person chose last, for the next game. The folder of games keeps
them.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.errors import ConfigError
from engine.files.atomic import write_file
from uci.game.clock import parse_time_control
from uci.game.level import DEFAULT_NAME, parse_level
from uci.game.timed_game import TimedGame

CHOICE = "choice.json"


@dataclass(frozen=True)
class Preferences:
    """What a person wants of a game with Aino, as one types it: a level, and minutes and seconds of
    a clock.
    """

    level: str = parse_level(DEFAULT_NAME).text
    clock: str = ""  # for none

    @classmethod
    def parse(cls, level: str, clock: str) -> Preferences:
        """Return what was typed. Raises ConfigError."""
        return cls(parse_level(level).text, parse_time_control(clock).text if clock else "")

    @classmethod
    def of(cls, game: TimedGame) -> Preferences:
        """Return what a game was begun with."""
        return cls(game.level.text, "" if game.clock is None else game.clock.control.text)

    @classmethod
    def read(cls, folder: Path) -> Preferences:
        """Return what was kept in a folder, or the usual choice where nothing readable was."""
        # Anybody may have written anything there; the next choice is written in its place.
        with contextlib.suppress(
            OSError, ValueError, TypeError, KeyError, RecursionError, ConfigError
        ):
            facts = json.loads((folder / CHOICE).read_text(encoding="utf-8"))
            return cls.parse(str(facts["level"]), str(facts["clock"]))
        return cls()

    def keep(self, folder: Path) -> None:
        """Keep it in a folder. Where nothing can be written, it lasts as long as the program."""
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            write_file(folder / CHOICE, json.dumps(asdict(self)))
