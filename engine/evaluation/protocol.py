"""The contract between search and evaluators: arrays of leaves go in, logits and values come out."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from engine.native.aligned_arrays import buffers
from engine.native.pool import ThreadPool
from engine.network.input_formats import CLASSICAL
from engine.network.outputs import CHUNK


class LeafBatch(NamedTuple):
    """R leaves. Search fills the first five arrays, an evaluator the last four; entries from
    `count` on are undefined.

    Moves and their logits share columns: `logits[r, j]` belongs to `moves[r, j]` for j <
    `n_moves[r]`.
    """

    rows: Annotated[np.ndarray, "uint64 [R, 16]"]  # positions
    # Input planes as bits, mover's view; word 109: fifty-move counter.
    masks: Annotated[np.ndarray, "uint64 [R, 112]"]
    moves: Annotated[np.ndarray, "uint16 [R, 218]"]  # legal moves
    n_moves: Annotated[np.ndarray, "int32 [R]"]  # how many of them there are
    # Each move's place among the 1858 policy moves.
    policy_index: Annotated[np.ndarray, "int16 [R, 218]"]
    # Out: logits of the legal moves, before the policy temperature.
    logits: Annotated[np.ndarray, "float32 [R, 218]"]
    # Out: chances of win, draw, loss for the row's side to move.
    wdl: Annotated[np.ndarray, "float32 [R, 3]"]
    moves_left: Annotated[np.ndarray, "float32 [R]"]  # out: expected plies to the end of the game
    # Out: what an in-kernel value leaves for its policy.
    quiet_level: Annotated[np.ndarray, "int16 [R]"]


def new_leaf_batch(size: int) -> LeafBatch:
    """Zeroed buffers for `size` leaves, rounded up to whole chunks so that padding needs no copy."""
    size = -(-size // CHUNK) * CHUNK
    return buffers(LeafBatch, R=size)


class Evaluator(Protocol):
    """Evaluates leaves that have at least one legal move; search handles finished games itself."""

    name: str  # as in the `Evaluator` option

    @property
    def round_size(self) -> int:
        """Leaves of a full search batch, independent of the number of threads."""

    needs_planes: bool  # whether `masks` must be filled

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill `logits`, `wdl` and `moves_left` of the first `count` leaves.

        A leaf's outputs depend, bit for bit, on that leaf alone: not on its index, its neighbours,
        `count` or the number of threads.
        """

    def close(self) -> None:
        """Stop the worker threads. The evaluator must not be used afterwards."""


@runtime_checkable
class PartEvaluator(Evaluator, Protocol):
    """An evaluator whose batches search may split among its threads while it gathers the next
    batch.
    """

    @property
    def in_parts(self) -> bool:
        """Whether this instance supports splitting."""

    def evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        """`evaluate` for leaves[first:last] on the calling thread. Several threads may call it at
        once.
        """


@runtime_checkable
class InKernelEvaluator(Evaluator, Protocol):
    """An evaluator whose model search kernels run themselves, by the functions of `in_kernel`."""

    # Parameters of searches with it, by name (`engine.search.tree.params`)
    search: Mapping[str, Any]

    def new_model(self) -> Any:
        """Return a NamedTuple of arrays for one more thread: shared weights and its own scratch."""


class ChunkEvaluator:
    """What evaluators on the processor share: threads divide a batch, chunk by chunk."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPool(threads, "evaluate")

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill logits, wdl and moves_left of the first `count` leaves."""
        self._pool.share(count, CHUNK, lambda first, last: self.evaluate_part(leaves, first, last))

    def evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        """Fill leaves[first:last] on the calling thread."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop the worker threads."""
        self._pool.close()


def input_format_of(evaluator: Evaluator) -> int:
    """Lc0's number of the format of the planes that an evaluator reads (`network.input_formats`)."""
    return int(getattr(evaluator, "input_format", CLASSICAL))


# `kernels` of towers and transformers: `network.weightless` writes some that need them all.
ANY_NETWORK = "any network"


def kernels_needed(evaluator: Evaluator) -> str:
    """Name the evaluator's set of kernels: the same for all networks that share it."""
    return str(getattr(evaluator, "kernels", evaluator.name))


def is_elsewhere(evaluator: Evaluator) -> bool:
    """Whether the processor has time for other work while this evaluator evaluates: on a GPU."""
    return isinstance(evaluator, PartEvaluator) and not evaluator.in_parts


def news_of(evaluator: Evaluator) -> list[str]:
    """Return what an evaluator has to tell people since the last call, one sentence each; most have
    nothing.
    """
    news: list[str] = getattr(evaluator, "take_news", list)()
    return news
