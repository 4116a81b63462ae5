"""Trains a model on arrays: seeded, repeatable on any number of threads, resumable bit for bit.

One step, from the outside in: `Trainer.fit` draws a batch, `Trainer.step` asks a `GradientSource` for its
gradients, and the optimizer (optimizers.py) moves the parameters. The usual source is `LayerGradients`: its
`DataParallel.step` (parallel.py) sends the batch through the model (layers/containers.py, then for instance
layers/dense.py), the loss (losses.py) and back. Only three things are random: (seed, epoch) gives the order of the
examples, (seed, step) their augmentation and (seed, step, shard) the dropout masks. A checkpoint therefore needs no
random generator state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.backend import NUMPY, backend_of_all
from engine.errors import ConfigError, TrainingError
from engine.nn.advice import Guided, check_whole, explained
from engine.nn.layer import Array, Layer, layer_from_config
from engine.nn.training.averaging import ExponentialAverage, StochasticAverage
from engine.nn.training.callbacks import Callback, as_callback
from engine.nn.training.checkpoint import read_checkpoint, write_checkpoint
from engine.nn.training.data import Data, Loader, as_loader, parts_of
from engine.nn.training.diagnosis import not_finite, why_no_gradient, why_no_loss, why_no_validation
from engine.nn.training.flat import FlatTensors
from engine.nn.training.history import History, Record
from engine.nn.training.identity import (
    data_identity,
    described,
    difference,
    on_purpose,
    parts_identity,
    rates_difference,
    rates_done,
)
from engine.nn.training.interrupts import uninterrupted
from engine.nn.training.layer_gradients import LayerGradients, LossFunction, Metric, floats, prepared
from engine.nn.training.optimizers import Optimizer, clip_global_norm, global_norm
from engine.nn.training.parallel import GradientSource
from engine.nn.training.progress import progress_bar
from engine.nn.training.trainer_settings import TrainerSettings, check_arguments

FORM = 2  # of checkpoints; batches were others in the first
AUGMENTATION = 1  # spawn key of the generators for augmentation, which keeps their draws apart from all others


class Trainer(Guided):
    """Trains `model` in place with a loss, an optimizer and a learning rate.

    `schedule` is that rate: a number, or a function from the step number (from 0) to the rate (schedules.py).
    `loss` is a function of outputs and targets, or a GradientSource. With a function, `metrics` are further means
    to report. With a GradientSource, call `step` with batches that it takes; `fit` and `evaluate` do not apply.
    `average` is a weight average to use in place of one from `settings.average_decay`; it is updated after every
    step. Raises ConfigError for an argument of another kind, for a rate that is negative or not finite, and for a model
    in half precision.
    """

    @explained
    def __init__(
        self,
        model: Layer,
        loss: LossFunction | GradientSource,
        optimizer: Optimizer,
        schedule: Callable[[int], float] | float,
        settings: TrainerSettings | None = None,
        metrics: Mapping[str, Metric] | None = None,
        average: ExponentialAverage | StochasticAverage | None = None,
    ) -> None:
        check_arguments(model, loss, optimizer, schedule, settings, metrics)
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.schedule = schedule if callable(schedule) else lambda step: schedule
        self._given: dict[str, Any] = {"schedule": schedule, "loss": loss}
        self.settings = settings or TrainerSettings()
        self.metrics = dict(metrics or {})
        self.history = History()
        self.steps_done = 0
        self.stopped = False  # whether the validation loss stopped improving
        self._ending = False  # whether a callback asked for the end of the run with this epoch
        self._untold = False  # whether callbacks may not have heard of the last record
        decay = self.settings.average_decay
        self._average = ExponentialAverage(decay) if average is None and decay is not None else average
        if isinstance(loss, GradientSource):
            self._source = loss
        else:
            shard_size = self.settings.shard_size or self.settings.batch_size
            self._source = LayerGradients(model, loss, self.metrics, shard_size, self.settings.threads)
        self._flat: FlatTensors | None = None  # the model's parameters, on a GPU
        self._best: dict[str, Array] = {}
        self._last: dict[str, Array] = {}  # tensors after the last step, while the model holds the best ones
        self._sums: Record = {}  # sums of loss and metrics over the epoch so far
        self._seen = 0  # number of examples in these sums
        self._drawn = 0  # number of examples in the batch that `fit` passes to `step`
        self._examples: int | None = None  # number of examples in the training data
        self._data: dict[str, Any] | None = None  # what a checkpoint says of them, for `fit` to compare
        self._data_found: dict[str, Any] | None = None

    def _loss_function(self) -> LossFunction:
        if isinstance(self.loss, GradientSource):
            raise ConfigError("a trainer on a source of gradients takes batches by `step`: expected a loss function")
        return self.loss

    # ---- training -------------------------------------------------------------------------------------------------

    @explained
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
        """Train up to `epochs` epochs in total, or until validation stops improving; return the history.

        `data` is Data(inputs, targets), or a Loader for data larger than memory or with augmentation. `epochs`
        counts from the first call: to train on after 20 epochs, ask for more than 20; with `math.inf`, early stopping
        or a callback ends the run. `callbacks` run after every step or epoch (callbacks.py); for one that prints
        every record, pass `[print]`. `progress` shows a bar and the loss beside it.

        With `checkpoint`, save the state to that file after every epoch and every `checkpoint_steps` steps; to
        continue from it, call `resume` first. After an interruption at any moment, another `fit` goes on in the
        same way, with the state in memory. With `patience`, the model ends with the weights of the best
        validation loss. Raises ShapeError when the numbers of inputs and targets differ, TrainingError when a loss or
        gradient is not finite, ConfigError for `patience` without validation data, for a callback of another kind,
        for a resumed run with other data, and for a checkpoint of a model that no file can describe.
        """
        loader = as_loader(data)
        watchers = [as_callback(given) for given in ([callbacks] if callable(callbacks) else callbacks)]
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
        if not self._seen and not self._untold:
            self._ending = False  # a `stop` from before has no epoch to end
        batches = parts_of(len(loader), self.settings.batch_size)
        ended = False
        while True:
            if self._seen and self.steps_done % len(batches) == 0:
                self._finish_epoch(len(batches), held_out)
                if checkpoint is not None and watchers:
                    self.save(checkpoint)
            if self._untold:
                ended = self._tell(watchers, checkpoint)
            if ended or self.stopped or self.steps_done >= epochs * len(batches):
                break
            self._epoch(loader, batches, checkpoint, checkpoint_steps, watchers, progress)
        if self._best:
            self._last = {name: array.copy(order="K") for name, array in self._tensors().items()}
            self.model.load_parameters(self._best)
        return self.history

    def _tell(self, watchers: Sequence[Callback], checkpoint: str | Path | None) -> bool:
        """Give the callbacks the last epoch's record, and save the state; return whether the run ends."""
        for watcher in watchers:
            watcher.on_epoch(self, self.history.records[-1])
        ended = self._ending
        self._untold = self._ending = False
        try:
            if checkpoint is not None:
                self.save(checkpoint)
        except BaseException:
            self._untold, self._ending = True, ended
            raise
        return ended

    def _check_data(self, loader: Loader) -> None:
        """Note what the training data is. Raises ConfigError when a run began with other data."""
        count, found = len(loader), data_identity(loader)
        if self._examples not in (None, count):
            raise ConfigError(
                f"training began with {self._examples} examples, expected as many, got {count}; "
                "new data needs a new Trainer, which may take the same model"
            )
        if self._data is not None and (text := difference(self._data, found, "data")):
            raise ConfigError(f"the checkpoint belongs to other training data, {text}; {on_purpose('data')}")
        self._examples, self._data_found, self._data = count, found, None

    def _epoch(
        self,
        data: Loader,
        batches: Sequence[slice],
        checkpoint: str | Path | None,
        checkpoint_steps: int | None,
        watchers: Sequence[Callback],
        progress: bool,
    ) -> None:
        """Run the remaining steps of the current epoch."""
        epoch, done = divmod(self.steps_done, len(batches))
        order = np.random.default_rng([self.settings.seed, epoch]).permutation(len(data))
        jobs = [(order[part], self._augmenting(self.steps_done + n)) for n, part in enumerate(batches[done:])]
        with progress_bar(f"epoch {epoch + 1}", len(batches), progress) as show:
            for number, batch in enumerate(data.batches(jobs)):
                self._drawn = len(jobs[number][0])
                try:
                    means = self.step(batch)
                finally:
                    self._drawn = 0
                show(done + number + 1, f"loss {means['loss']:.4f}")
                for watcher in watchers:
                    watcher.on_step(self, means)
                if checkpoint is not None and checkpoint_steps and self.steps_done % checkpoint_steps == 0:
                    self.save(checkpoint)

    def _augmenting(self, step: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self.settings.seed, step], spawn_key=(AUGMENTATION,)))

    def step(self, batch: Any, rate: float | None = None) -> Record:
        """Take one step on a batch, at `rate` or else the schedule's rate.

        Returns the means of loss and metrics over the batch, and the gradient norm before clipping. Raises
        TrainingError when the loss or a gradient is not finite; weights and statistics then are those before this step.
        """
        if self._last:
            self.model.load_parameters(self._last)
            self._last = {}
        statistics, done = {name: array.copy() for name, array in self.model.named_buffers().items()}, self.steps_done
        try:
            rate = self.schedule(self.steps_done) if rate is None else rate
            self._lay_flat()
            means, grads = self._slopes(batch, rate)
            with uninterrupted():
                self._move(grads, rate, means)
        except BaseException:  # Ctrl-C too
            if self.steps_done == done:
                self.model.load_buffers(statistics)
            raise
        return means

    def _slopes(self, batch: Any, rate: float) -> tuple[Record, Mapping[str, Array]]:
        """Return the means over a batch and its gradients, clipped."""
        result = self._source.gradients(batch, (self.settings.seed, self.steps_done))
        measured = {"loss": result.loss, **result.metrics}
        if self._flat is not None:
            return self._flat_slopes(self._flat.like(result.grads), measured, batch, rate)
        means = floats(measured)
        if not math.isfinite(means["loss"]):
            raise self._failure("loss", means["loss"], why_no_loss(self.model, batch, rate))
        if self.settings.clip_norm is not None or self._source.measures_norm:
            try:
                means["gradient_norm"] = clip_global_norm(result.grads, self.settings.clip_norm or math.inf)
            except TrainingError:
                cause = why_no_gradient(result.grads, batch, rate)
                raise self._failure("gradient", global_norm(result.grads), cause) from None
        return means, result.grads

    def _lay_flat(self) -> None:
        """On a GPU, put all parameters into one array, which the optimizer and the averages then change at once."""
        parameters = self.model.named_parameters()
        is_flat = self._flat is not None and all(parameters[name] is array for name, array in self._flat.items())
        if backend_of_all(parameters) is not NUMPY and parameters and not is_flat:
            self._flat = FlatTensors(parameters)
            self.model.adopt_parameters(self._flat)

    def _flat_slopes(
        self, grads: FlatTensors, measured: Mapping[str, Any], batch: Any, rate: float
    ) -> tuple[Record, Mapping[str, Array]]:
        """`_slopes` on a GPU: loss, metrics and the gradient's norm are read together, the only wait of a step."""
        if (scale := self._source.loss_scale) is not None:
            grads.whole *= 1 / scale.factor
        norm = backend_of_all(grads).xp.linalg.norm(grads.whole.astype(np.float64))
        means, limit = floats({**measured, "gradient_norm": norm}), self.settings.clip_norm
        if not math.isfinite(means["loss"]):
            raise self._failure("loss", means["loss"], why_no_loss(self.model, batch, rate))
        if not math.isfinite(found := means["gradient_norm"]) and (scale is None or scale.factor <= 1):
            raise self._failure("gradient", found, why_no_gradient(grads, batch, rate))
        if limit is not None and found > limit:
            grads.whole *= limit / found
        return means, grads

    def _move(self, grads: Mapping[str, Array], rate: float, means: Record) -> None:
        """Move the weights by one step and count it; gradients that overflowed in mixed precision move nothing."""
        parameters, pool, scale = (
            self._flat or self.model.named_parameters(),
            self._source.pool,
            self._source.loss_scale,
        )
        moves = scale is None or scale.follow(math.isfinite(means["gradient_norm"]))
        if unknown := sorted(grads.keys() - parameters.keys()):
            raise ConfigError(
                f"backward gave gradients of {unknown[:4]}, which the model does not have: a layer's arrays stand in "
                "its params, its parts in public attributes, each a layer or a dict of layers"
            )
        if moves:
            self.optimizer.step(parameters, grads, rate, pool)
        self.steps_done += 1
        if moves and self._average is not None:
            self._average.update(parameters, pool)
        for name, value in means.items() if self._drawn else ():
            self._sums[name] = self._sums.get(name, 0.0) + value * self._drawn
        self._seen += self._drawn

    def _failure(self, what: str, found: float, cause: str) -> TrainingError:
        return TrainingError(f"step {self.steps_done}: expected a finite {what}, got {found}; {cause}")

    def stop(self) -> None:
        """Let `fit` end after the current epoch; for callbacks. A later `fit` trains on."""
        self._ending = True

    def close(self) -> None:
        """Stop the threads."""
        self._source.close()

    def _finish_epoch(self, steps: int, validation: Loader | None) -> None:
        """Measure the validation loss and add the epoch's record, all of it or nothing."""
        rate = float(self.schedule(self.steps_done - 1))
        record: Record = {"epoch": self.steps_done // steps, "step": self.steps_done, "rate": rate}
        record |= {name: total / self._seen for name, total in self._sums.items()}
        if validation is not None:
            record |= {f"validation_{name}": value for name, value in self.evaluate(validation).items()}
            if not math.isfinite(loss := record["validation_loss"]):
                cause = why_no_validation(self.model, validation, self.settings.batch_size, rate)
                when = f"validation after step {self.steps_done}"
                raise TrainingError(f"{when}: expected a finite loss, got {loss}; {cause}")
        with uninterrupted():
            self.history.records.append(record)
            self._sums, self._seen, self._untold = {}, 0, True
            if self.settings.patience is not None:
                self._note_best(self.settings.patience)

    def _note_best(self, patience: int) -> None:
        losses = self.history["validation_loss"]
        best = losses.index(min(losses))
        if best == len(losses) - 1:
            self._best = {name: array.copy(order="K") for name, array in self._tensors().items()}
        self.stopped = len(losses) - 1 - best >= patience

    # ---- evaluation -----------------------------------------------------------------------------------------------

    def evaluate(self, data: Data | Loader, model: Layer | None = None) -> Record:
        """Return the mean loss and metrics of `model` (default: the trained one) over the examples, as inference.

        There is no dropout and no augmentation, and BatchNorm uses its running statistics.
        """
        loader, loss_of = as_loader(data), self._loss_function()
        count = len(loader)
        model = self.model if model is None else model
        sums: Record = {}
        for first in range(0, count, self.settings.batch_size):
            part = slice(first, min(first + self.settings.batch_size, count))
            inputs, targets = prepared(model, loader.batch(part))
            outputs, _ = model.forward(inputs)
            means = {"loss": loss_of(outputs, targets)[0]}
            means |= {name: metric(outputs, targets) for name, metric in self.metrics.items()}
            for name, value in floats(means).items():
                sums[name] = sums.get(name, 0.0) + value * (part.stop - part.start)
        return {name: total / count for name, total in sums.items()}

    def averaged_model(self) -> Layer:
        """Return a model with averaged weights and current running statistics; ConfigError if there is no average."""
        if self._average is None or not self._average.tensors:
            raise ConfigError("no averaged weights: set average_decay and train first")
        twin = layer_from_config(self.model.config(), np.random.default_rng(0))
        twin = twin.to(backend_of_all(self._average.tensors))
        twin.adopt_parameters({name: array.copy(order="K") for name, array in self._average.tensors.items()})
        tensors = self._tensors()
        twin.load_buffers({name: tensors[name] for name in twin.named_buffers()})
        return twin

    def _tensors(self) -> dict[str, Array]:
        """Return the parameters and buffers with which training goes on."""
        return self._last or self.model.named_parameters() | self.model.named_buffers()

    # ---- checkpoints ----------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return what a resumed run needs for its next step, as named arrays and JSON values."""
        groups = {
            "model": self._tensors(),
            "optimizer": self.optimizer.state()["tensors"],
            "average": self._average.tensors if self._average is not None else {},
        }
        arrays = {f"{group}/{name}": array for group, tensors in groups.items() for name, array in tensors.items()}
        updates = 0 if self._average is None else self._average.count
        return arrays, {
            "steps_done": self.steps_done,
            "optimizer_steps": self.optimizer.steps,
            "average_updates": updates,
            "loss_scale": None if (scale := self._source.loss_scale) is None else vars(scale).copy(),
        }

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Load what `state` returned. Raises ConfigError or ShapeError for the state of another training run."""
        backend = backend_of_all(self.model.named_parameters())
        self.model.load_parameters(_group(arrays, "model/"))
        self._last = {}
        tensors = {name: backend.asarray(array) for name, array in _group(arrays, "optimizer/").items()}
        self.optimizer.load_state({"steps": values["optimizer_steps"], "tensors": tensors})
        self.steps_done = values["steps_done"]
        if self._source.loss_scale is not None:
            vars(self._source.loss_scale).update(values.get("loss_scale") or {})
        if self._average is not None:
            averages = {name: backend.asarray(array) for name, array in _group(arrays, "average/").items()}
            self._average.load(averages, values.get("average_updates", self.steps_done))

    def save(self, path: str | Path) -> None:
        """Write everything a resumed run needs to one file, atomically.

        Raises NetFileError on failure, TrainingError for weights that are not finite: an older file then stays.
        """
        if broken := not_finite(self._tensors()):
            raise TrainingError(f"{path}: expected finite numbers to save, found others in {broken[0]}; lower the rate")
        arrays, values = self.state()
        arrays |= {f"best/{name}": array for name, array in self._best.items()}
        values |= {
            "form": FORM,
            "identity": self._identity(),
            "rates": self._rates(self.steps_done),
            "data": self._data or self._data_found,
            "stopped": self.stopped,
            "ending": self._ending,
            "untold": self._untold,
            "sums": self._sums,
            "seen": self._seen,
            "history": self.history.records,
        }
        write_checkpoint(path, arrays, values)

    def resume(self, path: str | Path, changed: Collection[str] = ()) -> None:
        """Load the state of a checkpoint; training continues as if it had never stopped.

        Model, dtype, optimizer, schedule, loss, metrics, weight average and settings must be those of the run that
        saved it, and in `fit` also the data, as far as they can be compared. `changed` names what is another on
        purpose, such as ["schedule"]. The number of threads and the backend may differ. Raises NetFileError for a
        missing or damaged file, ConfigError when it belongs to another run.
        """
        arrays, values = read_checkpoint(path)
        if values.get("form") != FORM:
            raise ConfigError(f"{path}: expected a checkpoint of Trainer.save, form {FORM}, found {values.get('form')}")
        mine, theirs = self._identity(), values["identity"]
        if unknown := sorted({*changed} - {*mine, "data"}):
            raise ConfigError(f"changed: expected names out of {', '.join([*mine, 'data'])}, found {unknown}")
        kept, self.history.records[:] = list(self.history.records), values["history"]  # a schedule may read it
        try:
            texts = {name: difference(part, theirs.get(name), name) for name, part in mine.items()}
            rates = rates_difference(self._rates(values["steps_done"]), values["rates"])
            texts["schedule"] = texts["schedule"] or rates
        finally:
            self.history.records[:] = kept
        for name, text in texts.items():
            if text and name not in changed:
                raise ConfigError(f"{path}: another run, {text}; {on_purpose(name)}")
        self.restore(arrays, values)
        backend = backend_of_all(self.model.named_parameters())
        self._best = {name: backend.asarray(array) for name, array in _group(arrays, "best/").items()}
        self.stopped, self._ending, self._untold = (values[name] for name in ("stopped", "ending", "untold"))
        self._sums, self._seen = values["sums"], values["seen"]
        self._examples = (values["data"] or {}).get("examples")
        self._data = None if "data" in changed else values["data"]
        self.history.records[:] = values["history"]

    def _identity(self) -> dict[str, Any]:
        """Return what a checkpoint must match, as JSON values; the number of threads is not part of it."""
        settings = described(replace(self.settings, threads=1))
        rest = {"metrics": sorted(self.metrics), "settings": settings}
        return parts_identity(self.model, self.optimizer, self._given, self._average) | rest

    def _rates(self, steps: int) -> list[float]:
        schedule = self._given["schedule"]
        return rates_done(schedule if callable(schedule) else lambda step: schedule, steps)


def _group(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
