"""Every engine option in one table.

`EngineOptions` is the only list of settings: the `uci` answer, `setoption`, command-line flags,
TOML keys and the table in docs/options.md are made from it (`cli.option_forms`). All of these
import the standard library only, because `uci` is answered from them before anything heavy is
loaded.

    name, flag, key     `Hash` (UCI), `--hash-mib` (command line), `hash_mib` (TOML and Python): one field serves all
    aliases             what other engines call the same thing: understood in `setoption`, not listed by `uci`
    bad value           `parse_value` raises ConfigError naming key, value and range; the old value stays the caller's
"""

import contextlib
import dataclasses
import functools
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from engine.errors import ConfigError
from engine.options.settings import allows, range_text, setting

OptionType = Literal["spin", "check", "combo", "string", "float", "button"]
Value = bool | int | float | str

EMPTY = "<empty>"  # how UCI writes a string without characters
EVALUATORS = "auto network material hybrid sparse".split()
_AUTO_THREADS = 4  # More are only taken when asked for: speed with more has never been measured.
_KINDS: dict[type, OptionType] = {bool: "check", int: "spin", float: "float"}


@dataclass(frozen=True)
class Option:
    """One row of the table; `field` names the attribute of EngineOptions it sets ("" for a button)."""

    name: str  # UCI name
    type: OptionType  # "float" is shown to GUIs as a string, UCI has no fractions
    field: str
    help: str
    default: Value = ""
    choices: tuple[str, ...] = ()
    # "least" and "most" of a number.
    bounds: dict[str, float] = dataclasses.field(default_factory=dict)
    aliases: tuple[str, ...] = ()  # other UCI names, Lc0's or Stockfish's
    # Whether a combo also takes the place of one's own class, package.module:name.
    takes_place: bool = False

    @property
    def flag(self) -> str:
        """The command-line flag, `--hash-mib` for the field `hash_mib`."""
        return "--" + self.field.replace("_", "-")

    @property
    def range_text(self) -> str:
        """The allowed values in words, for error messages and the documents."""
        if self.type == "check":
            return "true, false"
        names = list(self.choices)
        if self.takes_place:
            names.append("package.module:name")
        any_value = "text" if self.type == "string" else "-"
        return range_text(names, self.bounds) or any_value


def _option(
    name: str, default: Any, text: str, limits: tuple[float, ...] = (), **metadata: Any
) -> Any:
    """Return a field of EngineOptions. limits: the least and the most of a number; metadata: as
    in Option.
    """
    bounds = dict(zip(("least", "most"), limits, strict=False))
    return setting(default, text, metadata.pop("choices", ()), **bounds, name=name, **metadata)


