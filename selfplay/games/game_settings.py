"""Settings of self-play games."""

from __future__ import annotations

from dataclasses import dataclass

from engine.backend import BACKEND_NAMES
from selfplay.settings import check_settings, setting

__all__ = ["GameSettings"]


@dataclass(frozen=True)
class GameSettings:
    """Settings of one generation's self-play. Raises ConfigError for a value out of its range.

    Playout caps (`fast_visits`, `full_share`): Wu 2019, arXiv:1902.10565. Gumbel roots: Danihelka et al. 2022.
    """

    count: int = setting(128, "games of a generation", least=1)
    concurrent: int = setting(32, "games at once in one actor, each with one leaf in a batch", least=1)
    actors: int = setting(2, "threads that play, in self-play and gate, each with games of its own", least=1)
    backend: str = setting("numpy", "what evaluates towers; auto is a GPU where one answers", BACKEND_NAMES)
    visits: int = setting(128, "root visits of a move that is recorded as a training target", least=1)
    fast_visits: int = setting(24, "root visits of a move that is only played", least=1)
    full_share: float = setting(
        1.0, "share of moves searched with games.visits, the others with games.fast_visits", least=0, most=1
    )
    noise_share: float = setting(0.25, "share of Dirichlet noise in the root's priors", least=0, most=1)
    noise_alpha: float = setting(0.3, "concentration of that noise", above=0)
    gumbel: int = setting(
        0, "root moves that a Gumbel root considers, without noise and temperature; 0 is a PUCT root", least=0
    )
    temperature: float = setting(
        1.0, "a move is drawn by visits^(1/T) in the first games.temperature_plies; 0 plays the best", least=0
    )
    temperature_plies: int = setting(24, "plies for which that temperature holds", least=0)
    late_temperature: float = setting(0.0, "temperature behind them; 0 plays the best move", least=0)
    resign_below: float = setting(
        -0.96,
        "win less loss at the root, of the side to move, below which it may give up; -1 never",
        least=-1,
        below=0,
    )
    resign_moves: int = setting(3, "such moves in a row, by each side about itself, after which it resigns", least=1)
    play_through: float = setting(
        0.2, "share of games that nobody resigns, which show what resigning costs", least=0, most=1
    )
    resign_errors: float = setting(
        0.05, "most of the resignations that may be wrong: games.resign_below sinks until it is so", least=0, most=1
    )
    longest: int = setting(400, "plies after which a game is a draw", least=1)
    opening_share: float = setting(
        0.5, "share of games from the opening set; the others begin at the start position", least=0, most=1
    )
    chess960_share: float = setting(
        0.0, "share of these others that begins at a start position of Chess960", least=0, most=1
    )
    most_draws: float = setting(
        0.7, "share of drawn games above which the next generation starts and plays more variedly", above=0, most=1
    )

    def __post_init__(self) -> None:
        check_settings(self, "games.")
