"""Trains a model on arrays: seeded, repeatable on any number of threads, resumable bit for bit.

One step, from the outside in: ``Trainer.fit`` draws a batch, ``Trainer.step`` asks a ``GradientSource`` for its
gradients, and the optimizer (optimizers.py) moves the parameters. The usual source is ``LayerGradients``: its
``DataParallel.step`` (parallel.py) sends the batch through the model (layers/containers.py, then for instance
layers/dense.py), the loss (losses.py) and back. Only three things are random: (seed, epoch) gives the order of the
examples, (seed, step) their augmentation and (seed, step, shard) the dropout masks. A checkpoint therefore needs no
random generator state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.backend import NUMPY, backend_of_all
from engine.errors import ConfigError, TrainingError
from engine.nn.averaging import ExponentialAverage
from engine.nn.callbacks import Callback, as_callback
from engine.nn.checkpoint import read_checkpoint, write_checkpoint
from engine.nn.data import Data, Loader, as_loader, broken_examples
from engine.nn.history import History, Record
from engine.nn.layer import Array, Layer, layer_from_config
from engine.nn.optimizers import Optimizer, clip_global_norm, global_norm
from engine.nn.parallel import DataParallel, GradientSource, StepResult

LossFunction = Callable[[Any, Any], tuple[float, Any]]  # (outputs, targets) -> (mean loss, gradient like outputs)
Metric = Callable[[Any, Any], float]  # (outputs, targets) -> mean over the examples


AUGMENTATION = 1  # spawn key of the generators for augmentation, which keeps their draws apart from all others


@dataclass(frozen=True)
class TrainerSettings:
    """Training settings; results depend on every field except ``threads``."""

    batch_size: int = 32
    seed: int = 0
    clip_norm: float | None = None  # maximum norm of the whole gradient; None = no clipping
    average_decay: float | None = None  # decay of the exponential weight average (``Trainer.averaged_model``)
    patience: int | None = None  # stop after this many epochs without a better validation loss
    shard_size: int | None = None  # examples per shard; None = the whole batch in one shard
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("batch_size", "patience", "shard_size", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name}: expected at least 1, got {value}")
        if self.seed < 0:
            raise ConfigError(f"seed: expected at least 0, got {self.seed}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ConfigError(f"clip_norm: expected more than 0, got {self.clip_norm}")


class LayerGradients(GradientSource):
    """Computes gradients of a loss through the layers of a model, shard by shard; batches are ``Data``.

    Inputs of another floating dtype than the parameters' are cast to it; inputs and targets move to their backend.
    ``metrics`` are further means to report, by name. Like the loss, they take outputs and targets.
    """

    def __init__(
        self, model: Layer, loss: LossFunction, metrics: Mapping[str, Metric], shard_size: int, threads: int
    ) -> None:
        self.model, self.loss, self.metrics = model, loss, dict(metrics)
        self._runner = DataParallel(model, shard_size, threads)
        self.pool = self._runner.pool

    def gradients(self, batch: Data, seed: tuple[int, ...]) -> StepResult:
        """As in GradientSource."""
        inputs, targets = _prepared(self.model, batch)

        def loss(outputs: Any, part: slice) -> tuple[float, Any, dict[str, float]]:
            value, gradient = self.loss(outputs, targets[part])
            return value, gradient, {name: metric(outputs, targets[part]) for name, metric in self.metrics.items()}

        return self._runner.step(len(inputs), lambda part: inputs[part], loss, seed)


class Trainer:
    """Trains ``model`` in place with a loss, an optimizer and a learning rate.

    ``schedule`` is that rate: a number, or a function from the step number (from 0) to the rate (schedules.py).
    ``loss`` is a function of outputs and targets, or a GradientSource. With a function, ``metrics`` are further means
    to report. With a GradientSource, call ``step`` with batches that it takes; ``fit`` and ``evaluate`` do not apply.
    ``average`` is a weight average to use in place of one from ``settings.average_decay``. Raises ConfigError for an
    argument of another kind and for a rate that is negative or NaN.
    """

    def __init__(
        self,
        model: Layer,
        loss: LossFunction | GradientSource,
        optimizer: Optimizer,
        schedule: Callable[[int], float] | float,
        settings: TrainerSettings | None = None,
        metrics: Mapping[str, Metric] | None = None,
        average: ExponentialAverage | None = None,
    ) -> None:
        _check_arguments(model, loss, optimizer, schedule, settings, metrics)
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.schedule = schedule if callable(schedule) else lambda step: schedule
        self.settings = settings or TrainerSettings()
        self.metrics = dict(metrics or {})
        self.history = History()
        self.steps_done = 0
        self.stopped = False  # whether the validation loss stopped improving
        self._ending = False  # whether a callback asked for the end
        decay = self.settings.average_decay
        self._average = ExponentialAverage(decay) if average is None and decay is not None else average
        if isinstance(loss, GradientSource):
            self._source = loss
        else:
            shard_size = self.settings.shard_size or self.settings.batch_size
            self._source = LayerGradients(model, loss, self.metrics, shard_size, self.settings.threads)
        self._best: dict[str, Array] = {}
        self._last: dict[str, Array] = {}  # tensors after the last step, while the model holds the best ones
        self._sums: Record = {}  # sums of loss and metrics over the epoch so far
        self._examples: int | None = None  # number of examples in the training data

    def _loss_function(self) -> LossFunction:
        if isinstance(self.loss, GradientSource):
            raise ConfigError("a trainer on a source of gradients takes batches by `step`: expected a loss function")
        return self.loss

    # ---- training -------------------------------------------------------------------------------------------------

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
        """Train up to ``epochs`` epochs in total, or until validation stops improving; return the history.

        ``data`` is Data(inputs, targets), or a Loader for data larger than memory or with augmentation. ``epochs``
        counts from the first call: to train on after 20 epochs, ask for more than 20. ``callbacks`` run after every
        step or epoch (callbacks.py); for one that prints every record, pass ``[print]``. ``progress`` shows a bar
        and the loss beside it.

        With ``checkpoint``, save the state to that file after every epoch and every ``checkpoint_steps`` steps; to
        continue from it, call ``resume`` first. With ``patience``, the model ends with the weights of the best
        validation loss. Raises ShapeError when the numbers of inputs and targets differ, TrainingError when a loss or
        gradient is not finite, ConfigError for ``patience`` without validation data, for a callback of another kind and
        for a resumed run with another number of examples.
        """
        loader, watchers = as_loader(data), [as_callback(given) for given in callbacks]
        count, _ = len(loader), self._loss_function()
        held_out = None if validation is None else as_loader(validation)
        if self.settings.patience is not None and validation is None:
            raise ConfigError("patience needs validation data")
        if self._examples not in (None, count):
            raise ConfigError(
                f"training began with {self._examples} examples, expected as many, got {count}; "
                "new data needs a new Trainer, which may take the same model"
            )
        self._examples = count
        steps = math.ceil(count / self.settings.batch_size)
        self._ending = False
        while self.steps_done < epochs * steps and not self.stopped and not self._ending:
            self._epoch(loader, steps, checkpoint, checkpoint_steps, watchers, progress)
            record = self._finish_epoch(steps, count, held_out)
            if checkpoint is not None:
                self.save(checkpoint)
            for watcher in watchers:
                watcher.on_epoch(self, record)
        if self._best:
            self._last = {name: array.copy(order="K") for name, array in self._tensors().items()}
            self.model.load_parameters(self._best)
        return self.history

    def _epoch(
        self,
        data: Loader,
        steps: int,
        checkpoint: str | Path | None,
        checkpoint_steps: int | None,
        watchers: Sequence[Callback],
        progress: bool,
    ) -> None:
        """Run the remaining steps of the current epoch."""
        (epoch, done), size = divmod(self.steps_done, steps), self.settings.batch_size
        order = np.random.default_rng([self.settings.seed, epoch]).permutation(len(data))
        rows = [order[number * size : (number + 1) * size] for number in range(done, steps)]
        jobs = [(chosen, self._augmenting(self.steps_done + number)) for number, chosen in enumerate(rows)]
        with _bar(f"epoch {epoch + 1}", steps, progress) as show:
            for number, batch in enumerate(data.batches(jobs)):
                means = self.step(batch)
                for name, value in means.items():
                    self._sums[name] = self._sums.get(name, 0.0) + value * len(rows[number])
                show(done + number + 1, f"loss {means['loss']:.4f}")
                for watcher in watchers:
                    watcher.on_step(self, means)
                if checkpoint is not None and checkpoint_steps and self.steps_done % checkpoint_steps == 0:
                    self.save(checkpoint)

    def _augmenting(self, step: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self.settings.seed, step], spawn_key=(AUGMENTATION,)))

    def step(self, batch: Any, rate: float | None = None) -> Record:
        """Take one step on a batch, at ``rate`` or else the schedule's rate.

        Returns the means of loss and metrics over the batch, and the gradient norm before clipping. Raises
        TrainingError when the loss or a gradient is not finite; weights and statistics then are those before this step.
        """
        if self._last:
            self.model.load_parameters(self._last)
            self._last = {}
        statistics = {name: array.copy() for name, array in self.model.named_buffers().items()}
        try:
            means = self._moved(batch, rate)
        except Exception:
            self.model.load_buffers(statistics)
            raise
        self.steps_done += 1
        return means

    def _moved(self, batch: Any, rate: float | None) -> Record:
        """Move the weights by one step; return the means."""
        result = self._source.gradients(batch, (self.settings.seed, self.steps_done))
        means = _floats({"loss": result.loss, **result.metrics})
        rate = self.schedule(self.steps_done) if rate is None else rate
        if not math.isfinite(result.loss):
            raise self._failure("loss", result.loss, batch, rate)
        if self.settings.clip_norm is not None or self._source.measures_norm:
            try:
                means["gradient_norm"] = clip_global_norm(result.grads, self.settings.clip_norm or math.inf)
            except TrainingError:
                raise self._failure("gradient", global_norm(result.grads), batch, rate) from None
        parameters, pool = self.model.named_parameters(), self._source.pool
        self.optimizer.step(parameters, result.grads, rate, pool)
        if self._average is not None:
            self._average.update(parameters, pool)
        return means

    def _failure(self, what: str, found: float, batch: Any, rate: float) -> TrainingError:
        """Return an error that says where the number that is not finite probably comes from."""
        cause = broken_examples(batch) or (
            f"the data is finite, so the weights grew too large: lower the rate of {rate:g}, limit the gradient by "
            "TrainerSettings(clip_norm=1.0), or scale inputs and targets to about -1 to 1"
        )
        return TrainingError(f"step {self.steps_done}: expected a finite {what}, got {found}; {cause}")

    def stop(self) -> None:
        """Let ``fit`` end after the current epoch; for callbacks. A later ``fit`` trains on."""
        self._ending = True

    def close(self) -> None:
        """Stop the threads."""
        self._source.close()

    def _finish_epoch(self, steps: int, count: int, validation: Loader | None) -> Record:
        rate = float(self.schedule(self.steps_done - 1))
        record: Record = {"epoch": self.steps_done // steps, "step": self.steps_done, "rate": rate}
        record |= {name: total / count for name, total in self._sums.items()}
        self._sums = {}
        if validation is not None:
            record |= {f"validation_{name}": value for name, value in self.evaluate(validation).items()}
            if not math.isfinite(loss := record["validation_loss"]):
                when = f"validation after step {self.steps_done}"
                mend = "look for NaN in the validation data, or lower the rate"
                raise TrainingError(f"{when}: expected a finite loss, got {loss}; {mend}")
        self.history.records.append(record)
        if self.settings.patience is not None:
            self._note_best(self.settings.patience)
        return record

    def _note_best(self, patience: int) -> None:
        losses = self.history["validation_loss"]
        best = losses.index(min(losses))
        if best == len(losses) - 1:
            self._best = {name: array.copy(order="K") for name, array in self._tensors().items()}
        self.stopped = len(losses) - 1 - best >= patience

    # ---- evaluation -----------------------------------------------------------------------------------------------

    def evaluate(self, data: Data | Loader, model: Layer | None = None) -> Record:
        """Return mean loss and metrics of ``model`` (default: the trained one) over the examples, as inference.

        There is no dropout and no augmentation, and BatchNorm uses its running statistics.
        """
        loader, loss_of = as_loader(data), self._loss_function()
        count = len(loader)
        model = self.model if model is None else model
        sums: Record = {}
        for first in range(0, count, self.settings.batch_size):
            part = slice(first, min(first + self.settings.batch_size, count))
            inputs, targets = _prepared(model, loader.batch(part))
            outputs, _ = model.forward(inputs)
            means = {"loss": loss_of(outputs, targets)[0]}
            means |= {name: metric(outputs, targets) for name, metric in self.metrics.items()}
            for name, value in _floats(means).items():
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
        return arrays, {"steps_done": self.steps_done, "optimizer_steps": self.optimizer.steps}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Load what ``state`` returned. Raises ConfigError or ShapeError for the state of another training run."""
        backend = backend_of_all(self.model.named_parameters())
        self.model.load_parameters(_group(arrays, "model/"))
        self._last = {}
        tensors = {name: backend.asarray(array) for name, array in _group(arrays, "optimizer/").items()}
        self.optimizer.load_state({"steps": values["optimizer_steps"], "tensors": tensors})
        self.steps_done = values["steps_done"]
        if self._average is not None:
            averages = {name: backend.asarray(array) for name, array in _group(arrays, "average/").items()}
            self._average.load(averages, self.steps_done)

    def save(self, path: str | Path) -> None:
        """Write everything a resumed run needs to one file, atomically. Raises NetFileError on failure."""
        arrays, values = self.state()
        arrays |= {f"best/{name}": array for name, array in self._best.items()}
        values |= {
            "identity": self._identity(),
            "examples": self._examples,
            "stopped": self.stopped,
            "sums": self._sums,
            "history": self.history.records,
        }
        write_checkpoint(path, arrays, values)

    def resume(self, path: str | Path) -> None:
        """Load the state of a checkpoint; training continues as if it had never stopped.

        Raises NetFileError for a missing or damaged file, ConfigError when it belongs to another model, optimizer or
        settings.
        """
        arrays, values = read_checkpoint(path)
        differing = [name for name, value in self._identity().items() if values["identity"].get(name) != value]
        if differing:
            expected, found = self._identity()[differing[0]], values["identity"].get(differing[0])
            raise ConfigError(f"{path}: another run: expected {differing[0]} {expected!s:.80}, found {found!s:.80}")
        self.restore(arrays, values)
        backend = backend_of_all(self.model.named_parameters())
        self._best = {name: backend.asarray(array) for name, array in _group(arrays, "best/").items()}
        self.stopped, self._sums, self._examples = values["stopped"], values["sums"], values["examples"]
        self.history.records[:] = values["history"]

    def _identity(self) -> dict[str, Any]:
        """Return the settings a checkpoint must match; the number of threads is not one of them."""
        settings = replace(self.settings, threads=1)
        return {"model": self.model.config(), "optimizer": type(self.optimizer).__name__, "settings": repr(settings)}


