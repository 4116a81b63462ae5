"""Every engine option in one table.

`OPTIONS` is the only list of settings: the `uci` answer, `setoption`, command-line flags, TOML keys and the table in
docs/options.md are made from it (`cli.option_forms`), and `EngineOptions` holds the values. Both modules import the
standard library only, because `uci` is answered from them before anything heavy is loaded.

    name, flag, key     `Hash` (UCI), `--hash-mib` (command line), `hash_mib` (TOML and Python): one row serves all
    aliases             what other engines call the same thing: understood in `setoption`, not listed by `uci`
    bad value           `parse_value` raises ConfigError naming key, value and range; the old value stays the caller's
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from typing import Literal

from engine.errors import ConfigError

OptionType = Literal["spin", "check", "combo", "string", "float", "button"]
Value = bool | int | float | str

EMPTY = "<empty>"  # how UCI writes a string without characters
EVALUATORS = ("auto", "network", "material", "hybrid", "sparse")
_AUTO_THREADS = 2  # more search threads than this are asked for, never taken


@dataclass(frozen=True)
class Option:
    """One row of the table; `field` names the attribute of EngineOptions it sets ("" for a button)."""

    name: str  # UCI name
    type: OptionType  # "float" is shown to GUIs as a string, UCI has no fractions
    field: str
    help: str
    min: float | None = None
    max: float | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()  # other UCI names, Lc0's or Stockfish's
    old_choices: tuple[tuple[str, str], ...] = ()  # (former name, present name) of a choice; both are understood
    old_field: str = ""  # former name of the field, still understood as flag and key
    takes_place: bool = False  # whether a combo also takes the place of one's own class, package.module:name

    @property
    def default(self) -> Value:
        """The field's default in EngineOptions; a button has none and gives ""."""
        return "" if self.type == "button" else _DEFAULTS[self.field]

    @property
    def flag(self) -> str:
        """The command-line flag, `--hash-mib` for the field `hash_mib`."""
        return _flag_of(self.field)

    @property
    def flags(self) -> tuple[str, ...]:
        """The flag and the one of a former name."""
        return (self.flag, _flag_of(self.old_field)) if self.old_field else (self.flag,)

    @property
    def range_text(self) -> str:
        """The allowed values in words, for error messages and the documents."""
        if self.type == "check":
            return "true, false"
        if self.type == "combo":
            return ", ".join((*self.choices, *(["package.module:name"] if self.takes_place else [])))
        if self.min is None or self.max is None:
            return "text" if self.type == "string" else "-"
        return f"{self.min:.10g} to {self.max:.10g}"


def _flag_of(field: str) -> str:
    return "--" + field.replace("_", "-")


@dataclass(frozen=True)
class EngineOptions:
    """The engine's settings; `OPTIONS` holds range and meaning of each.

    Raises ConfigError when a value is outside its row's range. A weights file of "<default>" is the shipped net.
    """

    hash_mib: int = 256
    threads: int = 0
    move_overhead_ms: int = 30
    multi_pv: int = 1
    ponder: bool = False
    chess960: bool = False
    show_wdl: bool = False
    analyse_mode: bool = False
    opponent: str = ""
    limit_strength: bool = False
    elo: int = 1500
    weights_file: str = "<default>"
    evaluator: str = "auto"
    backend: str = "auto"
    hybrid_weight: float = 0.5
    cpuct_init: float = 1.3
    cpuct_base: float = 38739.0
    cpuct_factor: float = 3.894
    fpu_reduction: float = 0.330
    policy_temperature: float = 1.359
    cpuct_deviation: float = -1.0
    tactical_nodes: float = 4.0
    preset: str = "aino"
    draw_score: int = 0
    contempt: int = 0
    moves_left_max_effect: float = 0.0345
    moves_left_threshold: float = 0.8
    moves_left_slope: float = 0.0027
    minibatch_size: int = 0
    max_collisions: int = 32
    temperature: float = 0.0
    temperature_moves: int = 0
    noise_epsilon: float = 0.0
    noise_alpha: float = 0.3
    seed: int = 0
    syzygy_path: str = ""
    syzygy_probe_limit: int = 7
    syzygy_fifty_move_rule: bool = True
    own_book: bool = False
    book_file: str = ""
    book_depth: int = 40
    verbose_move_stats: bool = False
    log_file: str = ""

    def __post_init__(self) -> None:
        for option in OPTIONS:
            if option.field:
                value = getattr(self, option.field)
                if value in (former := dict(option.old_choices)):
                    object.__setattr__(self, option.field, former[value])
                else:
                    _check_value(option, value)

    @property
    def thread_count(self) -> int:
        """Search threads to start: `threads`, or for 0 as many as the machine has, at most two."""
        return self.threads or min(_AUTO_THREADS, usable_cpus())


_DEFAULTS: dict[str, Value] = {field.name: field.default for field in fields(EngineOptions)}  # type: ignore[misc]

