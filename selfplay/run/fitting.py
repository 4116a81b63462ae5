"""The second phase of a generation: a candidate network, trained on the replay, starting from the best network."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.errors import RunError
from engine.nn import dit
from engine.nn.layer import Layer
from engine.nn.schedules import WarmupCosine
from selfplay.records.collect import collect
from selfplay.records.game import training_game
from selfplay.records.positions import PositionSet, concatenate
from selfplay.records.replay import published_games, published_generations, segment_path
from selfplay.run.config import FitSettings, RunConfig
from selfplay.run.folder import RunFolder
from selfplay.training.checkpoint import load_checkpoint, save_checkpoint
from selfplay.training.families import family_of_model
from selfplay.training.heldout import HeldOutScores, split_by_game
from selfplay.training.learner import Learner
from selfplay.training.recipe import LearnerSettings
from selfplay.training.source_files import SourceFiles, TrainingData, label_sets

__all__ = ["FitProgress", "FitResult", "adopt", "fit", "learner_settings", "replay_set"]

LOG_STEPS = 10
HELDOUT_POSITIONS = 8192
SEED_OF_FIT = 7919  # the seed is the run's plus this times the generation, so each generation has its own order


@dataclass(frozen=True)
class FitProgress:
    """Progress of a fit: fraction done, last batch's losses, positions per second of this call."""

    progress: float
    policy: float
    value: float
    positions_per_s: float


@dataclass(frozen=True)
class FitResult:
    """Scores on the newest generation's held-out games: of the network to begin with, and of the candidate."""

    before: HeldOutScores
    after: HeldOutScores


def replay_set(run: RunFolder, generation: int) -> PositionSet:
    """Training positions of a published generation, games in the order of their numbers.

    Raises RunError where there is none or no game of it is intact; damaged games are left out with a warning.
    """
    path = segment_path(run.replay, generation)
    if not path.is_file():
        raise RunError(f"{path} is missing: generate generation {generation} first")
    games = published_games(run.replay, generation)
    if not games:
        raise RunError(f"{path}: no game in it is intact; remove the file to train on the other generations")
    positions, illegal = collect(training_game(game, run.config.fit.value_share) for game in games)
    if illegal:
        raise RunError(f"{path}: {illegal} games with illegal moves")
    return positions


def learner_settings(config: RunConfig) -> LearnerSettings:
    """How the candidates of a run are trained."""
    return LearnerSettings(
        batch_size=config.fit.batch_size,
        weight_decay=config.fit.weight_decay,
        shard_size=config.fit.shard_size,
        threads=config.threads,
        average_decay=config.fit.average_decay,
        variations=config.fit.variations,
    )


def fit(
    run: RunFolder, generation: int, report: Callable[[FitProgress], None], stop: Callable[[], bool]
) -> FitResult | None:
    """Train and write the candidate; None when stopped, with a checkpoint from which the next call continues."""
    settings = run.config.fit
    newest, heldout_games = split_by_game(replay_set(run, generation), settings.heldout_share)
    window = [n for n in published_generations(run.replay) if generation - settings.window < n < generation]
    training = concatenate([*(replay_set(run, number) for number in window), newest])
    best, _ = dit.load(run.best)
    family = family_of_model(best)
    model = family.current(best)
    heldout = family.heldout(heldout_games, HELDOUT_POSITIONS)
    before = heldout.evaluate(model, run.config.threads)
    data, total_steps = _training_data(training, heldout_games, settings), _total_steps(settings)
    seed, how = run.config.seed + SEED_OF_FIT * generation, learner_settings(run.config)
    rates = WarmupCosine.over_progress(settings.peak_rate)
    batches = family.batches(data, how, seed)
    learner = Learner(family, model, batches, how, lambda step: rates(step / total_steps))
    try:
        if not _train(run, generation, learner, report, stop):
            return None
        candidate = learner.averaged_model()
    finally:
        learner.close()
    result = FitResult(before, heldout.evaluate(candidate, run.config.threads))
    _publish(run, generation, candidate, result, {"kind": "self-play", "positions": settings.positions}, total_steps)
    return result


def adopt(run: RunFolder, generation: int, path: Path) -> FitResult:
    """Make a network that was trained elsewhere the candidate. Raises RunError for another architecture's."""
    (best, _), (candidate, _) = dit.load(run.best), dit.load(path)
    family = family_of_model(best)
    best, candidate = family.current(best), family.current(candidate)
    if candidate.config() != best.config():
        raise RunError(f"{path}: not of the architecture of {run.best}")
    _, heldout_games = split_by_game(replay_set(run, generation), run.config.fit.heldout_share)
    heldout = family.heldout(heldout_games, HELDOUT_POSITIONS)
    result = FitResult(*(heldout.evaluate(model, run.config.threads) for model in (best, candidate)))
    _publish(run, generation, candidate, result, {"kind": "adopted", "from": path.name}, 0)
    return result


def _publish(
    run: RunFolder, generation: int, candidate: Layer, result: FitResult, card: Mapping[str, Any], steps: int
) -> None:
    """Write the candidate, and its losses to the run database. card: how it was made."""
    scores = {"heldout_before": asdict(result.before), "heldout": asdict(result.after)}
    dit.save(
        run.candidate(generation),
        candidate,
        {**card, "generation": generation, **scores},
        configuration=asdict(run.config),
    )
    run.ledger.note_losses(generation, steps, "before", asdict(result.before))
    run.ledger.note_losses(generation, steps, "after", asdict(result.after))


def _training_data(replay: PositionSet, heldout: PositionSet, settings: FitSettings) -> TrainingData:
    """The replay, and beside it the labels that the settings name."""
    if not settings.labels:
        return TrainingData((replay,), (1.0,), heldout)
    labels = list(label_sets([Path(settings.labels)], settings.labels_share, SourceFiles.scored_share))
    if not labels:
        raise RunError(f"{settings.labels}: a label folder without a label")
    rows, shares = zip(*labels, strict=True)
    return TrainingData((replay, *rows), (1.0 - settings.labels_share, *shares), heldout)


def _total_steps(settings: FitSettings) -> int:
    return max(1, settings.positions // settings.batch_size)


def _train(
    run: RunFolder,
    generation: int,
    learner: Learner,
    report: Callable[[FitProgress], None],
    stop: Callable[[], bool],
) -> bool:
    """Train until the generation's positions are used up; False when stopped. Writes a checkpoint either way."""
    path = run.fit_checkpoint(generation)
    if path.is_file():
        arrays, values = load_checkpoint(path)
        learner.restore(arrays, values)
    batch_size = run.config.fit.batch_size
    total_steps = _total_steps(run.config.fit)
    first, started = learner.steps_done, time.monotonic()
    saved = started
    while learner.steps_done < total_steps and not stop():
        losses = learner.step()
        now = time.monotonic()
        if learner.steps_done % LOG_STEPS == 0 or learner.steps_done == total_steps:
            run.ledger.note_losses(generation, learner.steps_done, "train", asdict(losses))
            speed = (learner.steps_done - first) * batch_size / (now - started)
            report(FitProgress(learner.steps_done / total_steps, losses.policy, losses.value, speed))
        if now - saved >= run.config.fit.checkpoint_s:
            save_checkpoint(path, *learner.state())
            saved = now
    save_checkpoint(path, *learner.state())
    return learner.steps_done >= total_steps
