"""Networks that are not Aino's: any callable from planes to policy and values becomes an evaluator.

class Net:                       # in my_net.py
    def __call__(self, planes):  # float32 [N, 112, 8, 8], as `planes_of` describes them
        return logits, wdl       # [N, 1858] of Lc0's policy moves, [N, 3] chances of win, draw and loss

aino play --evaluator my_net:Net             # or Engine(evaluator=PlanesEvaluator(Net()))

`selfplay.families.planes.custom` says what else a class needs to be trained by self-play.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import chess
import numpy as np

from engine.board.convert import decode_move
from engine.errors import AinoError, ConfigError, EvaluatorError, ShapeError
from engine.evaluation.answer_checks import check_answers
from engine.evaluation.guest_thread import Guest
from engine.evaluation.leaf_batches import leaves_of
from engine.evaluation.protocol import Evaluator, InKernelEvaluator, LeafBatch
from engine.files.dit_file import load_tensors
from engine.network.planes import float_planes
from engine.network.policy_map import POLICY_SIZE

PlanesToOutputs = Callable[[np.ndarray], Sequence[Any]]

DEFAULT_BATCH = 32  # positions of a full batch. Set by hand.
PLIES_LEFT = 60.0  # of every position, for a network that does not say. Set by hand.


class CustomEvaluator:
    """What evaluators of other people share: their code runs on a thread of its own (`Guest`), and
    a search believes nothing unchecked.

    Attributes: is_rehearsing: whether all positions are even and nobody's code is asked, while
        kernels are loaded.
    """

    name = "own"
    needs_planes = True
    round_size = DEFAULT_BATCH

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.is_rehearsing = False

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill logits, wdl and moves_left of the first `count` leaves.

        Raises ShapeError for outputs of another shape, EvaluatorError for others that cannot be
        used.
        """
        if self.is_rehearsing:
            leaves.logits[:count] = 0.0
            leaves.wdl[:count] = 1.0 / 3.0
            leaves.moves_left[:count] = PLIES_LEFT
            return
        self._ask(leaves, count)
        check_answers(self.guest.name, leaves, 0, count)

    def _ask(self, leaves: LeafBatch, count: int) -> None:
        raise NotImplementedError


class PlanesEvaluator(CustomEvaluator):
    """Evaluator that asks `network` (planes -> logits, wdl[, plies left]) about a batch of
    positions at a time.

    The network's attribute `batch`, if it has one, is the most positions in a batch (default 32). A
    search repeats exactly only if the network's answer for a position does not depend on the others
    in its batch. `guest`: the thread on which the network was made. Raises ConfigError for a
    `batch` that is no whole number from 1.
    """

    def __init__(self, network: PlanesToOutputs, guest: Guest | None = None) -> None:
        super().__init__(guest or Guest(repr(network)))
        self.network = network
        self.round_size = _whole(getattr(network, "batch", DEFAULT_BATCH), "batch")

    def _ask(self, leaves: LeafBatch, count: int) -> None:
        for first in range(0, count, self.round_size):
            part = slice(first, min(first + self.round_size, count))
            planes = planes_of(leaves.masks[part])
            policy, wdl, *plies_left = self.guest.ask(partial(outputs_of, self.network, planes))
            leaves.logits[part] = np.take_along_axis(
                policy, leaves.policy_index[part].astype(np.int64), axis=1
            )
            leaves.wdl[part] = wdl
            leaves.moves_left[part] = PLIES_LEFT
            if plies_left:
                leaves.moves_left[part] = np.maximum(plies_left[0], 0.0)

    def close(self) -> None:
        """Call the network's `close`, if it has one."""
        self.guest.close(getattr(self.network, "close", lambda: None))


class GuestEvaluator(CustomEvaluator):
    """An `Evaluator` of somebody's. Raises ConfigError for a `round_size` that is no whole number
    from 1.
    """

    def __init__(self, evaluator: Evaluator, guest: Guest) -> None:
        super().__init__(guest)
        self._made = evaluator
        self.name = str(getattr(evaluator, "name", self.name))
        self.needs_planes = bool(evaluator.needs_planes)
        self.round_size = _whole(evaluator.round_size, "round_size")

    def _ask(self, leaves: LeafBatch, count: int) -> None:
        self.guest.ask(lambda: self._made.evaluate(leaves, count))

    def close(self) -> None:
        """Close the evaluator."""
        self.guest.close(self._made.close)


