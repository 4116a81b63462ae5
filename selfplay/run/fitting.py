"""The second phase of a generation: a candidate network, trained on the replay, starting from the
best network.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import NetFileError, RunError
from engine.native.uptime import uptime_s
from engine.network.weights import load_net
from engine.nn import dit
from engine.nn.layer import Layer
from engine.nn.training.checkpoint import write_checkpoint
from engine.nn.training.schedules import WarmupCosine
from selfplay.data.split import (
    HELD_OUT_SHARE,
    game_keys,
    held_out_games,
    limit_for,
    unseen,
    without_held_out,
)
from selfplay.families.by_name import family_of
from selfplay.families.planes.custom import is_custom
from selfplay.interrupt import Report, Stop, Tell
from selfplay.records.collect import collect
from selfplay.records.game import training_game
from selfplay.records.order import ORDER_VERSION
from selfplay.records.positions import PositionSet, concatenate
from selfplay.records.replay import published_games, published_generations, segment_path
from selfplay.run.config import FitSettings, RunConfig
from selfplay.run.folder import RunFolder
from selfplay.training.family import Family, HeldOutScores, Learning, saved_at_last
from selfplay.training.learner import load_checkpoint
from selfplay.training.losses import number_text
from selfplay.training.recipe import LearnerSettings, StepSettings
from selfplay.training.source_files import TrainingData, read_heldout

LOG_STEPS = 10
HELDOUT_POSITIONS = 8192
# The seed is the run's plus this times the generation, so each generation has its own order.
SEED_OF_FIT = 7919


@dataclass(frozen=True)
class FitResult:
    """Scores on the window's held-out games: of the network to begin with, and of the candidate;
    None without any.
    """

    before: HeldOutScores | None
    after: HeldOutScores | None


class NothingToLearn(RunError):
    """No position of the window's games can be trained on."""


def replay_set(run: RunFolder, generation: int) -> PositionSet:
    """Training positions of a published generation, games in the order of their numbers.

    Raises RunError where there is none or no game of it is intact; damaged games are left out with
    a warning.
    """
    path = segment_path(run.replay, generation)
    if not path.is_file():
        raise RunError(f"{path} is missing: generate generation {generation} first")
    games = published_games(run.replay, generation)
    if not games:
        raise RunError(
            f"{path}: no game in it is intact; remove the file to train on the other generations"
        )
    fit = run.config.fit
    positions, illegal = collect(training_game(game, fit.value_share) for game in games)
    if illegal:
        raise RunError(f"{path}: {illegal} games with illegal moves")
    return positions


def learner_settings(config: RunConfig) -> LearnerSettings:
    same = {setting.name: getattr(config.fit, setting.name) for setting in fields(StepSettings)}
    return LearnerSettings(**same, threads=config.threads)


def fit(
    run: RunFolder, generation: int, report: Report, tell: Tell, stop: Stop
) -> FitResult | None:
    """Train and write the candidate; None when stopped, with a checkpoint from which the next call
    continues.

    Raises NothingToLearn.
    """
    settings = run.config.fit
    training, heldout = _window(run, generation, settings.heldout_share)
    if not training.usable.any():
        raise NothingToLearn(
            f"{run.path}: generation {generation}: the games have no position to learn from"
        )
    model = run.load(run.best)
    family = family_of(run.config.net)
    score = _scorer(run, family, heldout)
    before = score(model)
    data = TrainingData((training,), (1.0,), heldout)
    total_steps = _total_steps(settings)
    seed = run.config.seed + SEED_OF_FIT * generation
    how = learner_settings(run.config)
    rates = WarmupCosine.over_progress(settings.peak_rate)
    batches = family.batches(data, how, seed)
    learner = family.learner(
        model, batches, how, lambda step: rates(step / total_steps), settings.backend
    )
    with closing(learner):
        if not _train(run, generation, learner, report, tell, stop):
            return None
        candidate = learner.averaged_model()
    result = FitResult(before, score(candidate))
    _publish(
        run,
        generation,
        candidate,
        result,
        {"kind": "self-play", "positions": settings.positions},
        total_steps,
    )
    return result


def adopt(run: RunFolder, generation: int, path: Path) -> FitResult:
    """Make a network that was trained elsewhere the candidate. Raises RunError for another
    architecture's.
    """
    best, candidate = run.load(run.best), run.load(path)
    if candidate.config() != best.config():
        raise RunError(f"{path}: not of the architecture of {run.best}")
    # A training elsewhere holds out HELD_OUT_SHARE, even where this run's own hold out more.
    _, heldout = _window(run, generation, HELD_OUT_SHARE)
    score = _scorer(run, family_of(run.config.net), heldout)
    result = FitResult(score(best), score(candidate))
    run.ledger.forget_losses(generation)
    _publish(run, generation, candidate, result, {"kind": "adopted", "from": path.name}, 0)
    return result


