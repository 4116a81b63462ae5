"""What sparse networks and value trunks share in training: losses of parts of a batch, and gradients on a GPU."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.backend import backend_of_all
from engine.native.pool import ThreadPool
from engine.network.rows.gpu import RowOperations
from engine.network.rows.small_layers import Array, Gradients, output_losses
from engine.nn.layer import Layer
from engine.nn.training.parallel import GradientSource, StepResult
from selfplay.training.losses import LossSums, LossWeights
from selfplay.training.recipe import LearnerSettings

PART = 1024  # positions per unit of a thread's work


def slopes_of(
    outputs: np.ndarray, batch: Any, part: np.ndarray, weights: LossWeights, scale: float, out: Any
) -> np.ndarray:
    """Return the gradient of outputs [n, 4], times `scale`; note it, losses and known targets of batch[part] in `out`."""
    targets = batch.wdl[part], batch.moves_left[part]
    found = output_losses(outputs, *targets, weights.value, weights.moves_left)
    out.losses[part, 1:], out.known[part, 1:], slopes = found
    out.doutputs[part] = slopes * np.float32(scale)
    return out.doutputs[part]


def loss_sums(gradients: Any, count: int) -> LossSums:
    """Loss sums of the first `count` positions, and how many of them have each target."""
    sums = gradients.losses[:count].sum(axis=0, dtype=np.float64)
    known = np.count_nonzero(gradients.known[:count], axis=0)
    return LossSums(*sums.tolist(), *known.tolist())


def write_sums(slopes: Gradients, parts: Sequence[Gradients]) -> None:
    """Write the sums of the gradients of all parts, added in their order."""
    for name in parts[0]:
        slopes[name][...] = sum(part[name] for part in parts)


class DeviceGradients(GradientSource):
    """Gradients on the device where a model lies; metrics `LossSums`."""

    measures_norm = False

    def __init__(self, model: Layer, settings: LearnerSettings) -> None:
        self.parameters, self._weights = model.named_parameters(), settings.loss
        self.backend = backend_of_all(self.parameters)
        self.operations = RowOperations(self.backend)
        self.pool = ThreadPool(settings.threads, "train")  # fills batches

    def gradients(self, batch: Any, seed: tuple[int, ...]) -> StepResult:
        """As in GradientSource; nothing here is random, and the seed's last number is that of the step."""
        count, weights, upload = len(batch.wdl), self._weights, self.backend.asarray
        (policy, with_policy), outputs, backward = self.run(batch, seed[-1])
        targets = upload(batch.wdl), upload(batch.moves_left)
        losses, known, slopes = output_losses(outputs, *targets, weights.value, weights.moves_left)
        sums = LossSums(policy, *losses.sum(axis=0), with_policy, *(known > 0).sum(axis=0))
        return StepResult(sums.total(count, weights), sums.metrics(count), backward(slopes / count))

    @abstractmethod
    def run(self, batch: Any, step: int) -> tuple[tuple[Any, Any], Array, Callable[[Array], Gradients]]:
        """Return ((loss sum of the policy, positions that have one), outputs [B, 4], backward) of a batch."""

    def listed(self, numbers: np.ndarray, counts: np.ndarray) -> Array:
        """Upload lists of rows [B, ..., L], of which the first ones count, with -1 behind them."""
        ends = counts.reshape(-1, *[1] * (numbers.ndim - 1))
        return self.backend.asarray(np.where(np.arange(numbers.shape[-1]) < ends, numbers, np.int16(-1)))
