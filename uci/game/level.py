"""How strong Aino plays in the terminal: an Elo, a time or a number of positions a move, or all it has."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from engine.errors import ConfigError
from engine.options import EngineOptions, find_option
from engine.search.limits import Limits
from uci.terminal.limit_flags import MOST_NODES, MOST_SECONDS, checked

__all__ = ["DEFAULT_LEVEL", "LEVEL_FORMS", "Level", "parse_level"]

DEFAULT_MOVETIME_S = 2.0
LEVEL_FORMS = "elo 1500, time 2 (seconds a move), or nodes 500 (positions a move)"


@dataclass(frozen=True)
class Level:
    """One way of limiting the engine; at most one of the three is set. None of them: full strength, by the clock."""

    elo: int | None = None
    movetime_s: float | None = None
    nodes: int | None = None

    @property
    def text(self) -> str:
        """The level as one types it."""
        if self.elo is not None:
            return f"elo {self.elo}"
        if self.nodes is not None:
            return f"nodes {self.nodes}"
        return "full strength" if self.movetime_s is None else f"time {self.movetime_s:g}"

    def options(self, options: EngineOptions) -> EngineOptions:
        """Engine options for this level."""
        if self.elo is None:
            return replace(options, limit_strength=False)
        return replace(options, limit_strength=True, elo=self.elo)

    def limits(self, clock: Limits | None) -> Limits:
        """What bounds a search: nodes or a time of the level's own, else the game's clock, else two seconds."""
        if self.nodes is not None:
            return replace(clock or Limits(), nodes=self.nodes)
        if clock is not None and self.movetime_s is None:
            return clock
        seconds = DEFAULT_MOVETIME_S if self.movetime_s is None else self.movetime_s
        return replace(clock or Limits(), movetime_ms=round(1000 * seconds))


DEFAULT_LEVEL = Level()


def parse_level(text: str) -> Level:
    """A level from `elo 1500`, `time 2`, `nodes 500` (also with = or :), or `full`. Raises ConfigError."""
    match = re.fullmatch(r"(elo|time|nodes|full)[ =:]*([0-9.]*)s?", text.strip().lower())
    if match is None or (match[1] == "full") == bool(match[2]):
        raise ConfigError(f"level {text!r}: expected {LEVEL_FORMS}, or full")
    kind, number = match.groups()
    try:
        if kind == "elo":
            return Level(elo=checked("elo", int(number), *_elo_range()))
        if kind == "nodes":
            return Level(nodes=checked("nodes", int(number), 1, MOST_NODES))
        if kind == "time":
            return Level(movetime_s=checked("time", float(number), 0.001, MOST_SECONDS))
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"level {text!r}: {number!r} is not a number; expected {LEVEL_FORMS}") from None
    return DEFAULT_LEVEL


def _elo_range() -> tuple[int, int]:
    option = find_option("UCI_Elo")
    assert option is not None
    assert option.min is not None
    assert option.max is not None
    return int(option.min), int(option.max)
