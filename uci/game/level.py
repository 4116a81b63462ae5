"""How strong Aino plays: an Elo, a time or a number of positions a move, or all it has."""

import contextlib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from engine.errors import ConfigError, NetFileError
from engine.network.manifest import LEARNED_ALONE, learned_alone
from engine.options import EngineOptions, find_option
from engine.search.like_people import PEOPLE_RANGE
from engine.search.limits import Limits
from uci.common.limit_flags import MOST_NODES, MOST_SECONDS, checked
from uci.language import _, later

# Without a clock, of levels that say nothing else.
_USUAL_LIMITS = Limits(movetime_ms=2000)
# At full strength, Aino answers within this time if its clock has more for each of so many moves.
_PATIENCE_MS = 8000
_MOVES_LEFT = 40
_ELO_STEP = 200  # between the levels of a menu
_PEOPLE_STEP = 100
SCALE = later("ratings roughly match Lichess's (our estimate)")
LEVEL_FORMS = later(
    "easy, medium, hard, elo 1500 or 1500, people 1400 (like a club player), time 2 (seconds a move), "
    "nodes 500 (positions a move), alone, or full"
)

# ---- the kinds of levels -------------------------------------------------------------------------


class Level(ABC):
    """What bounds Aino's strength in a game."""

    # Whether it gives up as people do.
    resigns: ClassVar[bool] = False
    # Whether its first moves may be those of known openings.
    knows_openings: ClassVar[bool] = True

    @property
    @abstractmethod
    def text(self) -> str:
        """The level as one types it."""

    def options(self, options: EngineOptions) -> EngineOptions:
        """Return the options of an engine that plays at this level."""
        return replace(
            options, multi_pv=1, limit_strength=False, human_pace=False, play_like="engine"
        )

    def limits(self, clock: Limits | None, white: bool = True) -> Limits:
        """Return what bounds a search: something of the level's own, or the game's clock."""
        return clock or _USUAL_LIMITS


@dataclass(frozen=True)
class FullStrength(Level):
    """All that Aino has, but a person does not wait long, however much time there is."""

    text = later("full strength")

    def limits(self, clock: Limits | None, white: bool = True) -> Limits:
        limits = super().limits(clock, white)
        if (limits.clock_ms(white) or 0) > _MOVES_LEFT * _PATIENCE_MS:
            return replace(limits, movetime_ms=_PATIENCE_MS)
        return limits


@dataclass(frozen=True)
class LearnedAlone(FullStrength):
    """All that the network has that learned alone, from random weights."""

    knows_openings = False
    text = later("alone")

    def options(self, options: EngineOptions) -> EngineOptions:
        own_network = replace(options, weights_file=LEARNED_ALONE, evaluator="auto")
        return super().options(own_network)


@dataclass(frozen=True)
class EloLevel(Level):
    """Weakened to a rating on Stockfish's scale, as UCI_Elo. It takes a person's time."""

    elo: int

    @property
    def text(self) -> str:
        return f"elo {self.elo}"

    def options(self, options: EngineOptions) -> EngineOptions:
        usual = super().options(options)
        return replace(usual, limit_strength=True, human_pace=True, elo=self.elo)


@dataclass(frozen=True)
class PeopleLevel(EloLevel):
    """Plays what people of a rating would."""

    resigns = True

    @property
    def text(self) -> str:
        return f"people {self.elo}"

    def options(self, options: EngineOptions) -> EngineOptions:
        return replace(super().options(options), play_like="people")


@dataclass(frozen=True)
class TimeLevel(Level):
    """So many seconds a move."""

    seconds: float

    @property
    def text(self) -> str:
        return f"time {self.seconds:g}"

    def limits(self, clock: Limits | None, white: bool = True) -> Limits:
        return replace(clock or Limits(), movetime_ms=round(1000 * self.seconds))


@dataclass(frozen=True)
class NodesLevel(Level):
    """So many positions a move."""

    nodes: int

    @property
    def text(self) -> str:
        return f"nodes {self.nodes}"

    def limits(self, clock: Limits | None, white: bool = True) -> Limits:
        return replace(clock or Limits(), nodes=self.nodes)


