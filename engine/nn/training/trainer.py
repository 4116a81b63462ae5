"""Trains a model on arrays: seeded, repeatable on any number of threads, resumable bit for bit.

One step, from the outside in: `Trainer.fit` draws a batch, `Trainer.step` asks a `GradientSource`
for its gradients, and the optimizer (optimizers.py) moves the parameters. The usual source is
`LayerGradients`: its `DataParallel.step` (parallel.py) sends the batch through the model
(layers/containers.py, then for instance layers/dense.py), the loss (losses.py) and back. Only three
things are random: (seed, epoch) gives the order of the examples, (seed, step) their augmentation
and (seed, step, shard) the dropout masks. A checkpoint therefore needs no random generator state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.backend import Backend, backend_of, backend_of_all
from engine.errors import ConfigError, DataError, TrainingError
from engine.native.interrupts import Uninterrupted
from engine.nn.layer import Array, Layer, Places
from engine.nn.training.averaging import ExponentialAverage, StochasticAverage
from engine.nn.training.callbacks import Callback, as_callback
from engine.nn.training.checkpoint import (
    RunState,
    check_same,
    data_identity,
    read_checkpoint,
    run_identity,
    write_checkpoint,
)
from engine.nn.training.clipping import clip_value, global_norm, scale_all
from engine.nn.training.data import Data, Loader, as_loader, check_whole, parts_of
from engine.nn.training.device_step import DeviceStep
from engine.nn.training.history import History, Record
from engine.nn.training.optimizers import Optimizer
from engine.nn.training.parallel import (
    GradientSource,
    LayerGradients,
    LossFunction,
    Metric,
    means_over,
)
from engine.nn.training.rates import rate_factors
from engine.nn.training.terminal import progress_bar
from engine.nn.training.trainer_settings import TrainerSettings, check_arguments

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
    watchers: Sequence[Callback] = ()
    shows: bool = False  # whether to show a progress bar


class Trainer:
    """Trains `model` in place with a loss, an optimizer and a learning rate.

    `schedule` is that rate: a number, or a function from the step number (from 0) to the rate
    (schedules.py). `loss` is a function of outputs and targets, or a GradientSource. With a
    function, `metrics` are further means to report. With a GradientSource, call `step` with batches
    that it takes; `fit` and `evaluate` do not apply. `average` is a weight average to use in place
    of one from `settings.average_decay`; it is updated after every step.

    `rates` are factors of the rate by the beginnings of parameters' names, such as {"trunk.": 0,
    "head.": 1}; the longest that fits counts. Factor 0 freezes a part: it stays as it is,
    statistics of BatchNorm included, and computes as in inference; gradients that only it would
    need are left out. Raises ConfigError for an argument of another kind, for a rate that is
    negative or not finite, and for a model in half precision.
    """

    def __init__(
        self,
        model: Layer,
        loss: LossFunction | GradientSource,
        optimizer: Optimizer,
        schedule: Callable[[int], float] | float,
        settings: TrainerSettings | None = None,
        metrics: Mapping[str, Metric] | None = None,
        average: ExponentialAverage | StochasticAverage | None = None,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        check_arguments(model, loss, optimizer, schedule, settings, metrics)
        factors = rate_factors(model, rates)
        frozen = {name for name, factor in factors.items() if not factor}
        self._rates = dict(rates or {})
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.schedule = schedule if callable(schedule) else lambda step: schedule
        self.settings = settings or TrainerSettings()
        self.metrics = dict(metrics or {})
        self._run = RunState()
        self._uninterrupted = Uninterrupted()
        decay = self.settings.average_decay
        if average is None and decay is not None:
            average = ExponentialAverage(decay)
        self._average = average
        self._source = self._made_source(frozen)
        has_limit = self.settings.clip_norm or self.settings.clip_value
        measures_norm = bool(self._source.measures_norm or has_limit)
        moving = optimizer, average, measures_norm, factors if rates else {}
        self._device = DeviceStep(model, self._source, *moving)
        self._find_arrays()
        # What a checkpoint says of the data, for `fit` to compare.
        self._saved_data: dict[str, Any] | None = None

    def _made_source(self, frozen: Collection[str]) -> GradientSource:
        if isinstance(self.loss, GradientSource):
            return self.loss
        settings = self.settings
        shard_size = settings.shard_size or settings.batch_size
        further = shard_size, settings.threads, settings.precision, frozen
        return LayerGradients(self.model, self.loss, self.metrics, *further)

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
        """Whether the validation loss stopped improving."""
        return (
            self.settings.patience is not None
            and self._epochs_without_improvement() >= self.settings.patience
        )

    def _epochs_without_improvement(self) -> int:
        """Return for how many epochs the validation loss has had no new best value."""
        losses = [
            math.inf,
            *(record["validation_loss"] for record in self.history if "validation_loss" in record),
        ]
        return len(losses) - 1 - losses.index(min(losses))

    def _progress(self, steps: int) -> tuple[int, int]:
        """Return how many epochs are done, and steps of the next one, of `steps` each; earlier ones
        may have others.
        """
        last = self.history.records[-1] if self.history.records else {"epoch": 0, "step": 0}
        epochs, done = divmod(self.steps_done - int(last["step"]), steps)
        return int(last["epoch"]) + epochs, done

    def _loss_function(self) -> LossFunction:
        if isinstance(self.loss, GradientSource):
            raise ConfigError(
                "a trainer on a source of gradients takes batches by `step`: expected a loss function"
            )
        return self.loss

    # ---- training --------------------------------------------------------------------------------

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
        `patience`, the model ends with the weights of the best validation loss. Raises ShapeError
        when the numbers of inputs and targets differ, TrainingError when a loss or gradient is not
        finite, DataError when the loss ignores all targets, ConfigError for `patience` without
        validation data, a callback of another kind, other data, and a checkpoint of a model that no
        file describes.
        """
        plan = self._checked_plan(data, epochs, validation, checkpoint, checkpoint_steps)
        given = [callbacks] if callable(callbacks) else callbacks
        plan = plan._replace(watchers=[as_callback(one) for one in given], shows=progress)
        self._finish_epoch(plan)  # of a run that ended behind its last step
        while not self._run_callbacks(plan) and not self._is_done(plan):
            self._run_epoch(plan)
            self._finish_epoch(plan)
        run = self._run
        if run.best:
            run.last = {name: array.copy(order="K") for name, array in self._tensors().items()}
            self.model.load_parameters(run.best)
        return run.history

    def _checked_plan(
        self,
        data: Data | Loader,
        epochs: float,
        validation: Data | Loader | None,
        checkpoint: str | Path | None,
        checkpoint_steps: int | None,
    ) -> _Plan:
        """Return what `fit` was asked for. Raises ConfigError where it does not fit this trainer."""
        loader = as_loader(data)
        run = self._run
        self._loss_function()
        held_out = None if validation is None else as_loader(validation)
        if self.settings.patience is not None and validation is None:
            raise ConfigError("patience needs validation data")
        if epochs != math.inf:
            check_whole("epochs", epochs, 0)
        if checkpoint_steps is not None:
            check_whole("checkpoint_steps", checkpoint_steps, 1)
        if checkpoint is not None:
            self._identity()
        self._check_data(loader)
        if not run.seen and not run.untold:
            run.ending = False  # a `stop` from before has no epoch to end
        batches = parts_of(len(loader), self.settings.batch_size)
        return _Plan(loader, batches, epochs, held_out, checkpoint, checkpoint_steps)

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
        found = data_identity(loader)
        began = self._run.data
        if began is not None and began["examples"] != found["examples"]:
            there = f"training began with {began['examples']} examples, expected as many, got {found['examples']}"
            raise ConfigError(
                f"{there}; new data needs a new Trainer, which may take the same model"
            )
        if self._saved_data is not None:
            check_same("the checkpoint", {"data": found}, {"data": self._saved_data})
        self._run.data = found
        self._saved_data = None

    def _run_epoch(self, plan: _Plan) -> None:
        """Run the remaining steps of the current epoch."""
        self._find_arrays()
        data, batches = plan.data, plan.batches
        epoch, done = self._progress(len(batches))
        order = np.random.default_rng([self.settings.seed, epoch]).permutation(len(data))
        draws = data.augment is not None or type(data) is not Loader
        jobs = [
            (order[part], self._augmenting(self.steps_done + n) if draws else None)
            for n, part in enumerate(batches[done:])
        ]
        show_progress = progress_bar(f"epoch {epoch + 1}", len(batches), plan.shows)
        with show_progress as show, self._uninterrupted.steps(), self._source.steps():
            for number, batch in enumerate(data.batches(jobs)):
                means = self._step(batch, None, len(jobs[number][0]))
                show(done + number + 1, f"loss {means['loss']:.4f}")
                for watcher in plan.watchers:
                    watcher.on_step(self, means)
                steps = plan.checkpoint_steps
                if plan.checkpoint is not None and steps and self.steps_done % steps == 0:
                    self.save(plan.checkpoint)
        if not self._run.seen:
            raise DataError(
                "expected at least one target to learn, found those alone that the loss ignores"
            )

    def _augmenting(self, step: int) -> np.random.Generator:
        return np.random.default_rng(
            np.random.SeedSequence([self.settings.seed, step], spawn_key=(AUGMENTATION,))
        )

    def step(self, batch: Any, rate: float | None = None) -> Record:
        """Take one step on a batch, at `rate` or else the schedule's rate.

        Returns the means of loss and metrics over the batch, and the gradient norm before clipping.
        Raises TrainingError when the loss or a gradient is not finite; weights and statistics then
        are those before this step.
        """
        if isinstance(self._source, LayerGradients):
            as_loader(batch)  # checks that there are as many inputs as targets
        self._find_arrays()
        return self._step(batch, rate, 0)

    def _find_arrays(self) -> None:
        """Note where the model keeps its arrays; it may have other parts than at the last look."""
        self._named, self._buffers = Places(self.model, "params"), Places(self.model, "buffers")

    def _step(self, batch: Any, rate: float | None, examples: int) -> Record:
        """Take one step; `examples` of the batch count in the epoch's means, or as many places as
        the loss counted.
        """
        run = self._run
        if run.last:
            self.model.load_parameters(run.last)
            run.last = {}
        statistics = {name: array.copy() for name, array in self._buffers.read().items()}
        done = run.steps_done
        try:
            rate = self._rate(run.steps_done) if rate is None else rate
            self._device.find(self._named.read())
            seed = self.settings.seed, run.steps_done
            means, grads = self._device.gradients(batch, seed, statistics)
            grads = self._clipped_gradients(means, grads, rate)
            with self._uninterrupted:
                self._move(grads, rate, means, examples)
        except BaseException:  # Ctrl-C too
            if run.steps_done == done:
                self.model.load_buffers(statistics)
            raise
        return means

    def _clipped_gradients(
        self, means: Record, grads: Mapping[str, Array], rate: float
    ) -> Mapping[str, Array]:
        """Return gradients within both limits. Raises TrainingError where loss or gradients are not
        finite.
        """
        limit = self.settings.clip_norm
        norm = means.get("gradient_norm", 0.0)
        self._check_finite("loss", means["loss"], rate)
        if not self._device.may_overflow:
            self._check_finite("gradient", norm, rate)
        if self.settings.clip_value is not None:
            clip_value(grads, self.settings.clip_value)
            norm = 0.0 if limit is None else global_norm(grads)
        if limit is not None and norm > limit:
            scale_all(grads, limit / norm)
        return grads

    def _check_finite(self, what: str, found: float, rate: float) -> None:
        if not math.isfinite(found):
            advice = f"check the data for NaN, or lower the rate of {rate:g}"
            raise TrainingError(
                f"step {self.steps_done}: expected a finite {what}, got {found}; {advice}"
            )

    def _move(self, grads: Mapping[str, Array], rate: float, means: Record, examples: int) -> None:
        """Move the weights by one step and count it; gradients that overflowed in mixed precision
        move nothing.
        """
        run = self._run
        self._device.apply(grads, rate, means)
        run.steps_done += 1
        places = getattr(means["loss"], "places", examples) if examples else 0
        for name, value in means.items() if places else ():
            run.sums[name] = run.sums.get(name, 0.0) + value * places
        run.seen += places

    def _rate(self, step: int) -> float:
        return self.schedule(step) * self._run.rate_factor

    def scale_rate(self, factor: float) -> None:
        """Multiply the schedule's rates by `factor` from the next step on; for callbacks."""
        self._run.rate_factor = factor

    def stop(self) -> None:
        """Let `fit` end after the current epoch; for callbacks. A later `fit` trains on."""
        self._run.ending = True

    def close(self) -> None:
        """Stop the threads."""
        self._source.close()

    def _finish_epoch(self, plan: _Plan) -> None:
        """Behind the last step of an epoch, measure the validation loss and add its record, all of
        it or nothing.
        """
        run = self._run
        steps = len(plan.batches)
        validation = plan.validation
        if not run.seen or self._progress(steps)[1]:
            return
        rate = float(self._rate(run.steps_done - 1))
        record: Record = {"epoch": self._progress(steps)[0], "step": run.steps_done, "rate": rate}
        record |= {name: total / run.seen for name, total in run.sums.items()}
        if validation is not None:
            record |= {
                f"validation_{name}": value for name, value in self.evaluate(validation).items()
            }
            self._check_finite("validation loss", record["validation_loss"], rate)
        with self._uninterrupted:
            run.history.records.append(record)
            run.sums = {}
            run.seen = 0
            run.untold = True
            if self.settings.patience is not None and not self._epochs_without_improvement():
                run.best = {name: array.copy(order="K") for name, array in self._tensors().items()}
        if plan.checkpoint is not None and plan.watchers:
            self.save(plan.checkpoint)

    # ---- evaluation ------------------------------------------------------------------------------

    def evaluate(self, data: Data | Loader, model: Layer | None = None) -> Record:
        """Return the mean loss and metrics of `model` (default: the trained one) over the examples,
        as inference.

        There is no dropout and no augmentation, and BatchNorm uses its running statistics.
        """
        model = self.model if model is None else model
        measures = (self._loss_function(), self.metrics)
        return means_over(as_loader(data), self.settings.batch_size, model, *measures)

    def averaged_model(self) -> Layer:
        """Return a model with averaged weights and current running statistics; ConfigError if there
        is no average.
        """
        averages = self._device.tensors()["average"]
        if not averages:
            raise ConfigError("no averaged weights: set average_decay and train first")
        twin = self.model.replica()
        twin.reseed(0)
        twin.adopt_parameters({name: array.copy(order="K") for name, array in averages.items()})
        tensors = self._tensors()
        twin.load_buffers({name: tensors[name] for name in twin.named_buffers()})
        return twin

    def _tensors(self) -> dict[str, Array]:
        """Return the parameters and buffers with which training goes on."""
        return self._run.last or self.model.named_parameters() | self.model.named_buffers()

    # ---- checkpoints -----------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return what a resumed run needs for its next step, as named arrays and JSON values."""
        groups = {"model": self._tensors()} | self._device.tensors()
        arrays = {
            f"{group}/{name}": array
            for group, tensors in groups.items()
            for name, array in tensors.items()
        }
        return arrays, {
            "steps_done": self.steps_done,
            "optimizer_steps": self.optimizer.steps,
            "average_updates": 0 if self._average is None else self._average.count,
            "loss_scale": self._device.state(),
        }

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Load what `state` returned. Raises ConfigError or ShapeError for the state of another
        training run.
        """
        backend = backend_of_all(self.model.named_parameters())
        self.model.load_parameters(_group(arrays, "model/", backend))
        self._run.last = {}
        tensors = {name: _group(arrays, f"{name}/", backend) for name in ("optimizer", "average")}
        self._run.steps_done = values["steps_done"]
        updates = values.get("average_updates", self.steps_done)
        self._device.load(tensors, values["optimizer_steps"], updates)
        self._device.restore(values.get("loss_scale"))

    def save(self, path: str | Path) -> None:
        """Write everything a resumed run needs to one file, atomically.

        Raises NetFileError on failure, TrainingError for weights that are not finite: an older file
        then stays.
        """
        for name, array in self._tensors().items():
            if not backend_of(array).xp.isfinite(array).all():
                raise TrainingError(
                    f"{path}: expected finite numbers to save, found others in {name}; lower the rate"
                )
        arrays, values = self.state()
        arrays |= {f"best/{name}": array for name, array in self._run.best.items()}
        write_checkpoint(
            path, arrays, values | self._run.values() | {"form": FORM, "identity": self._identity()}
        )

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
        mine = self._identity()
        theirs = values["identity"]
        check_same(path, mine, theirs, changed)
        kept = [name for name in arrays if name.startswith("optimizer/")]
        slots = {name.partition("/")[2].partition(".")[0] for name in kept}
        is_another = mine["optimizer"]["class"] != theirs["optimizer"]["class"]
        if is_another and slots != {*self.optimizer.slots}:
            arrays = {name: array for name, array in arrays.items() if name not in kept}
            values["optimizer_steps"] = 0
        self.restore(arrays, values)
        self._run = RunState.of(
            values, _group(arrays, "best/", backend_of_all(self.model.named_parameters()))
        )
        self._run.data = self._saved_data = None if "data" in changed else values["data"]

    def _identity(self) -> dict[str, Any]:
        settings = asdict(self.settings) | ({"rates": self._rates} if self._rates else {})
        return run_identity(self.model, self.optimizer, self._average, self.metrics, settings)


def _group(arrays: Mapping[str, np.ndarray], prefix: str, backend: Backend) -> dict[str, Array]:
    names = {name: name.removeprefix(prefix) for name in arrays if name.startswith(prefix)}
    return {own: backend.asarray(arrays[name]) for name, own in names.items()}
