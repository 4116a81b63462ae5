"""How self-play games are played; one field, one comment, values checked where they are set."""

from __future__ import annotations

from dataclasses import dataclass

from engine.backend import BACKEND_NAMES
from engine.errors import ConfigError

__all__ = ["GameSettings"]


@dataclass(frozen=True)
class GameSettings:
    """Self-play of one generation."""

    count: int = 128  # games of a generation
    concurrent: int = 32  # games at once in one actor, each with one leaf in a batch
    actors: int = 2  # threads that play, each with its own games and evaluator
    backend: str = "numpy"  # that evaluates towers: numpy, cupy, or auto, a GPU where one answers
    visits: int = 128  # of the root, for a move that is recorded as a training target
    fast_visits: int = 24  # of the root, for a move that is only played (playout-cap randomisation)
    full_share: float = 1.0  # share of moves searched with `visits`; 1 = no playout cap (Wu 2019, arXiv:1902.10565)
    noise_share: float = 0.25  # of Dirichlet noise in the root's priors
    noise_alpha: float = 0.3  # concentration of that noise
    gumbel: int = 0  # root moves that a Gumbel root considers, without noise_* and temperature; 0 = PUCT root
    temperature: float = 1.0  # of the visit counts a move is drawn from, in the first `temperature_plies`
    temperature_plies: int = 24
    late_temperature: float = 0.0  # after them; 0 = the best move
    resign_below: float = -0.96  # root value of the side to move at which it may give up; -1 = never
    resign_moves: int = 3  # such moves in a row, by each side about itself
    play_through: float = 0.2  # share of games that are never resigned, to see what resigning costs
    resign_errors: float = 0.05  # most of the resignations that may be wrong: `resign_below` sinks until it is so
    longest: int = 400  # plies; then the game is a draw
    opening_share: float = 0.5  # of games from the opening set; the others begin at the start position
    chess960_share: float = 0.0  # of these others, share that begins at a start position of Chess960
    most_draws: float = 0.7  # share of drawn games from which the next generation starts and plays more variedly

    def __post_init__(self) -> None:
        if self.backend not in BACKEND_NAMES:
            raise ConfigError(f"games.backend: expected one of {', '.join(BACKEND_NAMES)}, got {self.backend!r}")
        for name in ("count", "concurrent", "actors", "visits", "fast_visits", "resign_moves", "longest"):
            if getattr(self, name) < 1:
                raise ConfigError(f"games.{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("full_share", "noise_share", "play_through", "resign_errors", "opening_share",
                     "chess960_share"):  # fmt: skip
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"games.{name}: expected 0..1, got {getattr(self, name)}")
        for name in ("temperature", "late_temperature", "temperature_plies"):
            if getattr(self, name) < 0:
                raise ConfigError(f"games.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.gumbel < 0 or not 0.0 < self.most_draws <= 1.0:
            raise ConfigError(
                f"games.gumbel {self.gumbel} (expected 0 or more), most_draws {self.most_draws} (above 0, up to 1)"
            )
        if self.noise_alpha <= 0 or not -1.0 <= self.resign_below < 0.0:
            raise ConfigError(
                f"games.noise_alpha {self.noise_alpha} (expected > 0), resign_below {self.resign_below} (-1..0)"
            )