def _whole(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ConfigError(
            f"an evaluator's {what} is {value!r}: expected a whole number of at least 1"
        )
    return int(value)


class Even:
    """A network to which all positions are even: kernels are compiled with it in place of
    somebody's.
    """

    def __call__(self, planes: np.ndarray) -> Sequence[np.ndarray]:
        return np.zeros((len(planes), POLICY_SIZE)), np.full((len(planes), 3), 1.0 / 3.0)


STAND_IN = f"{__name__}:{Even.__name__}"  # The place of a network that is always there.


def outputs_of(network: PlanesToOutputs, planes: np.ndarray) -> list[np.ndarray]:
    """Return a network's outputs as float32: logits [N, 1858], wdl [N, 3], perhaps plies left [N].

    Raises ShapeError for other shapes, and EvaluatorError for what is no array of numbers.
    """
    answer = network(planes)
    count = len(planes)
    expected = f"logits [{count}, {POLICY_SIZE}], wdl [{count}, 3] and perhaps plies left [{count}]"
    try:
        with np.errstate(over="ignore"):  # Numbers too large for float32 become infinite.
            outputs = [_as_floats(np.asarray(output)) for output in answer]
    except (TypeError, ValueError) as error:
        raise EvaluatorError(
            f"the network {network!r} gave {type(answer).__name__}: expected {expected}"
        ) from error
    shapes = [output.shape for output in outputs]
    if (
        shapes[:2] != [(count, POLICY_SIZE), (count, 3)]
        or len(outputs) > 3
        or any(output.size != count for output in outputs[2:])
    ):
        raise ShapeError(f"the network {network!r} gave {shapes}: expected {expected}")
    return [*outputs[:2], *(output.reshape(count) for output in outputs[2:])]


def _as_floats(array: np.ndarray) -> np.ndarray:
    """Return numbers as float32. Raises TypeError for what is no number."""
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    return array.astype(np.float32, casting="same_kind")


def planes_of(masks: np.ndarray) -> np.ndarray:
    """Return planes float32 [N, 112, 8, 8], ranks then files from a1, of words uint64 [N, 112]
    (`LeafBatch.masks`).

    The planes are those of Lc0 (`engine.network.planes`), seen from the side to move: plane 0 has
    its pawns, 6 the opponent's, 13 its pawns a ply ago; 109 is the fifty-move counter in plies.
    """
    return np.ascontiguousarray(float_planes(masks))


def board_planes(boards: Sequence[chess.Board]) -> np.ndarray:
    """Return planes float32 [N, 112, 8, 8] of boards with their games so far, as `planes_of`
    describes them.
    """
    return planes_of(leaves_of(boards).masks[: len(boards)])


def legal_policy(board: chess.Board, logits: np.ndarray) -> dict[chess.Move, float]:
    """Return the probabilities of legal moves, likeliest first, from policy logits [1858]. Raises
    ShapeError.
    """
    if np.shape(logits) != (POLICY_SIZE,):
        fault = f"found {list(np.shape(logits))}: of a batch, give one row, such as logits[0]"
        raise ShapeError(f"legal_policy: expected logits [{POLICY_SIZE}], {fault}")
    leaves = leaves_of([board])
    count = int(leaves.n_moves[0])
    chosen = np.asarray(logits, np.float64)[leaves.policy_index[0, :count]]
    weights = np.exp(chosen - chosen.max(initial=-np.inf))
    moves = [
        decode_move(leaves.rows[0], int(move), board.chess960) for move in leaves.moves[0, :count]
    ]
    ranked = sorted(zip(moves, weights / weights.sum(), strict=True), key=lambda pair: -pair[1])
    return {move: float(share) for move, share in ranked}


def make_custom(place: str, **arguments: Any) -> Any:
    """Return what the class or function `package.module:name`, from Python's path or the current
    folder, makes of arguments.

    Raises ConfigError when it cannot be imported or made.
    """
    module, _, name = place.partition(":")
    try:
        folder = os.getcwd()
        sys.path.insert(0, folder)
        try:
            return getattr(importlib.import_module(module), name)(**arguments)
        finally:
            if folder in sys.path:  # The module may have changed it.
                sys.path.remove(folder)
    except AinoError:
        raise
    except (Exception, SystemExit) as error:  # whatever somebody else's module raises
        fault = f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"evaluator {place!r}: {fault} (docs/own-network.md says what is expected)"
        ) from error


def load_custom(place: str, net_path: str | Path | None = None) -> Evaluator:
    """Return the evaluator `package.module:name`, made without arguments, or with `weights` of a
    `.dit` file: arrays by name.

    It is a network for `PlanesEvaluator`, or an `Evaluator` itself. Raises as `make_custom`,
    ConfigError when it is neither, and NetFileError for the file.
    """
    arguments = {}
    if net_path is not None:
        arguments["weights"] = load_tensors(net_path)[1]
    guest = Guest(place)
    evaluator = guest.make(lambda: _evaluator_of(make_custom(place, **arguments), place, guest))
    if isinstance(evaluator, InKernelEvaluator):  # Kernels cannot be given up.
        guest.end()
    return evaluator


def _evaluator_of(guest_object: Any, place: str, guest: Guest) -> Evaluator:
    if isinstance(guest_object, InKernelEvaluator):
        return guest_object
    needs = ("evaluate", "round_size", "needs_planes", "close")
    if all(hasattr(guest_object, need) for need in needs):
        return GuestEvaluator(guest_object, guest)
    if callable(guest_object):
        return PlanesEvaluator(guest_object, guest)
    raise ConfigError(
        f"evaluator {place!r}: expected a callable or an Evaluator, got {type(guest_object).__name__}"
    )