@contextmanager
def _bar(title: str, steps: int, shown: bool) -> Iterator[Callable[[int, str], None]]:
    """Give a function of the steps done and a text, which moves a bar in the terminal if ``shown``."""
    if not shown:
        yield lambda done, text: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[text]}")) as progress:
        task = progress.add_task(title, total=steps, text="")
        yield lambda done, text: progress.update(task, completed=done, text=text)


def _prepared(model: Layer, batch: Data) -> Data:
    """Return a batch as the model takes it: floating inputs in its dtype, inputs and targets on its backend."""
    inputs, targets = batch
    backend = backend_of_all(model.named_parameters())
    if backend is not NUMPY and isinstance(targets, np.ndarray):
        targets = backend.asarray(targets)
    return Data(model.prepared(inputs), targets)


def _floats(means: Mapping[str, Any]) -> Record:
    """Return a loss and metrics as Python floats: one's own functions may return scalars of NumPy or CuPy."""
    return {name: float(value) for name, value in means.items()}


def _check_arguments(model: Any, loss: Any, optimizer: Any, schedule: Any, settings: Any, metrics: Any) -> None:
    if not isinstance(model, Layer):
        raise ConfigError(f"Trainer: model must be a layer, such as Sequential(...), not {model!r:.60}")
    if not callable(loss) and not isinstance(loss, GradientSource):
        raise ConfigError(f"Trainer: loss must be a function, such as mse or softmax_cross_entropy, not {loss!r:.60}")
    if not isinstance(optimizer, Optimizer):
        raise ConfigError(f"Trainer: optimizer must be one, such as Adam(), not {optimizer!r:.60}")
    if not callable(schedule) and not (isinstance(schedule, int | float) and schedule >= 0):
        raise ConfigError(f"Trainer: schedule must be a rate >= 0, such as 0.001, or a function, not {schedule!r:.60}")
    if not isinstance(settings, TrainerSettings | None):
        raise ConfigError(f"Trainer: settings must be TrainerSettings(batch_size=32, ...), not {settings!r:.60}")
    if not isinstance(metrics, Mapping | None):
        raise ConfigError(f'Trainer: metrics must be functions by name, {{"accuracy": accuracy}}, not {metrics!r:.60}')


def _group(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