@dataclass(frozen=True)
class EngineOptions:
    """The engine's settings.

    Raises ConfigError when a value is outside its field's range. A weights file of "<default>" is
    the shipped net.
    """

    # fmt: off
    hash_mib: int = _option("Hash", 256,
        "Use this much memory for the search tree and all caches together, in MiB", (1, 65536), aliases=("RamLimitMb",))
    threads: int = _option("Threads", 0,
        "Search with this many threads (0 = automatic: the machine's cores, at most four). With a sparse net "
        "or none, only one thread gives the same analysis every time", (0, 256))
    move_overhead_ms: int = _option("Move Overhead", 10,
        "Reserve this many milliseconds of every move for the connection to the GUI. Where moves lose less on the "
        "way, which the clock tells, the moves to come have the rest",
        (0, 10000), aliases=("MoveOverheadMs",))
    nodes_time: int = _option("NodesTime", 0,
        "Take this many searched nodes for a millisecond of the clock, so that moves depend on no machine "
        "(0 = off: the clock is real)", (0, 10000))
    multi_pv: int = _option("MultiPV", 1, "Show this many best lines", (1, 218))
    ponder: bool = _option("Ponder", False,
        "Accept this from GUIs that let the engine think on the opponent's time. Has no effect by itself")
    chess960: bool = _option("UCI_Chess960", False, "Play Fischer Random, and write castling as king takes rook")
    show_wdl: bool = _option("UCI_ShowWDL", False, "Show the chances of win, draw and loss with every score, per mille")
    analyse_mode: bool = _option("UCI_AnalyseMode", False,
        "Analyse rather than play: no contempt, no book, full strength")
    opponent: str = _option("UCI_Opponent", "", "Accept the opponent's name from GUIs. Has no effect")
    limit_strength: bool = _option("UCI_LimitStrength", False, "Limit strength to UCI_Elo")
    elo: int = _option("UCI_Elo", 1500,
        "Aim at this rating when UCI_LimitStrength is on, on Stockfish's scale", (500, 2700))
    play_like: str = _option("PlayLike", "engine",
        "Play a game like the engine, or like people of the rating UCI_Elo, whether UCI_LimitStrength is on or off",
        choices=("engine", "people"))
    human_pace: bool = _option("HumanPace", False,
        "Take as long over a move by the clock as a person would, when strength is limited")
    weights_file: str = _option("WeightsFile", "<default>",
        "Play with the net in this file (.dit, or Lc0's .pb or .pb.gz). The default is the net that comes with Aino",
        aliases=("EvalFile",))
    evaluator: str = _option("Evaluator", "auto",
        "Choose what judges positions. auto = what fits the net: sparse for a sparse net, hybrid for a tower, "
        "network for a tower with SearchPreset lc0. material needs no net. package.module:name = your own network",
        choices=EVALUATORS, takes_place=True)
    backend: str = _option("Backend", "auto",
        "Evaluate towers and transformers on the CPU (numpy) or a GPU (cupy). auto = the GPU where it is faster. "
        "Where it fails, the CPU plays on. Other evaluators ignore this", choices=("auto", "numpy", "cupy"))
    hybrid_weight: float = _option("HybridWeight", 0.5,
        "Give the material value this share in the evaluator hybrid. Other evaluators ignore this", (0.0, 1.0))
    cpuct_init: float = _option("CPuct", 1.3,
        "Set the exploration constant of PUCT; higher explores more", (0.0, 100.0))
    fpu_reduction: float = _option("FpuReduction", 0.33,
        "Value an unvisited move this much below its parent (first-play urgency)", (0.0, 10.0), aliases=("FpuValue",))
    policy_temperature: float = _option("PolicyTemperature", 1.359,
        "Flatten the move priors with this softmax temperature. 1 = leave them as the net gives them", (0.1, 10.0))
    cpuct_deviation: float = _option("CPuctDeviation", -1.0,
        "Scale this share of exploration with the standard deviation of a position's values (-1 = automatic: 0.7 "
        "with the evaluator sparse, 0 with others)", (-1.0, 1.0))
    tactical_nodes: float = _option("TacticalNodes", 4.0,
        "Let the alpha-beta helper look at this many positions per visit when no clock runs (0 = off)", (0.0, 100.0))
    preset: str = _option("SearchPreset", "aino",
        "Search like Aino, or by Lc0's rules one leaf at a time (lc0). lc0 ignores the CPuct, FPU, policy temperature, "
        "draw, contempt and TacticalNodes options",
        choices=("aino", "lc0"))  # GUIs take a value "default" for the keyword
    draw_score: int = _option("DrawScore", 0, "Value a draw like this percentage of a win for Aino", (-100, 100))
    contempt: int = _option("Contempt", 0,
        "Value a draw this many centipawns lower in games, not in analysis", (-1000, 1000))
    temperature: float = _option("Temperature", 0.0,
        "Sample the move by visits^(1/T), or by priors where one node was searched. 0 = play the best", (0.0, 100.0))
    seed: int = _option("Seed", 0, "Seed random choices with this number (0 = a new one each run)", (0, 2**31 - 1))
    syzygy_path: str = _option("SyzygyPath", "",
        "Look for Syzygy tablebases in these folders, separated as in PATH")
    syzygy_probe_limit: int = _option("SyzygyProbeLimit", 7, "Probe tablebases up to this many pieces", (0, 7))
    syzygy_fifty_move_rule: bool = _option("Syzygy50MoveRule", True,
        "Count tablebase wins as draws where the fifty-move rule prevents them")
    own_book: bool = _option("OwnBook", False, "Play from BookFile while it has the position")
    book_file: str = _option("BookFile", "", "Use this opening book in Polyglot's format (.bin)")
    book_depth: int = _option("BookDepth", 40, "Use the book for this many plies from the start of the game", (0, 200))
    verbose_move_stats: bool = _option("VerboseMoveStats", False,
        "Show visits, prior and value of every root move, as Lc0 prints them")
    log_file: str = _option("LogFile", "", "Copy all UCI traffic to this file", aliases=("Debug Log File",))
    # fmt: on

    def __post_init__(self) -> None:
        for field in _BY_FIELD:
            value = getattr(self, field)
            try:
                _check_value(field, value)
            except TypeError:  # a list, say, which is no value of any option
                raise _bad_value(_BY_FIELD[field], value) from None

    @property
    def thread_count(self) -> int:
        """Search threads to start: `threads`, or for 0 as many as the machine has, at most four."""
        return self.threads or min(_AUTO_THREADS, usable_cpus())


