"""`Engine`: search a `chess.Board`, get a `SearchResult`. Everything that plays goes through it."""

from __future__ import annotations

import chess

from engine import evaluation
from engine.board.convert import stack_from_board
from engine.evaluation.protocol import Evaluator, new_leaf_batch
from engine.evaluation.tablebase import RootTablebase
from engine.options import EngineOptions
from engine.search.control import SearchControl
from engine.search.driver import OnInfo, SearchDriver
from engine.search.limits import Limits
from engine.search.results import SearchResult
from engine.search.select import SearchParams
from engine.search.session import Search
from engine.search.tree import MAX_ROUND, nodes_for

_TREE_FIELDS = ("hash_mib",)
_EVALUATOR_FIELDS = ("evaluator", "weights_file", "threads", "hybrid_weight")


class Engine:
    """A chess player. Searches block: call them on a worker thread, and `stop` from any other.

    ``evaluator`` replaces the one that the options name. Usable as a context manager. Raises NetFileError where the
    options name a net that cannot be loaded and ConfigError for a bad option.
    """

    def __init__(self, options: EngineOptions | None = None, evaluator: Evaluator | None = None) -> None:
        self.options = options or EngineOptions()
        self._owns_evaluator = evaluator is None
        self.evaluator = evaluator if evaluator is not None else self._make_evaluator(self.options)
        self.leaves = new_leaf_batch(MAX_ROUND)
        self.board = chess.Board()
        self._control = SearchControl()
        self._tablebase = RootTablebase(self.options.syzygy_path)
        self._root_was_restricted = False
        self._search = self._make_search()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ---- settings ----

    @staticmethod
    def _make_evaluator(options: EngineOptions) -> Evaluator:
        return evaluation.make_evaluator(
            options.evaluator, options.weights_file, options.thread_count, options.hybrid_weight
        )

    def _make_search(self) -> Search:
        return Search(self._params(), nodes_for(self.options.hash_mib))

    def _params(self) -> SearchParams:
        options = self.options
        return SearchParams(
            cpuct_init=float(options.cpuct_init),
            cpuct_base=float(options.cpuct_base),
            cpuct_factor=float(options.cpuct_factor),
            fpu_reduction=float(options.fpu_reduction),
            policy_temperature=float(options.policy_temperature),
            needs_planes=self.evaluator.needs_planes,
        )

    def set_options(self, options: EngineOptions) -> None:
        """Take new options between searches; what they do not touch is kept. Raises like the constructor, changing
        nothing.
        """
        old = self.options
        tablebase = RootTablebase(options.syzygy_path) if options.syzygy_path != old.syzygy_path else self._tablebase
        if self._owns_evaluator and _differ(old, options, _EVALUATOR_FIELDS):
            evaluator = self._make_evaluator(options)
            self.evaluator.close()
            self.evaluator = evaluator
        self.options = options
        self._tablebase = tablebase
        if _differ(old, options, _TREE_FIELDS):
            self._search = self._make_search()
        self._search.params = self._params()
        if old != options:
            self._search.clear()

    def warm_up(self) -> None:
        """Compile or load every kernel that a search needs."""
        self.set_position(chess.Board())
        self.search(Limits(nodes=64))
        self.board.push_uci("e2e4")
        self.set_position(self.board)
        self.search(Limits(nodes=8))
        self.new_game()

    def new_game(self) -> None:
        """Forget the tree."""
        self._search.clear()

    def close(self) -> None:
        """Stop the evaluator's threads. The engine is not used afterwards."""
        if self._owns_evaluator:
            self.evaluator.close()

    # ---- searching ----

    def set_position(self, board: chess.Board) -> None:
        """Search this board next, with the moves on its stack as history; the tree is kept where it still fits."""
        self.board = board.copy()

    def search(
        self, limits: Limits, on_info: OnInfo | None = None, control: SearchControl | None = None
    ) -> SearchResult:
        """Search the current position until a limit is reached or ``control.stop()``, then return the best move.

        ``on_info`` gets a complete set of lines about once a second and at the end, on the searching thread.
        """
        self._control = control or SearchControl()
        if not any(self.board.legal_moves):
            return SearchResult(None, None, [], [], 0, 0)
        if self._root_was_restricted:
            self._search.clear()
        driver = self._driver(limits, on_info)
        only = [move for move in limits.searchmoves if self.board.is_legal(move)]
        only = only or self._tablebase.best_moves(self.board)
        self._root_was_restricted = bool(only)
        return driver.run(only)

    def _driver(self, limits: Limits, on_info: OnInfo | None) -> SearchDriver:
        self._search.set_position(stack_from_board(self.board))
        return SearchDriver(
            search=self._search,
            evaluator=self.evaluator,
            leaves=self.leaves,
            board=self.board,
            limits=limits,
            overhead_ms=self.options.move_overhead_ms,
            multi_pv=self.options.multi_pv,
            on_info=on_info,
            control=self._control,
        )

    def stop(self) -> None:
        """End the running search at the next opportunity."""
        self._control.stop()

    def ponderhit(self) -> None:
        """The opponent played the expected move: the running search's clock starts now."""
        self._control.ponderhit()


def _differ(old: EngineOptions, new: EngineOptions, names: tuple[str, ...]) -> bool:
    return any(getattr(old, name) != getattr(new, name) for name in names)
