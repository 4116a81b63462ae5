"""The learner of both families: runs the learning library's trainer on a model and its batches, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import numpy as np

from engine.errors import ConfigError, RunError, ShapeError
from engine.nn.averaging import ExponentialAverage
from engine.nn.layer import Layer
from engine.nn.trainer import Trainer, TrainerSettings
from selfplay.training.family import Family
from selfplay.training.losses import Losses, LossSums
from selfplay.training.mixture import Batches
from selfplay.training.recipe import LearnerSettings


class Learner:
    """A model in training. Call `step` repeatedly, `averaged_model` for the network to play with, `close` last.

    schedule: the learning rate by step number; without one, each call of `step` must give the rate.
    """

    def __init__(
        self,
        family: Family,
        model: Layer,
        batches: Batches,
        settings: LearnerSettings,
        schedule: Callable[[int], float] | None = None,
    ) -> None:
        part = family.part(model)
        self.family, self.model, self.batches, self.settings = family, model, batches, settings
        self._source = family.gradients(part, settings)
        self._trainer = Trainer(
            part,
            self._source,
            family.optimizer(settings),
            0.0 if schedule is None else schedule,
            TrainerSettings(batch_size=settings.batch_size, clip_norm=settings.clip_norm if family.clips else None),
            average=ExponentialAverage(settings.average_decay, quick_start=True, every=family.average_every),
        )

    @property
    def steps_done(self) -> int:
        """Training steps so far, including those before an interruption."""
        return self._trainer.steps_done

    def step(self, rate: float | None = None) -> Losses:
        """Train on the next batch, at the schedule's rate unless `rate` is given. Returns the losses before the step.

        Raises TrainingError when a loss is not finite.
        """
        batch = self.batches.batch(self.steps_done, self._source.pool.map)
        return LossSums.of_metrics(self._trainer.step(batch, rate)).means

    def averaged_model(self) -> Layer:
        """A new model with the averaged weights; its batch statistics are measured on coming batches."""
        model = self._trainer.averaged_model()
        self.family.refresh(model, self._coming())
        return self.family.joined(self.model, model)

    def _coming(self) -> Iterator[Any]:
        return (self.batches.batch(step, self._source.pool.map) for step in count(self.steps_done))

    def close(self) -> None:
        """Stop the threads."""
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
        try:
            self._trainer.restore(arrays, values)
        except (KeyError, ConfigError, ShapeError) as error:
            raise RunError(f"the checkpoint is not that of this training: {error}") from error
