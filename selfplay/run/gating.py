"""The third phase of a generation: candidate against best network, and promotion if it wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from engine.evaluation import make_evaluator
from engine.search.params import SearchParams
from selfplay.games.gate_game import GateGame
from selfplay.games.seats import Seating
from selfplay.matches.statistics import complete_pairs, estimate_elo, leading_pairs, pentanomial
from selfplay.run.actors import play_with_actors
from selfplay.run.config import GateSettings
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import GateResult

__all__ = ["GateProgress", "gate", "verdict"]

OPENING_STREAM = 0x6A7E  # separates the choice of gate openings from other random numbers


@dataclass(frozen=True)
class GateProgress:
    """Progress of a gate: games played, maximum number of games, and the test's state."""

    games: int
    of_games: int
    llr: float
    score: float


def verdict(points: dict[int, float], settings: GateSettings) -> GateResult | None:
    """The games' decision, or None while it is open. points: the candidate's, by game number.

    Pairs count in their order up to the first that is not complete, and what follows a decision is ignored: the
    verdict does not depend on which games happened to finish first.
    """
    pairs = leading_pairs(points)[: settings.pairs]
    state = settings.sprt().follow(pairs)
    if state.decision is None and len(pairs) < settings.pairs:
        return None
    estimate = estimate_elo(np.array(state.pentanomial))
    return GateResult(
        accepted=estimate.score >= settings.accept_score if state.decision is None else state.decision,
        decided=state.decision is not None,
        pentanomial=state.pentanomial,
        llr=state.llr,
        score=estimate.score,
        elo=estimate.elo,
        elo_low=estimate.elo_low,
        elo_high=estimate.elo_high,
    )


def gate(
    run: RunFolder, generation: int, report: Callable[[GateProgress], None], stop: Callable[[], bool]
) -> GateResult | None:
    """Play the remaining games, save the verdict and promote an accepted candidate; None if stopped."""
    settings, games = run.config.gate, run.config.games
    points = run.ledger.gate_points(generation)
    result = run.ledger.gate(generation) or verdict(points, settings)

    def finish(game: GateGame) -> None:
        nonlocal result
        run.ledger.note_gate_game(generation, game.number, game.candidate_points, game.ply, game.ending)
        points[game.number] = game.candidate_points
        result = result or verdict(points, settings)
        report(_progress(points, settings))

    if result is None:
        numbers = [number for number in range(2 * settings.pairs) if number not in points]
        play_with_actors(
            _new_games(run, generation, numbers),
            lambda: [
                make_evaluator("network", net, threads=1, backend=games.backend)
                for net in (run.candidate(generation), run.best)
            ],
            games.actors,
            Seating(
                games=min(games.concurrent, max(1, -(-len(numbers) // games.actors))),
                params=SearchParams(mate_moves=1),
                visits=settings.visits,
                plies=settings.longest,
            ),
            finish,
            lambda: result is not None or stop(),
        )
    if result is None:
        return None
    # We save the verdict before the promotion: a crash in between repeats the promotion, never the match.
    run.note_verdict(generation, result)
    if result.accepted:
        run.promote(generation)
    return result


def _progress(points: dict[int, float], settings: GateSettings) -> GateProgress:
    llr = settings.sprt().log_likelihood_ratio(pentanomial(complete_pairs(points)))
    return GateProgress(len(points), 2 * settings.pairs, llr, float(np.mean(list(points.values()))))


def _new_games(run: RunFolder, generation: int, numbers: list[int]) -> Iterator[GateGame]:
    openings = run.opening_rows()
    order = np.random.default_rng([run.config.seed, generation, OPENING_STREAM]).permutation(len(openings))
    for number in numbers:
        start = openings[order[number // 2 % len(openings)]]
        yield GateGame(number, start, run.config.gate.visits, run.config.gate.longest)
