"""How strong Aino plays: an Elo, a time or a number of positions a move, or all it has."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace

from engine.errors import ConfigError, NetFileError
from engine.network.manifest import LEARNED_ALONE, learned_alone
from engine.options import EngineOptions, find_option
from engine.search.like_people import PEOPLE_RANGE
from engine.search.limits import Limits
from uci.common.limit_flags import MOST_NODES, MOST_SECONDS, checked
from uci.language import _, later

DEFAULT_MOVETIME_S = 2.0
_FULL, _ALONE = later("full strength"), later("alone")
# At full strength, Aino answers within this time if its clock has more for each of so many moves.
_PATIENCE_S = 8.0
_MOVES_LEFT = 40
_ELO_STEP = 200  # between the levels of a menu
_PEOPLE = "people"
LEVEL_FORMS = later(
    "easy, medium, hard, elo 1500 or 1500, people 1400 (like a club player), time 2 (seconds a move), "
    "nodes 500 (positions a move), alone, or full"
)


@dataclass(frozen=True)
class Level:
    """How Aino's strength is limited: by one of elo, time and nodes at most. With none it plays at
    full strength, by the clock.

    `people`: at an Elo, it plays what people of this rating would. `alone`: it plays with the
    network that learned alone, from random weights.
    """

    elo: int | None = None
    people: bool = False
    movetime_s: float | None = None
    nodes: int | None = None
    alone: bool = False

    @property
    def text(self) -> str:
        """The level as one types it."""
        if self.elo is not None:
            return f"{_PEOPLE if self.people else 'elo'} {self.elo}"
        if self.nodes is not None:
            return f"nodes {self.nodes}"
        if self.alone:
            return _ALONE
        return _FULL if self.movetime_s is None else f"time {self.movetime_s:g}"

    def options(self, options: EngineOptions) -> EngineOptions:
        if self.alone:
            options = replace(options, weights_file=LEARNED_ALONE, evaluator="auto")
        is_limited = self.elo is not None
        return replace(
            options,
            multi_pv=1,
            limit_strength=is_limited,
            human_pace=is_limited,
            elo=self.elo or options.elo,
            play_like="people" if self.people else "engine",
        )

    def limits(self, clock: Limits | None, white: bool = True) -> Limits:
        """Return what bounds a search: nodes or a time of the level's own, else the game's clock,
        else two seconds.

        A person does not wait long for full strength, however much time there is; a limited level
        takes a person's time.
        """
        if self.nodes is not None:
            return replace(clock or Limits(), nodes=self.nodes)
        if clock is not None and self.movetime_s is None:
            is_long = (clock.clock_ms(white) or 0) > _MOVES_LEFT * _PATIENCE_S * 1000
            is_long = is_long and self.elo is None
            return replace(clock, movetime_ms=round(1000 * _PATIENCE_S)) if is_long else clock
        seconds = DEFAULT_MOVETIME_S if self.movetime_s is None else self.movetime_s
        return replace(clock or Limits(), movetime_ms=round(1000 * seconds))


DEFAULT_LEVEL = Level()
# Of hints and answers to a draw: full strength, whatever Aino's level in the game.
HINT_LEVEL = Level(movetime_s=1.0)
# Set by hand on Stockfish's scale, as UCI_Elo. The comparisons with players and with Lichess are
# estimates.
NAMED_LEVELS = {"easy": Level(elo=800), "medium": Level(elo=1600), "hard": Level(elo=2000)}
DEFAULT_NAME = "medium"  # which a club player enjoys
_LIKE = {500: later("like a newcomer"), 800: later("like a beginner"), 1200: later("like a casual player"),
         1600: later("like a club player"), 2000: later("like an expert")}  # fmt: skip
SCALE = later("ratings roughly match Lichess's (our estimate)")
NAMED_LEVELS |= {"full": DEFAULT_LEVEL, _FULL: DEFAULT_LEVEL, _ALONE: Level(alone=True)}


def parse_level(text: str) -> Level:
    """Parse `easy`, `1500` or `elo 1500`, `people 1400`, `time 2`, `nodes 500` (or with = or :),
    `alone`, `full`.

    Raises ConfigError.
    """
    word = text.strip().lower()
    if word in NAMED_LEVELS:
        return NAMED_LEVELS[word]
    match = re.fullmatch(
        r"(?:(elo|people|nodes)?[ =:]*([0-9]{1,18})|time[ =:]*([0-9]*\.?[0-9]+)s?)", word
    )
    if match is None:
        raise ConfigError(
            _("level {text}: expected {forms}", text=repr(text), forms=_(LEVEL_FORMS))
        )
    if match[3]:
        return Level(movetime_s=checked("time", float(match[3]), 0.001, MOST_SECONDS))
    if match[1] == "nodes":
        return Level(nodes=checked("nodes", int(match[2]), 1, MOST_NODES))
    if match[1] == _PEOPLE:
        return Level(elo=checked(_PEOPLE, int(match[2]), *PEOPLE_RANGE), people=True)
    return Level(elo=checked("elo", int(match[2]), *_elo_range()))


def level_choices() -> list[tuple[str, str]]:
    """Levels for a menu, from the weakest to full strength: what `parse_level` reads, and what
    people read.
    """
    least, most = _elo_range()
    elos = sorted({least, *range(-(-least // _ELO_STEP) * _ELO_STEP, most, _ELO_STEP), most})
    likes = {elo: f", {_(like)}" for elo, like in _LIKE.items()}
    limited = [(f"elo {elo}", f"{elo}{likes.get(elo, '')}") for elo in elos]
    net = None
    # Of a broken manifest, which the engine reports when it loads.
    with contextlib.suppress(NetFileError):
        net = learned_alone()
    alone = (
        [(_ALONE, _("Learned alone, in {hours} hours", hours=net.get("hours", "?")))]
        if net is not None
        else []
    )
    least, most = PEOPLE_RANGE
    people = [
        (f"{_PEOPLE} {elo}", _("Like a club player of {rating}", rating=elo))
        for elo in range(least, most + 1, 100)
    ]
    return [*limited, *people, *alone, (_FULL, _("Full strength"))]


def levels_text() -> str:
    """Return the levels in lines that fit a narrow terminal."""
    named = [(name, level.elo) for name, level in NAMED_LEVELS.items() if level.elo is not None]
    rows = [f"  {name:<8}{elo}, {_(_LIKE[elo])}" for name, elo in named]
    forms = [
        f"  full    {_('full strength')}",
        "  " + _("or elo 1500, people 1400, time 2 (seconds), nodes 500"),
    ]
    return "\n".join([_("Levels; {scale}:", scale=_(SCALE)), *rows, *forms])


def _elo_range() -> tuple[int, int]:
    option = find_option("UCI_Elo")
    assert option is not None
    return int(option.bounds["least"]), int(option.bounds["most"])