OPTIONS: tuple[Option, ...] = (
    Option(
        "Hash",
        "spin",
        "hash_mib",
        "Use this much memory for the search tree and all caches together, in MiB",
        1,
        65536,
        aliases=("RamLimitMb",),
    ),
    Option(
        "Threads",
        "spin",
        "threads",
        "Search with this many threads (0 = automatic: two where the machine has them). With a sparse net or without a "
        "net only one thread gives the same analysis every time",
        0,
        256,
    ),
    Option(
        "Move Overhead",
        "spin",
        "move_overhead_ms",
        "Reserve this many milliseconds of every move for the connection to the GUI",
        0,
        10000,
        aliases=("MoveOverheadMs",),
    ),
    Option("MultiPV", "spin", "multi_pv", "Show this many best lines", 1, 218),
    Option(
        "Ponder",
        "check",
        "ponder",
        "Accept this from GUIs that let the engine think on the opponent's time. Changes nothing by itself",
    ),
    Option("UCI_Chess960", "check", "chess960", "Play Fischer Random, and write castling as king takes rook"),
    Option("UCI_ShowWDL", "check", "show_wdl", "Show the chances of win, draw and loss with every score, per mille"),
    Option("UCI_AnalyseMode", "check", "analyse_mode", "Analyse rather than play: no contempt, no book, full strength"),
    Option("UCI_Opponent", "string", "opponent", "Accept the opponent's name from GUIs. Changes nothing"),
    Option("UCI_LimitStrength", "check", "limit_strength", "Limit strength to UCI_Elo"),
    Option(
        "UCI_Elo", "spin", "elo", "Aim at this rating when UCI_LimitStrength is on, on Stockfish's scale", 500, 2400
    ),
    Option(
        "WeightsFile",
        "string",
        "weights_file",
        "Play with the net in this file: .dit, or Lc0's .pb and .pb.gz. The default is the net that comes with Aino",
        aliases=("EvalFile",),
    ),
    Option(
        "Evaluator",
        "combo",
        "evaluator",
        "Choose what judges positions. auto takes what fits the net: sparse for a sparse net, hybrid for a tower, "
        "network for a tower with SearchPreset lc0. material needs no net. package.module:name is a network of yours",
        choices=EVALUATORS,
        takes_place=True,
    ),
    Option(
        "Backend",
        "combo",
        "backend",
        "Evaluate a tower on the processor (numpy) or a GPU (cupy). auto = the GPU where CuPy is installed and one"
        " answers. Other evaluators ignore this",
        choices=("auto", "numpy", "cupy"),
    ),
    Option(
        "HybridWeight",
        "float",
        "hybrid_weight",
        "Give the material value this share in the evaluator hybrid. Other evaluators ignore this",
        0.0,
        1.0,
    ),
    Option("CPuct", "float", "cpuct_init", "Set the exploration constant of PUCT; higher explores more", 0.0, 100.0),
    Option("CPuctBase", "float", "cpuct_base", "Let exploration begin to grow at this many visits", 1.0, 1e9),
    Option(
        "CPuctFactor",
        "float",
        "cpuct_factor",
        "Let exploration grow this fast with the logarithm of visits",
        0.0,
        1000.0,
    ),
    Option(
        "FpuReduction",
        "float",
        "fpu_reduction",
        "Value an unvisited move this much below its parent (first-play urgency)",
        0.0,
        10.0,
        aliases=("FpuValue",),
    ),
    Option(
        "PolicyTemperature",
        "float",
        "policy_temperature",
        "Flatten the move priors by this softmax temperature. 1 = as the net has them",
        0.1,
        10.0,
    ),
    Option(
        "CPuctDeviation",
        "float",
        "cpuct_deviation",
        "Let this share of exploration grow with the standard deviation of a position's values "
        "(-1 = as measured: 0.7 with the evaluator sparse, 0 with others)",
        -1.0,
        1.0,
    ),
    Option(
        "TacticalNodes",
        "float",
        "tactical_nodes",
        "Let the alpha-beta helper look at this many positions per visit where no clock runs (0 = off)",
        0.0,
        100.0,
    ),
    Option(
        "SearchPreset",
        "combo",
        "preset",
        "Search like Aino, or by Lc0's rules one leaf at a time (lc0). lc0 ignores the CPuct, FPU, "
        "policy temperature, TacticalNodes and MovesLeft options",
        choices=("aino", "lc0"),
        old_choices=(("default", "aino"),),  # GUIs take a value "default" for the keyword
    ),
    Option("DrawScore", "spin", "draw_score", "Value a draw like this percentage of a win for Aino", -100, 100),
    Option(
        "Contempt", "spin", "contempt", "Value a draw this many centipawns lower in games, not in analysis", -1000, 1000
    ),
    Option(
        "MovesLeftMaxEffect",
        "float",
        "moves_left_max_effect",
        "Let the game's length change Q by at most this much",
        0.0,
        1.0,
    ),
    Option(
        "MovesLeftThreshold",
        "float",
        "moves_left_threshold",
        "Let the game's length count only where |Q| is above this",
        0.0,
        0.99,
    ),
    Option(
        "MovesLeftSlope", "float", "moves_left_slope", "Change Q by this much per ply of the game's length", 0.0, 1.0
    ),
    Option(
        "MinibatchSize",
        "spin",
        "minibatch_size",
        "Evaluate at most this many leaves in a batch (0 = automatic). Sparse nets and the evaluator material "
        "ignore this",
        0,
        512,
        old_field="round_size",
    ),
    Option(
        "MaxCollisionEvents",
        "spin",
        "max_collisions",
        "End a batch after this many collisions. Without endgame tables, sparse nets and the evaluator material "
        "ignore this",
        1,
        512,
    ),
    Option(
        "Temperature",
        "float",
        "temperature",
        "Sample the move with probability proportional to visits^(1/T). 0 = play the best",
        0.0,
        100.0,
    ),
    Option(
        "TempDecayMoves",
        "spin",
        "temperature_moves",
        "Lower the temperature to 0 over this many moves of the game (0 = keep it)",
        0,
        640,
    ),
    Option(
        "DirichletNoiseEpsilon", "float", "noise_epsilon", "Mix this share of noise into the root's priors", 0.0, 1.0
    ),
    Option(
        "DirichletNoiseAlpha",
        "float",
        "noise_alpha",
        "Spread that noise more evenly over the moves with a higher alpha (Dirichlet)",
        0.001,
        100.0,
    ),
    Option("Seed", "spin", "seed", "Seed random choices with this number (0 = a new one each run)", 0, 2**31 - 1),
    Option(
        "SyzygyPath", "string", "syzygy_path", "Look for Syzygy endgame tables in these folders, separated as in PATH"
    ),
    Option("SyzygyProbeLimit", "spin", "syzygy_probe_limit", "Probe endgame tables with up to this many pieces", 0, 7),
    Option(
        "Syzygy50MoveRule",
        "check",
        "syzygy_fifty_move_rule",
        "Count tablebase wins as draws where the fifty-move rule prevents them",
    ),
    Option("OwnBook", "check", "own_book", "Play from BookFile while it knows the position"),
    Option("BookFile", "string", "book_file", "Use this opening book in Polyglot's format (.bin)"),
    Option("BookDepth", "spin", "book_depth", "Use the book for this many plies from the start of the game", 0, 200),
    Option(
        "VerboseMoveStats",
        "check",
        "verbose_move_stats",
        "Show visits, prior and value of every root move, as Lc0 prints them",
    ),
    Option("LogFile", "string", "log_file", "Copy all UCI traffic to this file", aliases=("Debug Log File",)),
    Option("Clear Hash", "button", "", "Forget the search tree and all caches", aliases=("ClearTree",)),
)


