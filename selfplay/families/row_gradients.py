"""What sparse networks and value trunks share in training: gradients and held-out scores."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from engine.native.blas import one_blas_thread
from engine.native.pool import ThreadPool
from engine.network.accumulator import array_layers as layers
from engine.network.accumulator.flat_tables import new_tables
from engine.nn.layer import Array, Gradients, Layer
from engine.nn.training.gradient_source import GradientSource, StepResult
from selfplay.training.family import HeldOut, HeldOutScores, part_sums, scores_of
from selfplay.training.losses import LossSums
from selfplay.training.recipe import LearnerSettings

Network = Callable[[layers.LayerByName, Array], layers.Traced]
PART = 1024  # positions per unit of a thread's work


class RowGradients(GradientSource):
    """Gradients on the processor, with metrics `LossSums`. The layer's parameters move into `tables`,
    which `named` gives their names.

    `results` has what is computed of up to `batch_size` positions. The order of every sum is the
    same for any number of threads.
    """

    measures_norm = False

    def __init__(
        self,
        layer: Layer,
        config: Any,
        tables: Any,
        named: Any,
        results: Any,
        settings: LearnerSettings,
    ) -> None:
        self.parameters: Gradients = named(tables, config)
        self._weights = settings.loss
        self.of_losses = settings.loss.value, settings.loss.moves_left
        self.pool = ThreadPool(settings.threads, "train")
        layer.adopt_parameters(self.parameters)
        self.config = config
        self.tables = tables
        self.results = results
        self.flat_slopes, self.slopes = new_tables(config)
        self.grads = named(self.slopes, config)

    def gradients(self, batch: Any, seed: tuple[int, ...]) -> StepResult:
        """As in GradientSource; nothing here is random, and the seed's last number is that of the
        step.
        """
        self.limit(seed[-1])
        count = len(batch.wdl)
        self.forward(batch, count)
        self.backward(batch, count)
        losses = self.results.losses[:count].sum(axis=0, dtype=np.float64)
        n_targets = np.count_nonzero(self.results.known[:count], axis=0)
        sums = LossSums(*losses.tolist(), *n_targets.tolist())
        return StepResult(sums.total(count, self._weights), sums.metrics(count), self.grads)

    def limit(self, step: int) -> None:
        """Bring parameters into the range that they must have at a step."""
        return

    @abstractmethod
    def forward(self, batch: Any, count: int) -> None:
        """Run batch[:count] forward, and back through the small layers: fills `results`, including
        losses.
        """

    @abstractmethod
    def backward(self, batch: Any, count: int) -> None:
        """Write the gradients of batch[:count], after `forward`, to `slopes`."""

    def learn_parts(
        self, batch: Any, count: int, network: Network, read: Callable[..., np.ndarray], write: Any
    ) -> None:
        """Run the layers of `network` forward and back, for each part of batch[:count].

        read: from (first, last, positions of the part in the order of their versions) to the inputs
        of the layers. write: takes the same and the gradient of the inputs.
        """
        results = self.results

        def learn(part: tuple[int, int]) -> Gradients:
            grads = Gradients()
            order, groups = layers.by_version(batch.version[slice(*part)])
            own = part[0] + order
            outputs, backward = network(
                partial(layers.chosen_dense, self.parameters, grads, groups), read(*part, own)
            )
            losses, n_targets, slopes = layers.output_losses(
                outputs, batch.wdl[own], batch.moves_left[own], self.of_losses
            )
            results.losses[own, 1:] = losses
            results.known[own, 1:] = n_targets
            results.doutputs[own] = slopes / np.float32(count)
            write(*part, own, backward(results.doutputs[own]))
            return grads

        with one_blas_thread:
            self._small = self.pool.map(learn, pairwise([*range(0, count, PART), count]))

    def write_small(self) -> None:
        """Write the gradients of the layers in `learn_parts`."""
        self.write_sums(self._small)

    def write_sums(self, parts: Sequence[Gradients]) -> None:
        """Write gradients that the parts of a batch have, added in the order of the parts."""
        for name in parts[0]:
            self.grads[name][...] = sum(part[name] for part in parts)


class RowsHeldOut(HeldOut):
    """A batch of held-out positions, scored on the processor."""

    batch: Any

    @abstractmethod
    def source(self, model: Layer, settings: LearnerSettings) -> RowGradients:
        """Return what runs a model, which it may change."""

    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        """Scores of the model; the same for any number of threads."""
        count = self.n_positions
        scoring = self.source(
            model.to("numpy"), LearnerSettings(max(2, count), weight_decay=0.0, threads=threads)
        )
        with scoring.pool:
            scoring.forward(self.batch, count)
        losses = scoring.results.losses[:count]
        has_target = scoring.results.known[:count] > 0
        hits = self.hits(scoring.results) & has_target[:, 0]
        return scores_of(part_sums(np.column_stack([hits, losses, has_target])))

    def hits(self, results: Any) -> np.ndarray:
        """Return which targets' best moves the model found."""
        return np.zeros(self.n_positions, np.bool_)
