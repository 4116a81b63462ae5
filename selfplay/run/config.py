"""A run's configuration: dataclasses, a TOML file, and command-line flags `--section.field`, in
rising precedence.
"""

import argparse
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Self

from engine.backend import BACKEND_NAMES
from engine.cli.option_forms import add_setting_flags
from engine.errors import ConfigError
from engine.files.settings_file import read_settings
from engine.files.text import printable
from engine.options.settings import REQUIRED, check_settings, setting
from selfplay.data.split import HELD_OUT_SHARE
from selfplay.families.by_name import family_of
from selfplay.games.game_settings import GameSettings, SearchSettings
from selfplay.matches.statistics import Sprt
from selfplay.training.recipe import AVERAGE_DECAY, TRAIN_BACKEND, Recipe, StepSettings

FIXED = ("net", "seed")  # fields that cannot change once a run exists
LARGEST_NUMBER = 1e15
LONGEST_SETTING = 900  # bytes of a setting; read_settings takes lines of LONGEST_SETTINGS_LINE
FORMAT = 4  # version of the run folder, written in the first line of config.toml
DEFAULT_NET = "32x4"
FIRST_NETWORK, STOCKFISH = "first", "stockfish"  # among the anchors
ANCHOR = re.compile(rf"{FIRST_NETWORK}|(material|shipped|{STOCKFISH}):[1-9]\d{{0,8}}")
# Networks whose defaults the help shows.
EXAMPLE_NETS = {"towers": DEFAULT_NET, "sparse networks": "sparse-256"}


@dataclass(frozen=True, kw_only=True)
class FitSettings(StepSettings):
    """Training of a candidate, which starts from the best network. Raises ConfigError for values
    out of range.
    """

    # fmt: off
    positions: int = setting(REQUIRED, "train on this many positions, counting repeats", least=1)
    peak_rate: float = setting(REQUIRED, "use this peak learning rate", above=0)
    window: int = setting(8, "sample positions from this many of the newest generations", least=1)
    value_share: float = setting(0.5,
        "give the root's value this weight in the value target, and the game's result the rest", least=0, most=1)
    heldout_share: float = setting(HELD_OUT_SHARE,
        "hold out this share of all games (1/64 at least, as every command does), by a hash of their moves, "
        "to compare losses before and after", above=0, below=1)
    heldout: str = setting("",
        "score on the games in this file, the same for all runs of a comparison; empty = on the run's held-out ones")
    backend: str = setting("numpy", TRAIN_BACKEND, BACKEND_NAMES)
    average_decay: float = setting(0.99, AVERAGE_DECAY, least=0, below=1)
    checkpoint_s: float = setting(60.0,
        "save a checkpoint this many seconds apart; a killed run repeats what came after the last one", least=0)
    # fmt: on

    def __post_init__(self) -> None:
        check_settings(self, "fit.")

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        how = {
            name: getattr(recipe, name)
            for name in ("batch_size", "peak_rate", "weight_decay", "variations")
        }
        return cls(positions=recipe.fit_positions, **how)


@dataclass(frozen=True)
class GateSettings:
    """Candidate against best network: pairs of games, colours swapped, until the SPRT decides or
    `pairs` are played.

    Raises ConfigError for values out of range.
    """

    # fmt: off
    pairs: int = setting(60, "play at most this many pairs of games, each from another opening", least=1)
    visits: int = setting(96, "search this many root visits per move, for both sides", least=1)
    elo0: float = setting(0.0, "set the SPRT's null hypothesis, not stronger, to this Elo difference")
    elo1: float = setting(60.0, "set the alternative, stronger, to this Elo difference; must be above gate.elo0")
    # A fifth of equal candidates may pass, which costs no strength; at 0.05 more than half of those
    # that are 60 Elo stronger would not within 60 pairs. Set by hand.
    alpha: float = setting(0.2,
        "promote a candidate that is not stronger with at most this probability", above=0, below=0.5)
    beta: float = setting(0.10,
        "let the SPRT reject a stronger candidate with at most this probability; gate.pairs may end it before",
        above=0, below=0.5)
    accept_score: float = setting(1.0,
        "promote at this score, too, if all pairs are played without a decision, whatever gate.alpha allows; "
        "1 = only the SPRT promotes", least=0, most=1)
    longest: int = setting(300, "call a game a draw after this many plies", least=1)
    # fmt: on

    def __post_init__(self) -> None:
        check_settings(self, "gate.")
        self.sprt()

    def sprt(self) -> Sprt:
        """Return the test. Raises ConfigError for bounds or error rates that make none."""
        return Sprt(self.elo0, self.elo1, self.alpha, self.beta)