def _window(
    run: RunFolder, generation: int, heldout_share: float
) -> tuple[PositionSet, PositionSet]:
    """(positions to train on, held-out games) of a generation's window.

    No game is held out where nothing would be left to train on. Games that a held-out file has are
    left out.
    """
    settings = run.config.fit
    first = generation - settings.window + 1
    numbers = published_generations(run.replay, first, generation)
    window = concatenate([replay_set(run, number) for number in numbers])
    limit = limit_for([window], heldout_share)
    if not without_held_out(window, limit).usable.any():
        limit = 0
    training = without_held_out(window, limit)
    if settings.heldout:
        heldout = read_heldout(Path(settings.heldout), run.path / "cache")
        return training.select(~np.isin(game_keys(training), game_keys(heldout))), heldout
    return training, unseen(held_out_games(window, limit), [training], limit)[0]


def _scorer(
    run: RunFolder, family: Family, heldout: PositionSet
) -> Callable[[Layer], HeldOutScores | None]:
    """Return what scores a model on held-out games; None where no position is unseen."""
    if not heldout.usable.any():
        return lambda model: None
    sample = family.heldout(heldout, HELDOUT_POSITIONS)
    return lambda model: sample.evaluate(model, run.config.threads)


def _publish(
    run: RunFolder,
    generation: int,
    candidate: Layer,
    result: FitResult,
    card: Mapping[str, Any],
    steps: int,
) -> None:
    """Write the candidate, and its losses to the run database. card: how it was made."""
    scorings = (("before", "heldout_before", result.before), ("after", "heldout", result.after))
    card = {**card, "generation": generation} | {
        name: asdict(score) for _, name, score in scorings if score is not None
    }
    path = run.candidate(generation)
    dit.save(path, candidate, card, configuration=asdict(run.config))
    try:
        if not is_custom(run.config.net):
            load_net(path)
    except NetFileError as error:
        path.unlink()
        raise RunError(
            f"{error}. Nothing can play so: a lower --fit.peak_rate keeps weights smaller"
        ) from error
    for kind, _, score in scorings:
        if score is not None:
            run.ledger.note_losses(generation, steps, kind, asdict(score))


def _total_steps(settings: FitSettings) -> int:
    return max(1, settings.positions // settings.batch_size)


def _train(
    run: RunFolder, generation: int, learner: Learning, report: Report, tell: Tell, stop: Stop
) -> bool:
    """Train until the generation's positions are used up; False when stopped. Writes a checkpoint
    either way.
    """
    path = run.fit_checkpoint(generation)
    conditions = _conditions(run, learner)
    if path.is_file():
        arrays, values = load_checkpoint(path)
        if values.get("conditions") == conditions:
            learner.restore(arrays, values)
        else:
            tell(
                f"generation {generation}: settings or data have changed since its training began; it begins again"
            )
    if learner.steps_done == 0:
        run.ledger.forget_losses(generation)

    def save() -> None:
        arrays, values = learner.state()
        write_checkpoint(path, arrays, {**values, "conditions": conditions})

    batch_size = run.config.fit.batch_size
    total_steps = _total_steps(run.config.fit)
    first = learner.steps_done
    started = uptime_s()
    saved = started
    with saved_at_last(save):
        while learner.steps_done < total_steps and not stop():
            learner.remember()
            losses = learner.step()
            now = uptime_s()
            if learner.steps_done % LOG_STEPS == 0 or learner.steps_done == total_steps:
                run.ledger.note_losses(generation, learner.steps_done, "train", asdict(losses))
                speed = (learner.steps_done - first) * batch_size / (now - started)
                text = f"policy {number_text(losses.policy, '.3f')} value {number_text(losses.value, '.3f')}"
                report(learner.steps_done / total_steps, f"{text}, {speed:,.0f} positions/s")
            if now - saved >= run.config.fit.checkpoint_s:
                save()
                saved = now
        save()
    return learner.steps_done >= total_steps


def _conditions(run: RunFolder, learner: Learning) -> dict[str, Any]:
    """All that decides what a training's batches are and what it makes of them; its checkpoint fits
    no others.
    """
    settings = asdict(run.config.fit)
    del settings["checkpoint_s"], settings["backend"], settings["heldout"]
    return {**settings, "all_positions": learner.batches.n_positions, "order": ORDER_VERSION}
