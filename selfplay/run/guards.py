"""Watches self-play for two failures, generation by generation, and adjusts the settings against them.

Games that all end in draws teach nothing: where the last generation's share of draws is above `most_draws`, the next
one begins more of its games from the opening set and draws its moves by temperature for longer. Wrong resignations
teach falsehoods: games played through show how many there are, and the threshold sinks until they are few. What is done
follows from the published games alone, so an interrupted generation continues with the same settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from selfplay.games.game_settings import GameSettings
from selfplay.games.resignation import safe_threshold
from selfplay.records.game import SelfPlayRecord
from selfplay.records.replay import published_games, published_generations

GENERATIONS = 4  # count wrong resignations over this many newest generations; one has too few games played through


@dataclass(frozen=True)
class SelfPlaySummary:
    """Statistics of a generation's games, and the guarded settings they were played with.

    given_up: games played through in which a side would have resigned; wrong: those of them that it did not lose.
    """

    games: int
    drawn: int
    given_up: int
    wrong: int
    resign_below: float
    opening_share: float
    temperature_plies: int


def summarise(games: Sequence[SelfPlayRecord], settings: GameSettings) -> SelfPlaySummary:
    """The summary of games played with these settings."""
    return SelfPlaySummary(
        games=len(games),
        drawn=sum(game.white_points == 0 for game in games),
        given_up=sum(game.played_through and game.gave_up != 0 for game in games),
        wrong=sum(game.wrongly_given_up for game in games),
        resign_below=settings.resign_below,
        opening_share=settings.opening_share,
        temperature_plies=settings.temperature_plies,
    )


def guarded_settings(settings: GameSettings, replay: Path, generation: int) -> GameSettings:
    """The settings that a generation is played with, after the published ones before it."""
    earlier = [number for number in published_generations(replay) if generation - GENERATIONS <= number < generation]
    return guarded(settings, [published_games(replay, number) for number in earlier])


def guarded(settings: GameSettings, generations: Sequence[Sequence[SelfPlayRecord]]) -> GameSettings:
    """The settings after these generations, oldest first."""
    games = [game for one in generations for game in one]
    if not games:
        return settings
    below = safe_threshold(games, settings.resign_below, settings.resign_moves, settings.resign_errors)
    newest = summarise(generations[-1], settings)
    excess = max(0.0, newest.drawn / max(1, newest.games) - settings.most_draws) / max(1e-9, 1.0 - settings.most_draws)
    return replace(
        settings,
        resign_below=below,
        opening_share=settings.opening_share + excess * (1.0 - settings.opening_share),
        temperature_plies=round(settings.temperature_plies * (1.0 + excess)),
    )