@dataclass(frozen=True)
class AnchorSettings:
    """Games that measure every promoted network. Raises ConfigError for values out of range and
    unknown anchors.
    """

    # fmt: off
    games: int = setting(0,
        "measure every promoted network in this many games, an even number, against fixed anchors; 0 = none", least=0)
    opponents: str = setting(
        "material:50 material:2000 first shipped:10 stockfish:1350 stockfish:1700 stockfish:2000 stockfish:2300",
        "measure against these: material:NODES, shipped:NODES (Aino with the shipped network), first (the "
        "run's first network), stockfish:ELO")
    stockfish: str = setting(STOCKFISH,
        "start Stockfish with this command; where there is none, its levels do not play")
    nodes: int = setting(400, "let the measured networks search this many nodes per move", least=1)
    longest: int = setting(300, "call a game a draw after this many plies", least=1)
    cpu_share: float = setting(0.1, "use at most this share of the processors' time during the loop", above=0, most=1)
    # fmt: on

    def __post_init__(self) -> None:
        check_settings(self, "anchors.")
        if self.games % 2:
            raise ConfigError(f"anchors.games: expected an even number, got {self.games}")
        for word in (words := self.opponents.split()):
            if not ANCHOR.fullmatch(word):
                raise ConfigError(
                    f"anchors.opponents: expected {FIRST_NETWORK}, material:NODES, shipped:NODES or {STOCKFISH}:ELO, "
                    f"got {word!r}"
                )
        if not set(words) - {FIRST_NETWORK}:
            raise ConfigError(
                f"anchors.opponents: expected one besides {FIRST_NETWORK}, got {self.opponents!r}"
            )


