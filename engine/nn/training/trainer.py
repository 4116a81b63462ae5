"""Trains a model on arrays: seeded, repeatable on any number of threads, resumable bit for bit.

One step, from the outside in: `Trainer.fit` draws a batch, `Step.take` (step.py) asks a
`GradientSource` for its gradients, and the optimizer (optimizers.py) moves the parameters. The
usual source is `LayerGradients` (layer_gradients.py): its `DataParallel.step` (shards.py) sends the
batch through the model (layers/containers.py, then for instance layers/dense.py), the loss
(losses.py) and back. Only three things are random: (seed, epoch) gives the order of the examples,
(seed, step) their augmentation and (seed, step, shard) the dropout masks. A checkpoint therefore
needs no random generator state.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError, DataError, TrainingError
from engine.native.blas import one_blas_thread
from engine.nn.array_checks import ArrayDict, copies
from engine.nn.layer import Layer
from engine.nn.means import means_of
from engine.nn.training.averaging import ExponentialAverage
from engine.nn.training.callbacks import Callback, as_callback
from engine.nn.training.checkpoint import (
    check_same,
    data_identity,
    read_checkpoint,
    run_identity,
    write_checkpoint,
)
from engine.nn.training.data import Data, Loader, as_loader, check_whole, parts_of
from engine.nn.training.gradient_source import GradientSource
from engine.nn.training.history import History, Record
from engine.nn.training.layer_gradients import LayerGradients, LossFunction, Metric, means_over
from engine.nn.training.parameter_groups import Rates, checked_rates
from engine.nn.training.progress import progress_bar
from engine.nn.training.run_state import RunState
from engine.nn.training.schedules import Schedule
from engine.nn.training.step import Average, Step, in_group
from engine.nn.training.trainer_settings import TrainerSettings, check_arguments, check_schedule

FORM = 2  # of checkpoints; batches were others in the first
# Spawn key of the generators for augmentation, which keeps their draws apart from all others.
AUGMENTATION = 1


class _Plan(NamedTuple):
    """What a call of `fit` asks for."""

    data: Loader
    batches: Sequence[slice]  # of an epoch
    epochs: float
    validation: Loader | None
    checkpoint: str | Path | None
    checkpoint_steps: int | None
    watchers: Sequence[Callback]
    shows: bool  # whether to show a progress bar


class Trainer:
    """Trains `model` in place with a loss, an optimizer and a learning rate.

    `schedule` is that rate: a number, or a function from the step number (from 0) to the rate
    (schedules.py). `loss` is a function of outputs and targets, or a GradientSource. With a
    function, `metrics` are further means to report. `average` is a weight average to use in place
    of one from `settings.average_decay`; it is updated after every step.

    `rates` are factors of the rate by the beginnings of parameters' names, such as {"trunk.": 0,
    "head.": 1}; the longest that fits counts. Factor 0 freezes a part: it stays as it is,
    statistics of BatchNorm included, and computes as in inference; gradients that only it would
    need are left out. Raises ConfigError for an argument of another kind, for a rate that is
    negative or not finite, and for a model in half precision.

    It runs epochs over data, with validation, early stop, callbacks and checkpoints. With a
    GradientSource in place of a loss function, call `step`; `fit` and `evaluate` do not apply.
    `schedule` may be set to another one at any time. What else a trainer is made from stays: to
    change it, make a new trainer, which may take the same model.
    """

    def __init__(
        self,
        model: Layer,
        loss: LossFunction | GradientSource,
        optimizer: Any,
        schedule: Schedule | float,
        settings: TrainerSettings | None = None,
        metrics: Mapping[str, Metric] | None = None,
        average: Average | None = None,
        rates: Rates | None = None,
    ) -> None:
        check_arguments(model, loss, optimizer, schedule, settings, metrics)
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.settings = settings or TrainerSettings()
        self.metrics = MappingProxyType(dict(metrics or {}))
        self.rates = MappingProxyType(checked_rates(model, rates))
        if average is None and self.settings.average_decay is not None:
            average = ExponentialAverage(self.settings.average_decay)
        self.average = average
        parts = self.settings, average, self.rates
        self._step = Step(model, self._source(), optimizer, _as_schedule(schedule), *parts)
        # What a checkpoint says of the data, for `fit` to compare.
        self._saved_data: dict[str, Any] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        """Raise ConfigError for a part that would count in some places and not in others."""
        if name in vars(self) and not name.startswith("_"):
            advice = "make a new trainer, which may take the same model"
            raise ConfigError(f"Trainer.{name} stays as it is: {advice}")
        super().__setattr__(name, value)

    def _source(self) -> GradientSource:
        if isinstance(self.loss, GradientSource):
            return self.loss
        settings = self.settings
        shard_size = settings.shard_size or settings.batch_size
        further = shard_size, settings.threads, self.rates
        return LayerGradients(self.model, self.loss, self.metrics, *further)

    @property
    def schedule(self) -> Schedule:
        """The learning rate of each step."""
        return self._step.schedule

    @schedule.setter
    def schedule(self, schedule: Schedule | float) -> None:
        check_schedule(schedule)
        self._step.schedule = _as_schedule(schedule)

    @property
    def _run(self) -> RunState:
        return self._step.run

    @property
    def history(self) -> History:
        """One record per finished epoch."""
        return self._run.history

    @property
    def steps_done(self) -> int:
        """Training steps so far, including those before an interruption."""
        return self._run.steps_done

    @property
    def stopped(self) -> bool:
        """Whether the measure of `settings` stopped improving."""
        patience = self.settings.patience
        return patience is not None and self._epochs_without_improvement() >= patience

    def _epochs_without_improvement(self) -> int:
        """Return for how many epochs the measure has had no new best value."""
        measure = self.settings.measure
        if measure not in self.history:
            return 0
        return self.history.stalls(measure, self.settings.highest)[-1]

    def _progress(self, steps: int) -> tuple[int, int]:
        """Return how many epochs are done, and steps of the next one, of `steps` each; earlier ones
        may have others.
        """
        last: Record = {"epoch": 0, "step": 0}
        if self.history.records:
            last = self.history.records[-1]
        epochs, done = divmod(self.steps_done - int(last["step"]), steps)
        return int(last["epoch"]) + epochs, done

    def _loss_function(self) -> LossFunction:
        if isinstance(self.loss, GradientSource):
            raise ConfigError(
                "a trainer on a source of gradients takes batches by `step`: expected a loss function"
            )
        return self.loss

    # ---- training --------------------------------------------------------------------------------

    def step(self, batch: Any, rate: float | None = None) -> Record:
        """Take one step on a batch, at `rate` or else the schedule's rate.

        Returns the means of loss and metrics over the batch, and the gradient norm before clipping.
        Raises TrainingError when the loss or a gradient is not finite; weights and statistics then
        are those before this step.
        """
        if isinstance(self._step.source, LayerGradients):
            batch = as_loader(batch).whole()  # checks that there are as many inputs as targets
        return self._step.take(batch, rate, 0)

    def fit(
        self,
        data: Data | Loader,
        epochs: int,
        validation: Data | Loader | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_steps: int | None = None,
        callbacks: Sequence[Callback | Callable[[Record], object]] = (),
        progress: bool = False,
    ) -> History:
        """Train up to `epochs` epochs in total, or until validation stops improving; return the
        history.

        `data` is Data(inputs, targets), or a Loader for data larger than memory or with
        augmentation. `epochs` counts from the first call: to train on after 20 epochs, ask for more
        than 20; with `math.inf`, early stopping or a callback ends the run. `callbacks` run after
        every step or epoch (callbacks.py); for one that prints every record, pass `[print]`.
        `progress` shows a bar and the loss beside it.

        With `checkpoint`, save the state to that file after every epoch and every
        `checkpoint_steps` steps; to continue from it, call `resume` first. After an interruption at
        any moment, another `fit` goes on in the same way, with the state in memory. With
        `patience`, the model ends with the weights of the best epoch. Raises ShapeError
        when the numbers of inputs and targets differ, TrainingError when a loss or gradient is not
        finite, DataError when the loss ignores all targets, ConfigError for `patience` on a measure
        of validation without such data, a callback of another kind, other data, and a checkpoint of a model that no
        file describes.
        """
        loader = as_loader(data)
        if validation is not None:
            validation = as_loader(validation)
        if callable(callbacks):
            callbacks = [callbacks]
        plan = _Plan(
            loader,
            parts_of(len(loader), self.settings.batch_size),
            epochs,
            validation,
            checkpoint,
            checkpoint_steps,
            [*map(as_callback, callbacks)],
            progress,
        )
        self._check(plan)
        self._finish_epoch(plan)  # of a run that ended behind its last step
        while not self._run_callbacks(plan) and not self._is_done(plan):
            self._run_epoch(plan)
            self._finish_epoch(plan)
        run = self._run
        if run.best:
            run.last = copies(self._step.tensors())
            self.model.load_parameters(run.best)
        return run.history

    def _check(self, plan: _Plan) -> None:
        """Raise ConfigError where what `fit` was asked for does not fit this trainer."""
        run = self._run
        self._loss_function()
        self._check_measure(plan.validation)
        if plan.epochs != math.inf:
            check_whole("epochs", plan.epochs, 0)
        if plan.checkpoint_steps is not None:
            check_whole("checkpoint_steps", plan.checkpoint_steps, 1)
        if plan.checkpoint is not None:
            run_identity(self)
        self._check_data(plan.data)
        if not run.weights and not run.untold:
            run.ending = False  # a `stop` from before has no epoch to end

    def _check_measure(self, validation: Any) -> None:
        """Raise ConfigError for patience on a measure that no epoch will have."""
        if self.settings.patience is None:
            return
        measure = self.settings.measure
        plain = measure.removeprefix("validation_")
        if plain != measure and validation is None:
            raise ConfigError(f"patience on {measure} needs validation data")
        if plain not in ("loss", *self.metrics):
            names = ", ".join(["loss", *self.metrics])
            raise ConfigError(
                f"patience: no epoch has a {measure!r}; expected {names}, or validation_..."
            )

    def _is_done(self, plan: _Plan) -> bool:
        return self.stopped or self._progress(len(plan.batches))[0] >= plan.epochs

    def _run_callbacks(self, plan: _Plan) -> bool:
        """Give the callbacks the last epoch's record, if they have not had it, and save the state;
        return whether one of them ends the run.
        """
        run = self._run
        if not run.untold:
            return False
        for watcher in plan.watchers:
            watcher.on_epoch(self, run.history.records[-1])
        ended = run.ending
        run.untold = run.ending = False
        try:
            if plan.checkpoint is not None:
                self.save(plan.checkpoint)
        except BaseException:
            run.untold = True
            run.ending = ended
            raise
        return ended

    def _check_data(self, loader: Loader) -> None:
        """Note what the training data is. Raises ConfigError when the run began with other data."""
        identity = data_identity(loader)
        began = self._run.data
        if began is not None and began["examples"] != identity["examples"]:
            there = f"training began with {began['examples']} examples, expected as many, got {identity['examples']}"
            raise ConfigError(
                f"{there}; new data needs a new Trainer, which may take the same model"
            )
        if self._saved_data is not None:
            check_same("the checkpoint", {"data": identity}, {"data": self._saved_data})
        self._run.data = identity
        self._saved_data = None

    def _run_epoch(self, plan: _Plan) -> None:
        """Run the remaining steps of the current epoch."""
        data, batches = plan.data, plan.batches
        epoch, done = self._progress(len(batches))
        order = np.random.default_rng([self.settings.seed, epoch]).permutation(len(data))
        draws = data.augment is not None or type(data) is not Loader
        jobs = []
        for step, part in enumerate(batches[done:], self.steps_done):
            rng: np.random.Generator | None = None
            if draws:
                rng = self._augmenting(step)
            jobs.append((order[part], rng))
        show_progress = progress_bar(f"epoch {epoch + 1}", len(batches), plan.shows)
        with show_progress as show, self._step.uninterrupted.steps(), one_blas_thread:
            for (rows, _), batch in zip(jobs, data.batches(jobs), strict=True):
                means = self._step.take(batch, None, len(rows))
                done += 1
                show(done, f"loss {means['loss']:.4f}")
                for watcher in plan.watchers:
                    watcher.on_step(self, means)
                steps = plan.checkpoint_steps
                if plan.checkpoint is not None and steps and self.steps_done % steps == 0:
                    self.save(plan.checkpoint)
        if not self._run.weights.get("loss"):
            raise DataError(
                "expected at least one target to learn, found those alone that the loss ignores"
            )

    def _augmenting(self, step: int) -> np.random.Generator:
        return np.random.default_rng(
            np.random.SeedSequence([self.settings.seed, step], spawn_key=(AUGMENTATION,))
        )

    def stop(self) -> None:
        """Let `fit` end after the current epoch; for callbacks. A later `fit` trains on."""
        self._run.ending = True

    def _finish_epoch(self, plan: _Plan) -> None:
        """Behind the last step of an epoch, measure the validation loss and add its record, all of
        it or nothing.
        """
        run = self._run
        steps = len(plan.batches)
        validation = plan.validation
        if not run.weights.get("loss") or self._progress(steps)[1]:
            return
        rate = float(self._step.rate_of(run.steps_done - 1))
        record: Record = {"epoch": self._progress(steps)[0], "step": run.steps_done, "rate": rate}
        record |= means_of(run.sums, run.weights)
        if validation is not None:
            for name, value in self.evaluate(validation).items():
                record[f"validation_{name}"] = value
            self._step.check_finite("validation loss", record["validation_loss"], rate)
        with self._step.uninterrupted:
            run.history.records.append(record)
            run.sums = {}
            run.weights = {}
            run.untold = True
            if self.settings.patience is not None and not self._epochs_without_improvement():
                run.best = copies(self._step.tensors())
        if plan.checkpoint is not None and plan.watchers:
            self.save(plan.checkpoint)

    def scale_rate(self, factor: float) -> None:
        """Multiply the schedule's rates by `factor` from the next step on; for callbacks."""
        self._run.rate_factor = factor

    def close(self) -> None:
        """Stop the threads."""
        self._step.source.close()

    # ---- evaluation ------------------------------------------------------------------------------

    def evaluate(self, data: Data | Loader, model: Layer | None = None) -> Record:
        """Return the mean loss and metrics of `model` (default: the trained one) over the examples,
        as inference.

        There is no dropout and no augmentation, and BatchNorm uses its running statistics.
        """
        if model is None:
            model = self.model
        measures = (self._loss_function(), self.metrics)
        return means_over(as_loader(data), self.settings.batch_size, model, *measures)

    def averaged_model(self) -> Layer:
        """Return a model with averaged weights and current running statistics; ConfigError if there
        is no average.
        """
        if self.average is None or not self.average.tensors:
            raise ConfigError("no averaged weights: set average_decay and train first")
        twin = self.model.copy()
        twin.reseed(0)
        current = self._step.tensors()
        buffers = {name: current[name] for name in twin.named_buffers()}
        twin.load_parameters(self.average.tensors | buffers)
        return twin

    # ---- checkpoints -----------------------------------------------------------------------------

    def state(self) -> tuple[ArrayDict, dict[str, Any]]:
        """Return what a resumed run needs for its next step, as named arrays and JSON values."""
        return self._step.state()

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Load what `state` returned. Raises ConfigError or ShapeError for the state of another
        training run.
        """
        self._step.load(arrays, values)

    def save(self, path: str | Path) -> None:
        """Write everything a resumed run needs to one file, atomically.

        Raises NetFileError on failure, TrainingError for weights that are not finite: an older file
        then stays.
        """
        for name, array in self._step.tensors().items():
            if not xp_of(array).isfinite(array).all():
                raise TrainingError(
                    f"{path}: expected finite numbers to save, found others in {name}; lower the rate"
                )
        arrays, values = self.state()
        arrays |= in_group("best", self._run.best)
        values |= self._run.values() | {"form": FORM, "identity": run_identity(self)}
        write_checkpoint(path, arrays, values)

    def resume(self, path: str | Path, changed: Collection[str] = ()) -> None:
        """Load the state of a checkpoint; training continues as if it had never stopped.

        Model, dtype, optimizer, metrics, weight average and settings must be those of the run that
        saved it, and in `fit` also the data. `changed` names what is another on purpose, such as
        ["optimizer"]: one that does not know what the other kept begins anew. Schedule and loss are
        not compared; the number of threads and the backend may differ. Raises NetFileError for a
        missing or damaged file, ConfigError when it belongs to another run.
        """
        arrays, values = read_checkpoint(path)
        if values.get("form") != FORM:
            raise ConfigError(
                f"{path}: expected a checkpoint of Trainer.save, form {FORM}, found {values.get('form')}"
            )
        mine = run_identity(self)
        theirs = values["identity"]
        check_same(path, mine, theirs, changed)
        remembered = [name for name in arrays if name.startswith("optimizer/")]
        slots = {name.partition("/")[2].partition(".")[0] for name in remembered}
        is_another = mine["optimizer"]["class"] != theirs["optimizer"]["class"]
        if is_another and slots != {*self.optimizer.slots}:
            for name in remembered:
                del arrays[name]
            values["optimizer_steps"] = 0
        self.restore(arrays, values)
        if "data" in changed:
            values["data"] = None
        self._step.run = RunState.of(values, self._step.group(arrays, "best"))
        self._saved_data = self._run.data


def _as_schedule(schedule: Schedule | float) -> Schedule:
    """Return a function from the step number to the rate."""
    if callable(schedule):
        return schedule
    return lambda step: schedule
