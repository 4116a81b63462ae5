"""The contract between search and evaluators: arrays of leaves go in, logits and values come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.network.input_formats import CLASSICAL
from engine.network.outputs import CHUNK
from engine.network.planes import PLANES


class LeafBatch(NamedTuple):
    """R leaves. Search fills the first five arrays, an evaluator the last four; entries from `count` on are undefined.

    Moves and their logits share columns: `logits[r, j]` belongs to `moves[r, j]` for j < `n_moves[r]`.
    """

    rows: np.ndarray  # uint64 [R, 16] positions
    masks: np.ndarray  # uint64 [R, 112] input planes as bits, mover's view; word 109 is the fifty-move counter
    moves: np.ndarray  # uint16 [R, 218] legal moves
    n_moves: np.ndarray  # int32 [R] how many of them there are
    policy_index: np.ndarray  # int16 [R, 218] each move's place among the 1858 policy moves
    logits: np.ndarray  # float32 [R, 218] out: policy logits of the legal moves, before the policy temperature
    wdl: np.ndarray  # float32 [R, 3] out: probabilities of win, draw, loss for the side to move of that row
    moves_left: np.ndarray  # float32 [R] out: expected plies to the end of the game
    quiet_level: np.ndarray  # int16 [R] out: what an in-kernel value leaves for the policy of its position


def new_leaf_batch(size: int) -> LeafBatch:
    """Zeroed buffers for `size` leaves, rounded up to whole chunks so that padding needs no copy."""
    size = -(-size // CHUNK) * CHUNK
    return LeafBatch(
        rows=np.zeros((size, ROW_WORDS), np.uint64),
        masks=np.zeros((size, PLANES), np.uint64),
        moves=np.zeros((size, MAX_MOVES), np.uint16),
        n_moves=np.zeros(size, np.int32),
        policy_index=np.zeros((size, MAX_MOVES), np.int16),
        logits=np.zeros((size, MAX_MOVES), np.float32),
        wdl=np.zeros((size, 3), np.float32),
        moves_left=np.zeros(size, np.float32),
        quiet_level=np.zeros(size, np.int16),
    )


class Evaluator(Protocol):
    """Evaluates leaves that have at least one legal move; search handles finished games itself."""

    name: str  # as in the `Evaluator` option

    @property
    def round_size(self) -> int:
        """Leaves of a full search batch, independent of the number of threads."""
        ...

    needs_planes: bool  # whether `masks` must be filled

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill `logits`, `wdl` and `moves_left` of the first `count` leaves.

        A leaf's outputs depend, bit for bit, on that leaf alone: not on its index, its neighbours, `count` or the
        number of threads.
        """
        ...

    def close(self) -> None:
        """Stop the worker threads. The evaluator must not be used afterwards."""
        ...


@runtime_checkable
class PartEvaluator(Evaluator, Protocol):
    """An evaluator whose batches search may split among its threads while it gathers the next batch."""

    @property
    def in_parts(self) -> bool:
        """Whether this instance supports splitting."""
        ...

    def evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        """`evaluate` for leaves[first:last] on the calling thread. Several threads may call it at once."""
        ...


@runtime_checkable
class InKernelEvaluator(Evaluator, Protocol):
    """An evaluator whose model search kernels run themselves, by the functions of `in_kernel`."""

    search: Mapping[str, Any]  # parameters of searches with it, by name (`engine.search.params`)

    def new_model(self) -> Any:
        """Return a NamedTuple of arrays for one more thread: shared weights and its own scratch."""
        ...


def input_format_of(evaluator: Evaluator) -> int:
    """Lc0's number of the format of the planes that an evaluator reads (`network.input_formats`)."""
    return int(getattr(evaluator, "input_format", CLASSICAL))


def kernels_needed(evaluator: Evaluator) -> str:
    """Names the evaluator's set of kernels: networks of one `architecture` share it, whatever their weights."""
    return f"{evaluator.name} {getattr(evaluator, 'architecture', '')}".rstrip()


def news_of(evaluator: Evaluator) -> list[str]:
    """Return what an evaluator has to tell people since the last call, one sentence each; most have nothing."""
    take_news = getattr(evaluator, "take_news", None)
    return take_news() if take_news is not None else []