@dataclass(frozen=True)
class RunConfig:
    """All settings of a run; `configured` fills in the defaults. Raises ConfigError for values out
    of range.
    """

    fit: FitSettings
    # fmt: off
    net: str = setting(DEFAULT_NET,
        "train a tower, FILTERSxBLOCKS, transformer-WIDTHxLAYERS, a sparse network, sparse-WIDTH in multiples "
        "of 128, or your own, module:Class")
    seed: int = setting(1, "seed all random numbers of the run with this", least=0)
    threads: int = setting(2, "train on this many threads; self-play and gate use --workers", least=1)
    keep_nets: int = setting(10,
        "keep the files of this many newest candidates, and of this many newest promoted ones; 0 = of all", least=0)
    openings: str = setting("",
        "take openings from this EPD file; random:PLIES = after this many random moves; empty = Aino's own set")
    # fmt: on
    games: GameSettings = field(default_factory=GameSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    anchors: AnchorSettings = field(default_factory=AnchorSettings)

    def __post_init__(self) -> None:
        family = family_of(self.net)
        if not family.plays:
            raise ConfigError(f"net {self.net}: it predicts what people do and plays no games")
        check_settings(self)
        for name, section in (("fit", self.fit), ("games", self.games)):
            if section.backend == "cupy" and not family.runs_on_gpu:
                only = "only towers and transformers run on a GPU; expected numpy"
                raise ConfigError(f"{name}.backend cupy: {only} for {self.net}")


def default_config(net: str) -> RunConfig:
    """Return the default configuration of a new run for a network. Raises ConfigError for the
    net.
    """
    return RunConfig(net=net, fit=FitSettings.of(family_of(net).recipe))


SECTIONS: dict[str, Any] = {
    name: type(value)
    for name, value in vars(default_config(DEFAULT_NET)).items()
    if is_dataclass(value)
}
# Settings by name, those of a section together.
NestedValues = Mapping[str, Any]


def configured(values: NestedValues) -> RunConfig:
    """Return the configuration of a run with these nested values. Raises ConfigError as `overlay`
    does.
    """
    net = values.get("net")
    if not isinstance(net, str):
        net = DEFAULT_NET
    return overlay(default_config(net), values)


def overlay(config: Any, values: NestedValues, place: str = "") -> Any:
    """Return the configuration with nested values put over it.

    Raises ConfigError naming the field for unknown ones and values of another type.
    """
    sections = {field.name: getattr(config, field.name) for field in fields(config)}
    changes = {}
    for name, value in values.items():
        if name not in sections:
            raise ConfigError(f"unknown setting {place}{name}; known: {', '.join(sections)}")
        old = sections[name]
        if is_dataclass(old):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{place}{name}: expected a section, got {value!r}")
            changes[name] = overlay(old, value, f"{place}{name}.")
        else:
            _check_value(f"{place}{name}", value, type(old))
            changes[name] = type(old)(value)
    return replace(config, **changes)


def _check_value(name: str, value: Any, kind: type) -> None:
    """Raise ConfigError for a value that cannot be a setting of this type."""
    accepted: Any = kind
    if kind is float:
        accepted = int | float
    if isinstance(value, bool) or not isinstance(value, accepted):
        raise ConfigError(f"{name}: expected {kind.__name__}, got {value!r}")
    if kind is not str:
        if not abs(value) <= LARGEST_NUMBER:  # true for NaN
            raise ConfigError(
                f"{name}: expected a number up to {LARGEST_NUMBER:g}, got {value!r:.40}"
            )
    elif printable(value) != value or len(value.encode()) > LONGEST_SETTING:
        raise ConfigError(
            f"{name}: expected UTF-8 of at most {LONGEST_SETTING} bytes, got {value!r:.40}"
        )


def merged(below: NestedValues, above: NestedValues) -> dict[str, Any]:
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = merged(old, value)
        result[name] = value
    return result


def read_toml(path: Path) -> dict[str, Any]:
    """Nested values of a TOML file. Raises ConfigError when it cannot be read or belongs to another
    format.
    """
    values = read_settings(path)
    version = values.pop("format", FORMAT)
    if version != FORMAT:
        raise ConfigError(
            f"{path}: made by another version of Aino: expected format {FORMAT}, found {version!r}"
        )
    return values


def stored_config(path: Path) -> RunConfig:
    """Return the configuration in the file of a run. Raises ConfigError, which names the file."""
    values = read_toml(path)
    try:
        return configured(values)
    except ConfigError as error:
        advice = "If another version of Aino wrote this setting, remove its line to continue with the default"
        raise ConfigError(f"{path}: {error}. {advice}") from error


def config_text(config: RunConfig, earlier: NestedValues | None = None) -> str:
    """Return the configuration as TOML, with the sections of an earlier one in place of its own."""
    values = merged(asdict(config), earlier or {})
    lines = [f"format = {FORMAT}", *_toml_lines(values)]
    for section, entries in values.items():
        if isinstance(entries, dict):
            lines += ["", f"[{section}]", *_toml_lines(entries)]
    return "\n".join(lines) + "\n"


def _toml_lines(values: NestedValues) -> Iterator[str]:
    """Yield a line for each value that is no section."""
    for name, value in values.items():
        if not isinstance(value, dict):
            yield f"{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    """JSON's numbers and strings are TOML's, too, but for its halves of characters, and for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def flat_settings(values: NestedValues, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested settings by their whole names, such as "games.visits"."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat_settings(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", value


def setting_changes(before: str, after: str) -> dict[str, list[Any]]:
    """Return [before, after] of the settings that differ between two configurations (TOML), by
    their whole names. A setting that only one of two versions of Aino knows does not differ.
    """
    old, new = (dict(flat_settings(tomllib.loads(text))) for text in (before, after))
    return {
        name: [value, new[name]] for name, value in old.items() if new.get(name, value) != value
    }


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every setting, named as in TOML: `--seed`, `--games.visits`."""
    parser.add_argument(
        "--backend",
        choices=BACKEND_NAMES,
        help="set fit.backend and games.backend: CPU (numpy) or GPU (cupy), for towers and transformers",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE.toml",
        help="read settings from this file; flags override it",
    )
    defaults = {kind: default_config(net) for kind, net in EXAMPLE_NETS.items()}
    add_setting_flags(parser, RunConfig, of={"": default_config(DEFAULT_NET)}, prefix="")
    for name, settings in SECTIONS.items():
        of = {kind: getattr(config, name) for kind, config in defaults.items()}
        add_setting_flags(
            parser.add_argument_group(f"[{name}]"), settings, of=of, prefix=f"{name}."
        )


def flag_values(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the nested values of the flags that were given."""
    settings: dict[str, Any] = {}
    if arguments.backend is not None:
        settings = {section: {"backend": arguments.backend} for section in ("fit", "games")}
    names = {setting.name for setting in fields(RunConfig)}
    for name, chosen in vars(arguments).items():
        section, _, key = name.rpartition(".")
        if chosen is None or (section or key) not in names:
            continue
        if section:
            settings.setdefault(section, {})[key] = chosen
        else:
            settings[key] = chosen
    return settings
