"""The learner: one optimisation step after another on batches of a `Mixture`, with averaged weights beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from engine.errors import ConfigError, RunError
from engine.network.planes import PLANES, expand
from engine.nn.averaging import ExponentialAverage, refresh_statistics
from engine.nn.clipping import clip_global_norm
from engine.nn.layer import Layer, layer_from_config
from engine.nn.optimizers import AdamW
from engine.nn.parallel import DataParallel
from selfplay.training.loss import Losses, LossSums, LossWeights, dual_head_loss
from selfplay.training.mixture import Mixture

__all__ = ["Learner", "LearnerSettings", "planes_of"]

RECALIBRATION_BATCHES = 16  # of the mixture, for the averaged weights' batch statistics


@dataclass(frozen=True)
class LearnerSettings:
    """How to train; the results depend on every field but `threads`. A family's `Recipe` has what has no default."""

    batch_size: int
    weight_decay: float  # decoupled (AdamW): a weight shrinks by rate * weight_decay a step
    shard_size: int = 64  # positions that batch normalisation sees together
    threads: int = 2
    clip_norm: float = 5.0  # of the whole gradient
    average_decay: float = 0.999  # of the exponential moving average of the weights, a step
    variations: float = 0.0  # share of positions with scored moves replaced by one after such a move; sparse nets only
    loss: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        for name in ("batch_size", "shard_size"):
            if getattr(self, name) < 2:
                raise ConfigError(
                    f"{name}: expected at least 2 (batch normalisation needs it), got {getattr(self, name)}"
                )
        if self.threads < 1:
            raise ConfigError(f"threads: expected at least 1, got {self.threads}")


def planes_of(masks: np.ndarray) -> np.ndarray:
    """Input planes float32[B, 112, 8, 8] of masks uint64[B, 112]; the memory behind them is channels-last."""
    planes = np.empty((len(masks), 8, 8, PLANES), np.float32)
    expand(masks, planes)
    return planes.transpose(0, 3, 1, 2)


class Learner:
    """A model in training: call `step` repeatedly, `averaged_model` for what to play with, `close` at the end."""

    def __init__(self, model: Layer, mixture: Mixture, settings: LearnerSettings) -> None:
        self.model = model
        self.mixture = mixture
        self.settings = settings
        self.steps_done = 0
        self._parameters = model.named_parameters()
        self._average = ExponentialAverage(settings.average_decay)
        self._optimizer = AdamW(weight_decay=settings.weight_decay)
        self._runner = DataParallel(model, settings.shard_size, settings.threads)

    def step(self, rate: float) -> Losses:
        """Train on the next batch with that learning rate; returns the batch's losses before the step."""
        batch = self.mixture.batch(self.steps_done)

        def inputs(part: slice) -> np.ndarray:
            return planes_of(batch.masks[part])

        def loss(outputs: dict[str, np.ndarray], part: slice) -> tuple[float, dict[str, np.ndarray], dict[str, float]]:
            sums, gradients = dual_head_loss(outputs, batch.part(part.start, part.stop), self.settings.loss)
            count = part.stop - part.start
            return sums.policy / count, gradients, {name: value / count for name, value in asdict(sums).items()}

        result = self._runner.step(self.mixture.batch_size, inputs, loss)
        clip_global_norm(result.grads, self.settings.clip_norm)
        self._optimizer.step(self._parameters, result.grads, rate)
        self.steps_done += 1
        # Early on the average follows quickly, or it would remember the random start for thousands of steps.
        self._average.decay = min(self.settings.average_decay, (1 + self.steps_done) / (10 + self.steps_done))
        self._average.update(self._parameters)
        return LossSums(**result.metrics).means

    def averaged_model(self, batches: int = RECALIBRATION_BATCHES) -> Layer:
        """A new model with the averaged weights and batch statistics measured for them on coming batches."""
        model = layer_from_config(self.model.config(), np.random.default_rng(0))
        model.load_parameters({**(self._average.tensors or self._parameters), **self.model.named_buffers()})
        with threadpool_limits(limits=1, user_api="blas"):
            coming = (self.mixture.batch(self.steps_done + i) for i in range(batches))
            refresh_statistics(model, (planes_of(batch.masks) for batch in coming))
        return model

    def close(self) -> None:
        """Stop the threads."""
        self._runner.close()

    # ---- state ----------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything a resumed run needs, as arrays and JSON values; batches follow from seed and step number."""
        optimizer = self._optimizer.state()
        groups = {
            "model": {**self._parameters, **self.model.named_buffers()},
            "average": self._average.tensors,
            "optimizer": optimizer["tensors"],
        }
        arrays = {f"{group}/{name}": array for group, tensors in groups.items() for name, array in tensors.items()}
        values = {"steps_done": self.steps_done, "optimizer_steps": optimizer["steps"], "model": self.model.config()}
        return arrays, values

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Continue from `state()` of a learner with the same model. Raises RunError for another model's state."""
        if values["model"] != self.model.config():
            raise RunError("the checkpoint belongs to a network of another architecture")
        self.model.load_parameters(_group(arrays, "model/"))
        self._average.load(_group(arrays, "average/"))
        self._optimizer.load_state({"steps": values["optimizer_steps"], "tensors": _group(arrays, "optimizer/")})
        self.steps_done = values["steps_done"]


def _group(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
