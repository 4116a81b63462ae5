"""Families of networks made of layers, and their learner: the learning library's trainer, step by
step.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from engine.backend import NUMPY, get_backend, to_numpy
from engine.errors import ConfigError, DeviceError, NetFileError, RunError, ShapeError
from engine.native.uptime import uptime_s
from engine.nn.layer import Layer
from engine.nn.training.averaging import ExponentialAverage
from engine.nn.training.checkpoint import read_checkpoint
from engine.nn.training.gradient_source import GradientSource
from engine.nn.training.optimizers import Optimizer
from engine.nn.training.trainer import Trainer
from engine.nn.training.trainer_settings import TrainerSettings
from selfplay.training.family import Family, Learning, LearningState, Rate
from selfplay.training.losses import Losses, LossSums
from selfplay.training.mixture import Batches
from selfplay.training.recipe import LearnerSettings

REMEMBERING = 0.01  # share of the time for copies of the state from a device


class LayersFamily(Family):
    """A family whose networks are made of `engine.nn` layers, which its trainer trains."""

    # Makes what computes those of a model from batches.
    gradients: Callable[[Layer, LearnerSettings], GradientSource]

    clips = False  # whether gradients are clipped; their norm takes one more pass over all of them
    average_every = 1  # steps between two updates of the averaged weights

    def part(self, model: Layer) -> Layer:
        """Return the part of a network that is trained, perhaps all of it."""
        return model

    def joined(self, model: Layer, part: Layer) -> Layer:
        """Return the network `model` with another trained part."""
        return part

    @abstractmethod
    def optimizer(self, settings: LearnerSettings) -> Optimizer:
        """Return the optimizer of the parameters."""

    def refresh(self, model: Layer, coming: Iterator[Any]) -> None:
        """Measure on coming batches the statistics that weight averaging does not cover, if there
        are any.
        """
        return

    def learner(
        self, model: Layer, batches: Batches, settings: LearnerSettings, rate: Rate, backend: str
    ) -> Learner:
        return Learner(self, model, batches, settings, rate, backend)


class Learner(Learning):
    """A model of layers in training.

    backend: where to train, as in `get_backend`; a family that runs on no GPU trains on the
        processor. Raises ConfigError and DeviceError as `check_learning`; `step` raises DeviceError
        when the device fails.
    """

    def __init__(
        self,
        family: LayersFamily,
        model: Layer,
        batches: Batches,
        settings: LearnerSettings,
        rate: Rate,
        backend: str,
    ) -> None:
        family.check_learning(backend)
        self._backend = get_backend(backend) if family.runs_on_gpu else NUMPY
        with self._backend.guard("the network was loaded"):
            model = model.to(self._backend)
            part = family.part(model)
            self._source = family.gradients(part, settings)
        # The last state in host memory.
        self._kept: LearningState | None = None
        self._is_lost = False
        self._remembers_at = 0.0
        self.family = family
        self.model = model
        self.batches = batches
        self.settings = settings
        self._trainer = Trainer(
            part,
            self._source,
            family.optimizer(settings),
            rate,
            TrainerSettings(
                batch_size=settings.batch_size,
                clip_norm=settings.clip_norm if family.clips else None,
            ),
            average=ExponentialAverage(
                settings.average_decay, quick_start=True, every=family.average_every
            ),
        )

    @property
    def steps_done(self) -> int:  # type: ignore[override]
        return self._trainer.steps_done

    def step(self) -> Losses:
        batch = self._batch(self.steps_done)
        try:
            with self._backend.guard("a step was trained"):
                metrics = self._trainer.step(batch)
                return LossSums(
                    **{metric.name: metrics[metric.name] for metric in fields(LossSums)}
                ).means
        except DeviceError:
            self._is_lost = True
            raise

    def _batch(self, step: int) -> Any:
        return self.batches.batch(step, self._source.pool.map)

    def remember(self) -> None:
        """As in `Learning`; it takes about `REMEMBERING` of the time, and at most a few steps are
        forgotten.
        """
        begun = uptime_s()
        if self._backend is NUMPY or begun < self._remembers_at:
            return
        arrays, values = self.state()
        with self._backend.guard("its state was copied"):
            self._kept = {name: np.array(to_numpy(array)) for name, array in arrays.items()}, values
        now = uptime_s()
        self._remembers_at = now + (now - begun) / REMEMBERING

    def averaged_model(self) -> Layer:
        """Return a new model; its batch statistics are measured on coming batches."""
        with self._backend.guard("the averaged network was made"):
            model = self._trainer.averaged_model()
            coming = (self._batch(step) for step in count(self.steps_done))
            self.family.refresh(model, coming)
            return self.family.joined(self.model, model)

    def close(self) -> None:
        self._trainer.close()

    # ---- state -----------------------------------------------------------------------------------

    def state(self) -> LearningState:
        if self._is_lost and self._kept is not None:
            return self._kept
        with self._backend.guard("its state was copied"):
            arrays, values = self._trainer.state()
        return arrays, {**values, "model": self.model.config()}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        if values.get("model") != self.model.config():
            raise RunError("the checkpoint belongs to a network of another architecture")
        with self._backend.guard("a checkpoint was loaded"):
            try:
                self._trainer.restore(arrays, values)
            except (KeyError, ConfigError, ShapeError) as error:
                raise RunError(f"the checkpoint is not that of this training: {error}") from error


def load_checkpoint(path: Path) -> LearningState:
    """Arrays and values of a checkpoint. A damaged one raises RunError, which says how to continue
    without it.
    """
    try:
        return read_checkpoint(path)
    except NetFileError as error:
        advice = "Remove the file and run the same command again; this training then starts over"
        raise RunError(f"{path}: not a readable checkpoint ({error}). {advice}") from error
