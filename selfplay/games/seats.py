"""The search trees of many games in one struct of arrays, so that one kernel call serves all of
them.

Between two evaluations a game takes one step up its tree and one step down: a few microseconds. One
Python call per game would cost more than that; one call for all games costs little per game.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.evaluation.protocol import Evaluator, new_leaf_batch
from engine.native.jit import kernel
from engine.search.search_tree_state import Search, suited_to
from engine.search.tree.arrays import (
    EXPANDED,
    FREE,
    NODES,
    ROOT,
    Round,
    Tree,
    new_round,
    new_tree,
    view_kernel,
)
from engine.search.tree.params import SearchParams
from engine.search.tree.proofs import is_decided
from engine.search.tree.visits import apply, gather
from selfplay.games.game_settings import SearchSettings
from selfplay.games.tree_player import TreePlayer

SPARE_NODES = 256  # besides two nodes per visit; mates found at leaves use nodes but no visits
PAUSED = -1  # in `slots`: the seat waits for Python, not for an evaluation


def game_params(settings: SearchSettings) -> SearchParams:
    """Return what guides the searches of self-play and gate games."""
    return SearchParams(mate_moves=1, **asdict(settings))


@dataclass(frozen=True)
class Seating:
    """Number of games at once, and the limits that size their trees: visits per move, plies per
    game.
    """

    games: int
    params: SearchParams
    visits: int
    plies: int


class Seats:
    """A tree for each of `seating.games` games, and the batch of leaves that they send to one
    evaluator.

    Attributes:
        players: by seat.
        leaves: the batch; it begins with the leaves gathered since the last evaluation.
    """

    def __init__(self, evaluator: Evaluator, seating: Seating) -> None:
        self.evaluator = evaluator
        self._params = suited_to(evaluator, seating.params)
        count = seating.games
        tree = new_tree(2 * seating.visits + SPARE_NODES, seating.plies + 1)
        self._trees = _one_for_each(count, tree)
        self._trees.order[:] = tree.order
        self._rounds = _one_for_each(count, new_round())
        self.leaves = new_leaf_batch(count)
        self._filled = 0
        self._slots = np.full(count, PAUSED)
        self._targets = np.zeros(count, np.int64)
        self.players = list(map(self._new_player, range(count)))

    def _new_player(self, seat: int) -> TreePlayer:
        tree = tree_at.py_func(self._trees, seat)
        return TreePlayer(Search(self._params, tree, round_at.py_func(self._rounds, seat)))

    def gather(self, seats: Sequence[int]) -> list[int]:
        """Search in these seats until each adds a leaf to the batch or pauses. Returns the seats
        that paused.
        """
        if not seats:
            return []
        chosen = np.array(seats)
        self._targets[chosen] = [self.players[seat].target for seat in seats]
        self._filled = gather_seats(
            self._trees,
            self._rounds,
            self._params,
            self.leaves,
            chosen,
            self._targets,
            self._slots,
            self._filled,
        )
        return chosen[self._slots[chosen] == PAUSED].tolist()

    def evaluate(self) -> None:
        """Evaluate the batch and give every seat the answer."""
        if self._filled:
            self.evaluator.evaluate(self.leaves, self._filled)
            apply_seats(self._trees, self._rounds, self._params, self.leaves, self._slots)
            self._filled = 0


def _one_for_each(count: int, arrays: Any) -> Any:
    """Return the arrays of a struct, filled with zeros, for each of `count` seats."""
    return arrays._make(np.zeros((count, *array.shape), array.dtype) for array in arrays)


tree_at = view_kernel(Tree)
round_at = view_kernel(Round)


@kernel()
def pauses(tree, target):
    """Whether a search must pause: its root has `target` visits or is decided."""
    if tree.counters[NODES] == 0 or tree.nodes[ROOT].state != EXPANDED:
        return False
    return is_decided(tree, ROOT) or tree.nodes[ROOT].visits - tree.counters[FREE] >= target


@kernel()
def gather_seats(trees, rounds, params, leaves, seats, targets, slots, filled):
    """Search in `seats` (int64 [n]) until each pauses or has its next leaf; leaves go to
    `leaves[filled:]`.

    Writes each seat's slot, or PAUSED, to `slots[seat]`. Returns the new number of filled leaves.
    """
    for i in range(seats.size):
        seat = seats[i]
        tree = tree_at(trees, seat)
        in_flight = round_at(rounds, seat)
        slots[seat] = PAUSED
        while not pauses(tree, targets[seat]):
            if gather(tree, in_flight, params, leaves, filled, np.int64(1), np.int64(1)) > 0:
                slots[seat] = filled
                filled += 1
                break
    return filled


@kernel()
def apply_seats(trees, rounds, params, leaves, slots):
    """Apply the evaluations of all leaves that belong to a seat."""
    for seat in range(slots.size):
        if slots[seat] != PAUSED:
            apply(tree_at(trees, seat), round_at(rounds, seat), params, leaves, slots[seat])
            slots[seat] = PAUSED
