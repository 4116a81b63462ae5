"""The evaluator that runs a fused tower or transformer on the processor."""

from engine.evaluation.protocol import ANY_NETWORK, ChunkEvaluator, LeafBatch
from engine.network.fused.ready_network import Fused
from engine.network.input_formats import turned_batch
from engine.network.outputs import CHUNK

ROUND_SIZE = 64  # leaves per batch: 8 chunks, about 6 ms for a 64x6 net on one thread


class NetworkEvaluator(ChunkEvaluator):
    """Evaluator `network`: evaluates a fused network chunk by chunk, with boards turned as its
    input format asks.
    """

    name = "network"
    kernels = ANY_NETWORK
    round_size = ROUND_SIZE
    needs_planes = True
    in_parts = True

    def __init__(self, fused: Fused, threads: int = 1) -> None:
        super().__init__(threads)
        self.fused = fused
        self.input_format = fused.config.input_format
        self.news: list[str] = []  # why it is this evaluator that plays, one sentence each

    def take_news(self) -> list[str]:
        """`news` since the last call."""
        news = self.news
        self.news = []
        return news

    def evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        """Fill leaves[first:last] on the calling thread, chunk by chunk."""
        for start in range(first, last, CHUNK):
            part = slice(start, min(start + CHUNK, last))
            turned = turned_batch(self.input_format, leaves.masks[part], leaves.policy_index[part])
            outputs = leaves.logits[part], leaves.wdl[part], leaves.moves_left[part]
            self.fused.evaluate_chunk(*turned, leaves.n_moves[part], *outputs)
