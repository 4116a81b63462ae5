"""The second phase of a generation: a candidate network, trained on the replay, starting from the best network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.errors import RunError
from engine.nn import dit
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

__all__ = ["FitProgress", "FitResult", "fit", "learner_settings", "replay_set"]

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
    data = _training_data(training, heldout_games, settings)
    seed, how = run.config.seed + SEED_OF_FIT * generation, learner_settings(run.config)
    rates, total_steps = WarmupCosine.over_progress(settings.peak_rate), _total_steps(settings)
    batches = family.batches(data, how, seed)
    learner = Learner(family, model, batches, how, lambda step: rates(step / total_steps))
    try:
        if not _train(run, generation, learner, report, stop):
            return None
        candidate = learner.averaged_model()
    finally:
        learner.close()
    after = heldout.evaluate(candidate, run.config.threads)
    scores = {"heldout_before": asdict(before), "heldout": asdict(after)}
    card = {"kind": "self-play", "generation": generation, "positions": settings.positions, **scores}
    dit.save(run.candidate(generation), candidate, card, configuration=asdict(run.config))
    run.ledger.note_losses(generation, learner.steps_done, "before", asdict(before))
    run.ledger.note_losses(generation, learner.steps_done, "after", asdict(after))
    return FitResult(before, after)


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
