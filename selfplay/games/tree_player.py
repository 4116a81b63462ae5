"""One search tree that finds move after move: it says how far to search, and its caller does the
visits.
"""

from collections.abc import Callable

import numpy as np

from engine.evaluation.protocol import InKernelEvaluator
from engine.search.search_tree_state import Search, lead_to_mate, look_for_mate
from engine.search.tree.visits import new_walker, run_visits

_NO_TABLES = np.int64(0)  # pieces of the positions for which endgame tables are asked: none


class TreePlayer:
    """A search to a fixed number of root visits.

    The caller searches until the root is expanded and is either decided or has `target` visits. It
    then calls `resume`, and repeats both until `resume` returns False.

    Attributes:
        search: its tree.
        target: root visits at which the search next pauses.
    """

    def __init__(self, search: Search) -> None:
        self.search = search
        self.target = 0
        self._visits = 0
        self._noise: Callable[[Search], None] | None = None

    def begin(
        self, stack: np.ndarray, visits: int, noise: Callable[[Search], None] | None = None
    ) -> None:
        """Start on the last position of stack uint64[n, 16]; visits already in the tree count.

        noise: changes the priors of the expanded root.
        """
        if self.search.set_position(stack):
            lead_to_mate(self.search)
        self.search.finish_making_room()
        self._visits = visits
        self._noise = noise
        self.target = 1
        if self.search.is_expanded:
            self._begin_visits()

    def resume(self) -> bool:
        """Prepare the next phase. Returns False when the search is over: the root has its visits or
        is proven.
        """
        if self.target == self._visits or self.search.is_proven:
            return False
        look_for_mate(self.search)
        self._begin_visits()
        return True

    def _begin_visits(self) -> None:
        self.target = self._visits
        if self._noise is not None:
            self._noise(self.search)


class KernelVisits:
    """What one thread needs to run visits inside a kernel."""

    def __init__(self, evaluator: InKernelEvaluator) -> None:
        self._walker = new_walker(evaluator.new_model())

    def search(self, player: TreePlayer) -> None:
        """Search until the player has all its visits."""
        while True:
            search = player.search
            missing = player.target - search.visits if search.is_expanded else 1
            if missing > 0 and not search.is_proven:
                while search.needs_room:
                    search.make_room()
                until = np.array([search.visits + missing])
                limit = np.int64(missing)
                run_visits(search.tree, search.params, self._walker, until, limit, _NO_TABLES)
            elif not player.resume():
                return
