"""Trains a model on arrays: seeded, repeatable on any number of threads, resumable bit for bit.

One step, from the outside in: `Trainer.fit` draws a batch, `step` (stepper.py) asks a
`GradientSource` for its gradients, and the optimizer (optimizers.py) moves the parameters. The usual source is
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

from engine.backend import Backend, backend_of_all, xp_of
from engine.errors import ConfigError, DataError, TrainingError
from engine.nn.array_checks import copies
from engine.nn.layer import Array, Layer
from engine.nn.training.callbacks import Callback, as_callback
from engine.nn.training.checkpoint import (
    RunState,
    check_same,
    data_identity,
    read_checkpoint,
    run_identity,
    write_checkpoint,
)
from engine.nn.training.data import Data, Loader, as_loader, check_whole, parts_of
from engine.nn.training.history import History, Record
from engine.nn.training.progress import progress_bar
from engine.nn.training.stepper import Stepper

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


class Trainer(Stepper):
    """Trains `model` in place with a loss, an optimizer and a learning rate, which `Stepper` has.

    It runs epochs over data, with validation, early stop, callbacks and checkpoints. With a
    GradientSource in place of a loss function, call `step`; `fit` and `evaluate` do not apply.
    """

    # What a checkpoint says of the data, for `fit` to compare.
    _saved_data: dict[str, Any] | None = None

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
            run.last = copies(self._tensors())
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
        if not run.weights and not run.untold:
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
        self._begin_steps()
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
        rate = float(self._rate(run.steps_done - 1))
        record: Record = {"epoch": self._progress(steps)[0], "step": run.steps_done, "rate": rate}
        record |= {name: total / (run.weights[name] or 1) for name, total in run.sums.items()}
        if validation is not None:
            record |= {
                f"validation_{name}": value for name, value in self.evaluate(validation).items()
            }
            self._check_finite("validation loss", record["validation_loss"], rate)
        with self._uninterrupted:
            run.history.records.append(record)
            run.sums = {}
            run.weights = {}
            run.untold = True
            if self.settings.patience is not None and not self._epochs_without_improvement():
                run.best = copies(self._tensors())
        if plan.checkpoint is not None and plan.watchers:
            self.save(plan.checkpoint)

    # ---- evaluation ------------------------------------------------------------------------------

    def averaged_model(self) -> Layer:
        """Return a model with averaged weights and current running statistics; ConfigError if there
        is no average.
        """
        averages = self._device.tensors()["average"]
        if not averages:
            raise ConfigError("no averaged weights: set average_decay and train first")
        twin = self.model.replica()
        twin.reseed(0)
        twin.adopt_parameters(copies(averages))
        tensors = self._tensors()
        twin.load_buffers({name: tensors[name] for name in twin.named_buffers()})
        return twin

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
            if not xp_of(array).isfinite(array).all():
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
