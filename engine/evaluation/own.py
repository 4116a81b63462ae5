"""Networks that are not Aino's: any callable from planes to policy and values becomes an evaluator.

class Net:                       # in my_net.py
    def __call__(self, planes):  # float32 [N, 112, 8, 8], as `planes_of` describes them
        return logits, wdl       # [N, 1858] of Lc0's policy moves, [N, 3] chances of win, draw and loss

aino play --evaluator my_net:Net             # or Engine(evaluator=PlanesEvaluator(Net()))

`selfplay.training.own` says what else a class needs to be trained by self-play.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import chess
import numpy as np

from engine.board.convert import decode_move
from engine.errors import AinoError, ConfigError, ShapeError
from engine.evaluation.leaves import leaves_of
from engine.evaluation.protocol import Evaluator, LeafBatch
from engine.files.dit_file import load_tensors
from engine.network.planes import PLANES, fill_planes
from engine.network.policy_map import POLICY_SIZE

if TYPE_CHECKING:
    from pathlib import Path

PlanesToOutputs = Callable[[np.ndarray], Sequence[Any]]

DEFAULT_BATCH = 32  # positions of a full batch. Set by hand.
PLIES_LEFT = 60.0  # of every position, for a network that does not say. Set by hand.


class PlanesEvaluator:
    """Evaluator that asks `network` (planes -> logits, wdl[, plies left]) about a batch of positions at a time.

    The network's attribute `batch`, if it has one, is the most positions in a batch (default 32). A search repeats
    exactly only if the network's answer for a position does not depend on the others in its batch.
    """

    name = "own"
    needs_planes = True

    def __init__(self, network: PlanesToOutputs) -> None:
        self.network = network
        self.round_size = int(getattr(network, "batch", DEFAULT_BATCH))

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill logits, wdl and moves_left of the first `count` leaves. Raises ShapeError for other outputs."""
        policy, wdl, *plies_left = outputs_of(self.network, planes_of(leaves.masks[:count]))
        leaves.logits[:count] = np.take_along_axis(policy, leaves.policy_index[:count].astype(np.int64), axis=1)
        leaves.wdl[:count] = wdl
        leaves.moves_left[:count] = plies_left[0].reshape(count) if plies_left else PLIES_LEFT

    def close(self) -> None:
        """Call the network's `close`, if it has one."""
        getattr(self.network, "close", lambda: None)()


def outputs_of(network: PlanesToOutputs, planes: np.ndarray) -> list[np.ndarray]:
    """A network's outputs as float32: logits [N, 1858], wdl [N, 3], perhaps plies left. Raises ShapeError."""
    outputs, count = [np.asarray(output, np.float32) for output in network(planes)], len(planes)
    shapes = [output.shape for output in outputs]
    if shapes[:2] != [(count, POLICY_SIZE), (count, 3)] or len(outputs) > 3:
        expected = f"logits [{count}, {POLICY_SIZE}], wdl [{count}, 3] and perhaps plies left [{count}]"
        raise ShapeError(f"the network {network!r} gave {shapes}: expected {expected}")
    return outputs


def planes_of(masks: np.ndarray) -> np.ndarray:
    """Planes float32 [N, 112, 8, 8], ranks then files from a1, of words uint64 [N, 112] (`LeafBatch.masks`).

    The planes are those of Lc0 (`engine.network.planes`), seen from the side to move: plane 0 has its pawns, 6 the
    opponent's, 13 its pawns a ply ago; 109 is the fifty-move counter in plies.
    """
    planes = np.empty((len(masks), 8, 8, PLANES), np.float32)
    fill_planes(np.ascontiguousarray(masks), planes)
    return np.ascontiguousarray(planes.transpose(0, 3, 1, 2))


def board_planes(boards: Sequence[chess.Board]) -> np.ndarray:
    """Planes float32 [N, 112, 8, 8] of boards with their games so far, as `planes_of` describes them."""
    return planes_of(leaves_of(boards).masks[: len(boards)])


def legal_policy(board: chess.Board, logits: np.ndarray) -> dict[chess.Move, float]:
    """Probabilities of a board's legal moves, likeliest first, from policy logits [1858]."""
    leaves = leaves_of([board])
    count = int(leaves.n_moves[0])
    chosen = np.asarray(logits, np.float64)[leaves.policy_index[0, :count]]
    weights = np.exp(chosen - chosen.max(initial=-np.inf))
    moves = [decode_move(leaves.rows[0], int(move), board.chess960) for move in leaves.moves[0, :count]]
    ranked = sorted(zip(moves, weights / weights.sum(), strict=True), key=lambda pair: -pair[1])
    return {move: float(share) for move, share in ranked}


def make_own(place: str, **arguments: Any) -> Any:
    """What the class or function `package.module:name`, from Python's path or the current folder, makes of arguments.

    Raises ConfigError when it cannot be imported or made.
    """
    module, _, name = place.partition(":")
    try:
        folder = os.getcwd()
        sys.path.insert(0, folder)
        try:
            return getattr(importlib.import_module(module), name)(**arguments)
        finally:
            sys.path.remove(folder)
    except AinoError:
        raise
    except Exception as error:  # whatever somebody else's module raises
        raise ConfigError(f"evaluator {place!r}: {type(error).__name__}: {error}") from error


def load_own(place: str, net_path: str | Path | None = None) -> Evaluator:
    """The evaluator `package.module:name`, made without arguments, or with `weights` of a `.dit` file: arrays by name.

    It is a network for `PlanesEvaluator`, or an `Evaluator` itself. Raises as `make_own`, ConfigError when it is
    neither, and NetFileError for the file.
    """
    made = make_own(place) if net_path is None else make_own(place, weights=load_tensors(net_path)[1])
    if all(hasattr(made, need) for need in ("evaluate", "round_size", "needs_planes", "close")):
        return made
    if callable(made):
        return PlanesEvaluator(made)
    raise ConfigError(f"evaluator {place!r}: expected a callable or an Evaluator, got {type(made).__name__}")
