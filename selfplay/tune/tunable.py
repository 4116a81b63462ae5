"""Options to tune, described on the command line as `NAME start=... min=... max=... step=... rate=...`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import chess.engine

from engine.errors import ConfigError
from engine.options import find_option
from selfplay.matches.contestant import split_words

OPTION_HELP = (
    "tune this option; the flag is given once for each: NAME start=VALUE min=VALUE max=VALUE step=VALUE rate=VALUE, "
    "all but NAME may be left out. Start and range are the engine's own by default. step: how far from the centre both "
    "sides play in the last pair (default: a twentieth of the range, or a fifth of the start value if that is less). "
    "rate: how fast the centre follows (default 0.002)"
)
RATE: Final = 0.002  # The usual rate of fishtest and OpenBench.
RANGE_SHARE, START_SHARE = 0.05, 0.2  # The default step as a share of the range, and of the start value.
LEAST_WHOLE_STEP = 0.5  # A smaller step of a whole number tests the same value on both sides.
_KEYS = ("start", "min", "max", "step", "rate")


@dataclass(frozen=True)
class Tunable:
    """A numeric option and how it moves. Raises ConfigError for values that cannot work.

    step and rate: c and r of the last iteration (`spsa`).
    """

    name: str
    start: float
    low: float
    high: float
    step: float
    rate: float = RATE
    whole: bool = False  # Whether only whole numbers can be set.

    def __post_init__(self) -> None:
        numbers = (self.start, self.low, self.high, self.step, self.rate)
        if not all(math.isfinite(number) for number in numbers):
            raise ConfigError(f"option {self.name!r}: expected finite numbers, got {self}")
        if not self.low < self.high:
            raise ConfigError(f"option {self.name!r}: min {self.low:g} is not below max {self.high:g}")
        if not self.low <= self.start <= self.high:
            raise ConfigError(f"option {self.name!r}: start {self.start:g} is outside {self.low:g} to {self.high:g}")
        if self.step <= 0 or self.rate <= 0:
            raise ConfigError(f"option {self.name!r}: step {self.step:g} and rate {self.rate:g} must be above 0")
        if self.whole and self.step < LEAST_WHOLE_STEP:
            raise ConfigError(f"option {self.name!r} takes whole numbers: step {self.step:g} is below 0.5")

    def text(self, value: float) -> str:
        """A value as it is sent to the engine."""
        return str(round(value)) if self.whole else f"{value:.6g}"


OptionWish = tuple[str, Mapping[str, float]]
"""Name and values that the user asked for; the engine's own answer to `uci` fills in the rest."""


def parse_wish(text: str) -> OptionWish:
    """Parse `NAME key=value ...`; NAME may have spaces. Raises ConfigError for other keys or unreadable numbers."""
    words = split_words("option", text)
    name = " ".join(word for word in words if "=" not in word)
    given: dict[str, float] = {}
    for key, _, value in (word.partition("=") for word in words if "=" in word):
        if key not in _KEYS:
            raise ConfigError(f"option {text!r}: expected NAME and {', '.join(_KEYS)} with =, found {key!r}")
        try:
            given[key] = float(value)
        except ValueError as error:
            raise ConfigError(f"option {text!r}: {key} {value!r} is not a number") from error
    if not name:
        raise ConfigError(f"option {text!r}: the name is missing")
    return name, given


def resolve(
    wish: OptionWish, offered: Mapping[str, chess.engine.Option], is_aino: bool, values: Mapping[str, str]
) -> Tunable:
    """Complete a wish from what the engine offers. `values`: what the user set, by option, beside the tuned ones.

    UCI has no fractions, so engines declare no range for them. Aino's ranges are known, other engines' must be given.
    Raises ConfigError for an option that is unknown or not a number, and for a range beyond the engine's.
    """
    name, given = wish
    option = offered.get(name)
    if option is None:
        raise ConfigError(f"the engine has no UCI option {name!r}")
    if option.is_managed():
        raise ConfigError(f"option {option.name!r} is set by the referee")
    default = values.get(option.name, option.default)
    low, high = _range(option, is_aino)
    start = given["start"] if "start" in given else _number(option.name, option, default)
    for key, limit, beyond in (("min", low, -1.0), ("max", high, 1.0)):
        if key in given and limit is not None and beyond * (given[key] - limit) > 0:
            raise ConfigError(f"option {option.name!r}: {key} {given[key]:g} is beyond the engine's own, {limit:g}")
    ends = given.get("min", low), given.get("max", high)
    if ends[0] is None or ends[1] is None:
        raise ConfigError(f"option {option.name!r}: the engine does not tell its range: give min= and max=")
    whole = option.type == "spin"
    step = given["step"] if "step" in given else default_step(start, ends[0], ends[1], whole)
    return Tunable(option.name, start, ends[0], ends[1], step, given.get("rate", RATE), whole)


def _range(option: chess.engine.Option, is_aino: bool) -> tuple[float | None, float | None]:
    own = find_option(option.name) if is_aino else None
    if own is not None and own.type in ("spin", "float"):
        return own.bounds["least"], own.bounds["most"]
    return option.min, option.max


def _number(name: str, option: chess.engine.Option, value: object) -> float:
    if option.type in ("spin", "string") and not isinstance(value, bool):
        try:
            return float(str(value))
        except ValueError:
            pass
    raise ConfigError(f"option {name!r} is not a number: it is a {option.type} with the value {value!r}")


def default_step(start: float, low: float, high: float, whole: bool) -> float:
    """A twentieth of the range, or a fifth of the start value if that is less and not 0."""
    step = RANGE_SHARE * (high - low)
    step = min(step, START_SHARE * abs(start)) if start else step
    return max(step, LEAST_WHOLE_STEP) if whole else step
