"""Carries out the visits of one search after the other, in batches (`batches`) or by all threads (`walkers`).

In between, old parts of a full tree give way, a root that has just got its moves is looked at for a mate, and
alpha-beta is asked for hints (`hints`): after a fixed number of visits, and with batches while these go on.
"""

from __future__ import annotations

import time

from engine.search.batches import Batches
from engine.search.hints import HintSource
from engine.search.params import CALL_SECONDS
from engine.search.session import Search
from engine.search.tree import MAX_VISITS
from engine.search.walkers import Walkers


class Runner:
    """Carries out visits of a search's tree, as `visits` does."""

    hint_source: HintSource | None = None  # Gives the search hints, where there is one. Changes between searches only.

    def __init__(self, search: Search, visits: Walkers | Batches) -> None:
        self._search = search
        self._visits = visits

    def advance(self, until: int) -> None:
        """Carry out some visits in a few milliseconds, until the root has ``until`` at most, or none while something
        else takes them.
        """
        search, visits, hint_source = self._search, self._visits, self.hint_source
        if isinstance(visits, Walkers) and hint_source is not None and hint_source.is_asking:
            visits.set_off(until)
            if hint_source.answer_next():
                visits.pause()
                hint_source.take_answers()
            return
        if search.needs_room:
            self._make_room()
            return
        is_new, due_at = not search.is_expanded, hint_source.due_at() if hint_source is not None else MAX_VISITS
        if is_new:
            until = search.visits + 1
        elif isinstance(visits, Walkers):
            until = min(until, max(due_at, search.visits + 1))
        visits.run(until)
        if is_new:
            search.look_for_mate()
        if hint_source is not None and search.visits >= due_at:
            visits.pause()
            self.settle()
            if hint_source.collect() and isinstance(visits, Batches):
                visits.let_answer(hint_source)

    def _make_room(self) -> None:
        """Let old parts of the tree give way, for a few milliseconds."""
        self.finish()
        begun = time.perf_counter()
        while self._search.needs_room and time.perf_counter() < begun + CALL_SECONDS:
            self._search.make_room()

    def pause(self) -> None:
        """Let all threads stand still, so that the tree can be read."""
        self._visits.pause()

    def finish(self, in_haste: bool = False) -> None:
        """Complete the visits in flight; the threads rest.

        In haste, what alpha-beta has not answered yet stays open until `settle`, which must come before the tree moves.
        """
        if self.hint_source is not None:
            self.hint_source.in_haste = in_haste
        self._visits.rest()
        if not in_haste:
            self.settle()
        self._visits.dismiss()

    def settle(self) -> None:
        """Take alpha-beta's answers to everything it was asked. No thread may visit the tree."""
        if self.hint_source is not None:
            self.hint_source.in_haste = False
            if isinstance(self._visits, Batches):
                self._visits.await_answers()
            self.hint_source.answer()
            self.hint_source.take_answers()

    def close(self) -> None:
        """Stop the threads. The runner is not used afterwards."""
        self._visits.close()
