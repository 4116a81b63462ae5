"""The evaluator that asks the net."""

from __future__ import annotations

import numpy as np

from engine.evaluation.protocol import CHUNK, LeafBatch
from engine.evaluation.workers import Workers
from engine.jit import kernel
from engine.network.fused import MOVES_LEFT_SCALE, FusedTower
from engine.network.policy_map import CONV_INDEX

ROUND_SIZE = 64  # 8 chunks: about 6 ms of a 64x6 net on one thread


@kernel()
def collect(leaves, first, count, policy, stride, wdl, moves_left):
    """Answers of one chunk into leaves[first : first + count]; policy [8, 64, stride] flat, wdl [8, 3], moves_left [8,
    1].
    """
    for p in range(count):
        leaf = first + p
        for i in range(leaves.n_moves[leaf]):
            index = np.int64(CONV_INDEX[leaves.policy_index[leaf, i]])
            leaves.logits[leaf, i] = policy[(p * 64 + (index & 63)) * stride + (index >> 6)]
        for k in range(3):
            leaves.wdl[leaf, k] = wdl[p, k]
        leaves.moves_left[leaf] = max(moves_left[p, 0] * np.float32(MOVES_LEFT_SCALE), np.float32(0))


class NetworkEvaluator:
    """Evaluator `network`: the fused tower, chunk by chunk."""

    name = "network"
    round_size = ROUND_SIZE
    needs_planes = True

    def __init__(self, fused: FusedTower, threads: int = 1) -> None:
        self.fused = fused
        self._workers = Workers(threads)

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill logits, wdl and moves_left of the first `count` leaves."""
        self._workers.share(count, lambda first, last: self.evaluate_part(leaves, first, last))

    def close(self) -> None:
        """Stop the worker threads."""
        self._workers.close()

    def evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        """Fill leaves[first:last] on the calling thread, chunk by chunk."""
        for start in range(first, last, CHUNK):
            count = min(CHUNK, last - start)
            done = self.fused.run_chunk(leaves.masks, start, count)
            collect(leaves, start, count, done.policy, self.fused.policy_stride, done.value, done.left)