# ---- values ---------------------------------------------------------------------------------------------------------


def find_option(name: str) -> Option | None:
    """The row with this UCI name or alias (case does not matter), or None."""
    wanted = " ".join(name.split()).lower()
    return next((option for option in OPTIONS if wanted in map(str.lower, (option.name, *option.aliases))), None)


def parse_value(option: Option, text: str) -> Value:
    """The value that `text` stands for. Raises ConfigError naming option, value and range."""
    text = text.strip()
    try:
        if option.type == "spin":
            value: Value = int(text)
        elif option.type == "float":
            value = float(text)
        elif option.type == "check":
            value = {"true": True, "false": False}[text.lower()]
        elif option.type == "combo":
            value = {choice.lower(): choice for choice in option.choices}.get(text.lower(), "")
            if not value:
                value = text if option.takes_place and ":" in text else dict(option.old_choices)[text.lower()]
        else:
            value = "" if text == EMPTY else text
    except (ValueError, KeyError):
        raise _bad_value(option, text) from None
    _check_value(option, value)
    return value


def set_option(options: EngineOptions, name: str, text: str) -> EngineOptions:
    """A copy of `options` with one option set from its UCI name and value text.

    Raises ConfigError for an unknown name, a button (which has no value) or a bad value.
    """
    option = find_option(name)
    if option is None or option.type == "button":
        raise ConfigError(f"no option {name!r} takes a value")
    return replace(options, **{option.field: parse_value(option, text)})  # type: ignore[arg-type]


def _check_value(option: Option, value: Value) -> None:
    kinds: dict[str, tuple[type, ...]] = {"spin": (int,), "float": (int, float), "check": (bool,)}
    good = isinstance(value, kinds.get(option.type, (str,))) and isinstance(value, bool) == (option.type == "check")
    if good and isinstance(value, int | float) and option.min is not None and option.max is not None:
        good = option.min <= value <= option.max  # false for NaN too
    if good and option.choices:
        good = value in option.choices or (option.takes_place and ":" in str(value))
    if good and isinstance(value, str):
        good = value.isprintable()  # no file has control characters in its name, and the system refuses some
    if not good:
        raise _bad_value(option, value)


def _bad_value(option: Option, value: Value) -> ConfigError:
    return ConfigError(f"{option.name} ({option.field}): bad value {value!r}, expected {option.range_text}")


def usable_cpus() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