DEFAULT_LEVEL = FullStrength()
# Of hints and answers to a draw, whatever Aino's level in the game.
HINT_LEVEL = TimeLevel(1.0)

# ---- the levels that people know -----------------------------------------------------------------


@dataclass(frozen=True)
class NamedLevel:
    """A level with words that say how it plays, and a name that may be typed, "" for none."""

    level: EloLevel
    plays: str
    name: str = ""


# Set by hand. The comparisons with players and with Lichess are estimates.
NAMED_LEVELS = (
    NamedLevel(EloLevel(500), later("like a newcomer")),
    NamedLevel(EloLevel(800), later("like a beginner"), "easy"),
    NamedLevel(EloLevel(1200), later("like a casual player")),
    NamedLevel(EloLevel(1600), later("like a club player"), "medium"),
    NamedLevel(EloLevel(2000), later("like an expert"), "hard"),
)
DEFAULT_NAME = "medium"  # which a club player enjoys
_BY_NAME: dict[str, Level] = {
    **{named.name: named.level for named in NAMED_LEVELS if named.name},
    "full": FullStrength(),
    FullStrength.text: FullStrength(),
    LearnedAlone.text: LearnedAlone(),
}
_NUMBER = re.compile(r"(elo|people|nodes)?[ =:]*([0-9]{1,18})")
_SECONDS = re.compile(r"time[ =:]*([0-9]*\.?[0-9]+)s?")


def parse_level(text: str) -> Level:
    """Parse `easy`, `1500` or `elo 1500`, `people 1400`, `time 2`, `nodes 500` (or with = or :),
    `alone`, `full`.

    Raises ConfigError.
    """
    word = text.strip().lower()
    if word in _BY_NAME:
        return _BY_NAME[word]
    if seconds := _SECONDS.fullmatch(word):
        return TimeLevel(checked("time", float(seconds[1]), 0.001, MOST_SECONDS))
    number = _NUMBER.fullmatch(word)
    if number is None:
        raise ConfigError(
            _("level {text}: expected {forms}", text=repr(text), forms=_(LEVEL_FORMS))
        )
    unit = number[1]
    value = int(number[2])
    if unit == "nodes":
        return NodesLevel(checked("nodes", value, 1, MOST_NODES))
    if unit == "people":
        return PeopleLevel(checked("people", value, *PEOPLE_RANGE))
    return EloLevel(checked("elo", value, *_elo_range()))


def level_choices() -> list[tuple[str, str]]:
    """Levels for a menu, from the weakest to full strength: what `parse_level` reads, and what
    people read.
    """
    plays = {named.level: f", {_(named.plays)}" for named in NAMED_LEVELS}
    least, most = _elo_range()
    first_step = -(-least // _ELO_STEP) * _ELO_STEP
    elos = {least, *range(first_step, most, _ELO_STEP), most}
    choices = []
    for elo in sorted(elos):
        level = EloLevel(elo)
        choices.append((level.text, f"{elo}{plays.get(level, '')}"))
    least, most = PEOPLE_RANGE
    for rating in range(least, most + 1, _PEOPLE_STEP):
        choices.append(
            (PeopleLevel(rating).text, _("Like a club player of {rating}", rating=rating))
        )
    # A broken manifest is reported by the engine, when it loads.
    with contextlib.suppress(NetFileError):
        network = learned_alone()
        if network is not None:
            hours = network.get("hours", "?")
            choices.append((LearnedAlone.text, _("Learned alone, in {hours} hours", hours=hours)))
    choices.append((FullStrength.text, _("Full strength")))
    return choices


def levels_text() -> str:
    """Return the levels in lines that fit a narrow terminal."""
    lines = [_("Levels; {scale}:", scale=_(SCALE))]
    for named in NAMED_LEVELS:
        if named.name:
            lines.append(f"  {named.name:<8}{named.level.elo}, {_(named.plays)}")
    lines.append(f"  {'full':<8}{_(FullStrength.text)}")
    lines.append("  " + _("or elo 1500, people 1400, time 2 (seconds), nodes 500"))
    return "\n".join(lines)


def _elo_range() -> tuple[int, int]:
    option = find_option("UCI_Elo")
    assert option is not None
    return int(option.bounds["least"]), int(option.bounds["most"])