def _rows() -> Iterator[Option]:
    for option_field in fields(EngineOptions):
        default: Any = option_field.default
        kind: OptionType = _KINDS.get(type(default)) or (
            "combo" if option_field.metadata["choices"] else "string"
        )
        yield Option(type=kind, field=option_field.name, default=default, **option_field.metadata)
    yield Option(
        "Clear Hash", "button", "", "Forget the search tree and all caches", aliases=("ClearTree",)
    )


OPTIONS = tuple(_rows())
_BY_FIELD = {option.field: option for option in OPTIONS if option.field}

# ---- values --------------------------------------------------------------------------------------


def find_option(name: str) -> Option | None:
    """Return the row with this UCI name or alias (case does not matter), or None."""
    spelled = " ".join(name.split()).lower()
    return next(
        (option for option in OPTIONS if spelled in map(str.lower, (option.name, *option.aliases))),
        None,
    )


def parse_value(option: Option, text: str) -> Value:
    """Return the value that `text` stands for. Raises ConfigError naming option, value and range."""
    text = text.strip()
    try:
        if option.type == "spin":
            value: Value = int(text)
        elif option.type == "float":
            value = float(text)
        elif option.type == "check":
            value = {"true": True, "false": False}[text.lower()]
        elif option.type == "combo":
            value = text
            if not (option.takes_place and ":" in text):
                value = {choice.lower(): choice for choice in option.choices}[text.lower()]
        else:
            value = "" if text == EMPTY else text
    except (ValueError, KeyError):
        raise _bad_value(option, text) from None
    _check_value(option.field, value)
    return value


def set_option(options: EngineOptions, name: str, text: str) -> EngineOptions:
    """Return a copy of `options` with one option set from its UCI name and value text.

    Raises ConfigError for an unknown name, a button (which has no value) or a bad value.
    """
    option = find_option(name)
    if option is None or option.type == "button":
        raise ConfigError(f"no option {name!r} takes a value")
    return replace(options, **{option.field: parse_value(option, text)})  # type: ignore[arg-type]


@functools.lru_cache(1024, typed=True)  # a copy of some options differs from them in few values
def _check_value(field: str, value: Value) -> None:
    option = _BY_FIELD[field]
    kinds: dict[str, tuple[type, ...]] = {"spin": (int,), "float": (int, float), "check": (bool,)}
    is_of_kind = isinstance(value, kinds.get(option.type, (str,)))
    if not is_of_kind or isinstance(value, bool) != (option.type == "check"):
        raise _bad_value(option, value)
    is_place = option.takes_place and ":" in str(value)
    if not (is_place or allows(value, option.choices, option.bounds)):
        raise _bad_value(option, value)
    if isinstance(value, str):
        _check_text(option, value)


def _check_text(option: Option, text: str) -> None:
    """Raise ConfigError for a text that the system refuses: with it set, all that needs an engine
    would fail.
    """
    if "Cc" in map(unicodedata.category, text):
        raise _bad_value(option, text)
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{option.name}: file names here are in {error.encoding}, unlike {text!r}"
        ) from None


def _bad_value(option: Option, value: Value) -> ConfigError:
    text = f"{option.name} ({option.field}): bad value {value!r}, expected {option.range_text}"
    if option.takes_place:
        text += "; a class of yours is written module:Class, such as tiny:Tiny"
    return ConfigError(text)


def usable_cpus() -> int:
    """Processors that this process may use, of which a container's limit (`docker run --cpus`)
    leaves a part.
    """
    cpus = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
    return max(1, min([cpus, *_quotas()]))


def _quotas(
    cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> Iterator[int]:
    """Whole processors whose time the control groups of Linux allow to this process, the one
    group's and its parents'.

    A thread more, and the system stops all of them for some 50 ms at a time.
    """
    with contextlib.suppress(OSError, ValueError):
        for line in own.read_text("utf-8").splitlines():
            _, kinds, group = line.split(":", 2)
            room = cgroups
            names = ["cpu.max"]
            if kinds:  # the first version, whose kinds have a folder each
                room = cgroups / kinds
                names = ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
            for folder in [room / group[1:], *(room / group[1:]).parents]:
                # No such group or limit: "max", or -1.
                with contextlib.suppress(OSError, ValueError):
                    texts = [(folder / name).read_text("ascii") for name in names]
                    quota, period = " ".join(texts).split()
                    if int(quota) > 0:
                        yield int(quota) // int(period)
