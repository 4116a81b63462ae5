"""How well a model predicts positions it was never trained on."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from engine.errors import ConfigError
from engine.native.pool import ThreadPool
from engine.network.sparse.parameters import fill_tables, new_tables, sparse_config_of
from engine.nn.layer import Layer
from selfplay.data.sampler import PositionSampler, TrainingBatch, new_training_batch
from selfplay.data.sparse_sampler import SparseSampler, new_sparse_batch
from selfplay.records.positions import PositionSet
from selfplay.training.learner import planes_of
from selfplay.training.loss import LossSums, LossWeights, dual_head_loss, legal_logits
from selfplay.training.sparse_learner import SparsePass, mean_losses

__all__ = ["HeldOut", "HeldOutScores", "SparseHeldOut", "split_by_game"]

CHUNK = 256  # positions of one forward pass


@dataclass(frozen=True)
class HeldOutScores:
    """Means over the held-out positions that have the target: `top1` is how often the best legal move is its best."""

    top1: float
    policy: float
    value: float
    moves_left: float


def split_by_game(positions: PositionSet, share: float) -> tuple[PositionSet, PositionSet]:
    """(training, held-out) sets: the last `share` of the games are held out, at least one, so no game is in both."""
    if not 0.0 < share < 1.0 or positions.n_games < 2:
        raise ConfigError(f"held-out share {share} of {positions.n_games} games: expected 0..1 of two games or more")
    cut = min(positions.n_games - 1, int(positions.n_games * (1.0 - share)))
    return positions.games(0, cut), positions.games(cut, positions.n_games)


class HeldOut:
    """A fixed sample of a set, evenly spaced, rebuilt once."""

    def __init__(self, positions: PositionSet, limit: int = 8192) -> None:
        numbers = spread_positions(positions, limit)
        self.n_positions = len(numbers)
        self._batch = new_training_batch(len(numbers))
        PositionSampler(positions).fill(numbers, np.zeros(len(numbers), np.uint8), self._batch)

    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        """Scores of the model in inference mode; the same for any number of threads."""
        starts = range(0, self.n_positions, CHUNK)
        parts = [self._batch.part(first, min(first + CHUNK, self.n_positions)) for first in starts]
        with threadpool_limits(limits=1, user_api="blas"), ThreadPool(threads, "score") as pool:
            sums = pool.map(lambda part: _score_sums(model, part), parts)
        return scores_of(*np.sum(sums, axis=0).tolist())


class SparseHeldOut:
    """The same for sparse networks."""

    def __init__(self, positions: PositionSet, limit: int = 8192) -> None:
        numbers = spread_positions(positions, limit)
        self.n_positions = len(numbers)
        self._batch = new_sparse_batch(len(numbers))
        SparseSampler(positions).fill(numbers, np.full(len(numbers), -1), self._batch)

    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        """Scores of the model; the same for any number of threads."""
        config = sparse_config_of(model.config())
        _, tables = new_tables(config)
        fill_tables(tables, config, model.named_parameters())
        forward = SparsePass(config, self.n_positions, threads)
        forward.positions(tables, self._batch, self.n_positions, LossWeights())
        forward.close()
        losses = mean_losses(forward.gradients, self.n_positions)
        legal = np.arange(self._batch.policy.shape[1]) < self._batch.n_moves[:, None]
        best, wanted = (
            np.where(legal, scores, -np.inf).argmax(axis=1) for scores in (forward.gradients.logits, self._batch.policy)
        )
        aimed = forward.gradients.known[: self.n_positions, 0] > 0
        top1 = np.count_nonzero((best == wanted) & aimed) / (np.count_nonzero(aimed) or 1)
        return HeldOutScores(top1, losses.policy, losses.value, losses.moves_left)


def scores_of(hits: float, *sums: float) -> HeldOutScores:
    """The scores of a number of best moves found, and of the fields of LossSums."""
    total = LossSums(*sums)
    return HeldOutScores(hits / (total.with_policy or 1.0), **asdict(total.means))


def spread_positions(positions: PositionSet, limit: int) -> np.ndarray:
    """Numbers of at most `limit` usable positions, evenly spaced. Raises ConfigError when there is none."""
    usable = np.flatnonzero(positions.usable)
    if not len(usable):
        raise ConfigError("the held-out set has no usable positions")
    return usable[np.linspace(0, len(usable) - 1, min(limit, len(usable))).astype(np.int64)]


def _score_sums(model: Layer, batch: TrainingBatch) -> np.ndarray:
    outputs, _ = model.forward(planes_of(batch.masks), training=False)
    sums, _ = dual_head_loss(outputs, batch, LossWeights())
    logits, _, mask = legal_logits(outputs["policy"], batch)
    best = np.where(mask, logits, -np.inf).argmax(axis=1)
    hits = (best == batch.policy.argmax(axis=1)) & batch.policy.any(axis=1)
    return np.array([np.count_nonzero(hits), *astuple(sums)])
