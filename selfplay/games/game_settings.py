"""Settings of self-play games."""

from dataclasses import dataclass, field, fields
from typing import Any

from engine.backend import BACKEND_NAMES
from engine.options import EngineOptions
from engine.options.settings import check_settings, setting


@dataclass(frozen=True)
class GameSettings:
    """Settings of one generation's self-play. Raises ConfigError for a value out of its range.

    Playout caps (`fast_visits`, `full_share`): Wu 2019, arXiv:1902.10565.
    """

    # fmt: off
    count: int = setting(128, "play this many games in a generation", least=1)
    concurrent: int = setting(0,
        "play this many games at once in each worker, each adds one leaf to a batch; 0 = 32, on a GPU 512", least=0)
    backend: str = setting("numpy", "evaluate towers with this; auto = a GPU if one answers", BACKEND_NAMES)
    visits: int = setting(128, "search a move that becomes a training target for this many root visits", least=1)
    fast_visits: int = setting(24, "search a move that is only played for this many root visits", least=1)
    full_share: float = setting(1.0,
        "search this share of moves with games.visits, the others with games.fast_visits", least=0, most=1)
    noise_share: float = setting(0.25, "mix this share of Dirichlet noise into the root priors", least=0, most=1)
    noise_alpha: float = setting(0.3, "sample that noise with this concentration (alpha); lower = more uneven", above=0)
    temperature: float = setting(1.0,
        "sample moves in proportion to visits^(1/T) for games.temperature_plies; 0 = play the best", least=0)
    temperature_plies: int = setting(24, "use that temperature for this many plies", least=0)
    late_temperature: float = setting(0.0, "use this temperature afterwards; 0 = play the best move", least=0)
    resign_below: float = setting(-0.96,
        "let a side resign when its Q at the root is below this; -1 = never", least=-1, below=0)
    resign_moves: int = setting(3, "resign after this many such moves of one side in a row", least=1)
    play_through: float = setting(0.2,
        "play this share of games to the end, to measure what resigning costs", least=0, most=1)
    resign_errors: float = setting(0.05,
        "allow at most this share of wrong resignations; games.resign_below is lowered until it holds, 1 = "
        "never", least=0, most=1)
    longest: int = setting(400, "call a game a draw after this many plies", least=1)
    opening_share: float = setting(0.5,
        "start this share of games from the opening set, the others from the start position", least=0, most=1)
    chess960_share: float = setting(0.0,
        "start this share of those other games from a Chess960 position", least=0, most=1)
    most_draws: float = setting(0.7,
        "vary openings and moves more in the next generation if more than this share of games is drawn; 1 = "
        "never", above=0, most=1)
    # fmt: on

    def __post_init__(self) -> None:
        check_settings(self, "games.")


def _as_option(name: str) -> Any:
    """Return the engine option of that name as a setting."""
    option = next(option for option in fields(EngineOptions) if option.name == name)
    return field(default=option.default, metadata=option.metadata)


@dataclass(frozen=True)
class SearchSettings:
    """Constants of the search, in self-play and gate: the engine's options of these names.

    Raises ConfigError for a value out of its range.
    """

    cpuct_init: float = _as_option("cpuct_init")
    fpu_reduction: float = _as_option("fpu_reduction")
    policy_temperature: float = _as_option("policy_temperature")

    def __post_init__(self) -> None:
        check_settings(self, "search.")
