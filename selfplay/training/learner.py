"""The learner of both families: runs the learning library's trainer on a model and its batches, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from engine.backend import NUMPY, get_backend
from engine.errors import ConfigError, NetFileError, RunError, ShapeError
from engine.nn.layer import Layer
from engine.nn.training.averaging import ExponentialAverage
from engine.nn.training.checkpoint import read_checkpoint
from engine.nn.training.trainer import Trainer, TrainerSettings
from selfplay.training.family import Family
from selfplay.training.losses import Losses, LossSums
from selfplay.training.mixture import Batches
from selfplay.training.recipe import LearnerSettings


class Learner:
    """A model in training. Call `step` repeatedly, `averaged_model` for the network to play with, `close` last.

    rate: the learning rate, or a schedule that gives it by step number.
    backend: where to train, as in `get_backend`. Raises ConfigError for a family that trains on the processor alone,
        DeviceError for a device that does not compute; `step` raises DeviceError when it fails.
    """

    def __init__(
        self,
        family: Family,
        model: Layer,
        batches: Batches,
        settings: LearnerSettings,
        rate: float | Callable[[int], float],
        backend: str = "numpy",
    ) -> None:
        if backend == "cupy" and not family.on_device:
            raise ConfigError("backend cupy: only towers train on a GPU, expected backend numpy")
        if settings.precision == "mixed" and not family.on_device:
            raise ConfigError("precision mixed: only towers and transformers train on a GPU, expected precision single")
        self._backend = get_backend(backend) if family.on_device else NUMPY
        with self._backend.guard("the network was loaded"):
            model = model.to(self._backend)
        part = family.part(model)
        self.family, self.model, self.batches, self.settings = family, model, batches, settings
        self._source = family.gradients(part, settings)
        self._trainer = Trainer(
            part,
            self._source,
            family.optimizer(settings),
            rate,
            TrainerSettings(batch_size=settings.batch_size, clip_norm=settings.clip_norm if family.clips else None),
            average=ExponentialAverage(settings.average_decay, quick_start=True, every=family.average_every),
        )

    @property
    def steps_done(self) -> int:
        """Training steps so far, including those before an interruption."""
        return self._trainer.steps_done

    def step(self) -> Losses:
        """Train on the next batch. Returns the losses before the step. Raises TrainingError when one is not finite."""
        batch = self.batches.batch(self.steps_done, self._source.pool.map)
        with self._backend.guard("a step was trained"):
            return LossSums.of_metrics(self._trainer.step(batch)).means

    def averaged_model(self) -> Layer:
        """Return a new model with the averaged weights; its batch statistics are measured on coming batches."""
        with self._backend.guard("the averaged network was made"):
            model = self._trainer.averaged_model()
            coming = (self.batches.batch(step, self._source.pool.map) for step in count(self.steps_done))
            self.family.refresh(model, coming)
            return self.family.joined(self.model, model)

    def close(self) -> None:
        self._trainer.close()

    # ---- state ----------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything a resumed run needs, as arrays and JSON values; batches follow from seed and step number."""
        arrays, values = self._trainer.state()
        return arrays, {**values, "model": self.model.config()}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Continue from `state()` of a learner with the same model. Raises RunError for another model's state."""
        if values.get("model") != self.model.config():
            raise RunError("the checkpoint belongs to a network of another architecture")
        with self._backend.guard("a checkpoint was loaded"):
            try:
                self._trainer.restore(arrays, values)
            except (KeyError, ConfigError, ShapeError) as error:
                raise RunError(f"the checkpoint is not that of this training: {error}") from error


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and values of a checkpoint. A damaged one raises RunError, which says how to continue without it."""
    try:
        return read_checkpoint(path)
    except NetFileError as error:
        advice = "Remove the file and run the same command again; this training then starts over"
        raise RunError(f"{path}: not a readable checkpoint ({error}). {advice}") from error
