"""The evaluator that blends the net with quiescence: the net judges plans, quiescence sees hanging
pieces.
"""

import numpy as np

from engine.errors import ConfigError
from engine.evaluation.material import quiescence_value, write_wdl
from engine.evaluation.protocol import (
    ChunkEvaluator,
    Evaluator,
    LeafBatch,
    PartEvaluator,
    input_format_of,
    kernels_needed,
    news_of,
)
from engine.native.jit import kernel
from engine.native.pool import PerThread
from engine.network.outputs import CHUNK
from engine.tactics.quiescence import new_space


@kernel()
def blend_values(leaves, first, last, weight, space, wdl):
    """Blend leaves.wdl[first:last] with the quiescence value, whose share is `weight`; `wdl`
    float32 [3] is scratch.
    """
    for leaf in range(first, last):
        write_wdl(np.float64(quiescence_value(leaves.rows[leaf], space)), wdl)
        for k in range(3):
            leaves.wdl[leaf, k] = np.float32(leaves.wdl[leaf, k] * (1.0 - weight) + wdl[k] * weight)


class HybridEvaluator(ChunkEvaluator):
    """Evaluator `hybrid`: the net's policy and moves left, and its value blended with quiescence
    (share `weight`).

    Raises ConfigError unless 0 <= weight <= 1. `threads` blend a batch.
    """

    name = "hybrid"

    def __init__(self, network: Evaluator, weight: float = 0.5, threads: int = 1) -> None:
        if not 0.0 <= weight <= 1.0:
            raise ConfigError(f"the hybrid weight must be between 0 and 1, not {weight}")
        super().__init__(threads)
        self.weight = float(weight)
        self.needs_planes = network.needs_planes
        self.input_format = input_format_of(network)
        self.kernels = f"{self.name} {kernels_needed(network)}"
        self._network = network
        self._spaces = PerThread()

    @property
    def round_size(self) -> int:
        """As that of the net's evaluator, which may change."""
        return self._network.round_size

    @property
    def in_parts(self) -> bool:
        """As the net's evaluator."""
        return isinstance(self._network, PartEvaluator) and self._network.in_parts

    def take_news(self) -> list[str]:
        """Return the news of the net's evaluator."""
        return news_of(self._network)

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill logits, wdl and moves_left of the first `count` leaves."""
        self._network.evaluate(leaves, count)
        self._pool.share(count, CHUNK, lambda first, last: self._blend_part(leaves, first, last))

    def evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        """Fill leaves[first:last] on the calling thread; only for nets that are evaluated
        `in_parts`.
        """
        assert isinstance(self._network, PartEvaluator)
        self._network.evaluate_part(leaves, first, last)
        self._blend_part(leaves, first, last)

    def close(self) -> None:
        """Stop the worker threads."""
        self._network.close()
        super().close()

    def _blend_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        blend_values(
            leaves, first, last, self.weight, self._spaces.own(new_space), np.empty(3, np.float32)
        )
