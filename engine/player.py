"""`Engine` searches a `chess.Board` and returns a `SearchResult`. Everything that plays uses it.

with Engine() as engine:
    engine.set_position(board)
    result = engine.search(Limits(movetime_ms=1000))            # blocks
    job = engine.start(Limits(infinite=True), print)            # returns at once; any thread may call `job.stop`
    job.stop()
    best = job.result().best_move                               # or, in a coroutine: `await job`
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Self

import chess

from engine.board.convert import GameRows
from engine.board.fen import check_playable
from engine.engine_parts import (
    BOOK_FIELDS,
    EVALUATOR_FIELDS,
    TABLE_FIELDS,
    TREE_FIELDS,
    differ,
    make_evaluator_of,
    new_generator,
    open_book,
    open_people,
    open_tables,
)
from engine.evaluation.custom import CustomEvaluator
from engine.evaluation.protocol import (
    Evaluator,
    InKernelEvaluator,
    PartEvaluator,
    input_format_of,
    news_of,
)
from engine.native.jit import slow_start_reason
from engine.options import EngineOptions
from engine.search.batches import Batches
from engine.search.clock import LastMove, RecentMost
from engine.search.human_time import pace_s
from engine.search.job import SearchJob
from engine.search.limits import Limits
from engine.search.move_choice import SearchRequest
from engine.search.report import Reporter, outline
from engine.search.result import Branch, OnInfo, SearchResult, cp_scale_of
from engine.search.search_loop import SearchDriver
from engine.search.search_tree_state import Search, lead_to_mate, suited_to
from engine.search.tactical_priors import TacticalPriors
from engine.search.tree.arrays import EDGES_PER_NODE, LATE_EDGES_PER_NODE, new_tree, nodes_for
from engine.search.tree.params import (
    KNOWN_WIN_EFFECT,
    KNOWN_WIN_SLOPE,
    LC0,
    SearchParams,
    params_of,
)
from engine.search.visit_loop import Runner, Walkers
from engine.tactics.small_endings import MOST_KNOWN_PIECES, winner_of_small_ending

TABLE_SHARE = 1 / 16  # Share of Hash for the positions that alpha-beta remembers. Set by hand.
# Largest table in MiB: alpha-beta looks at a few thousand positions at a time. Set by hand.
MOST_TABLE_MIB = 4.0
_CLOSED_PARTS = "_runner evaluator _tablebase _book".split()


class Engine:
    """A chess player and context manager. It runs one search at a time, blocking or in the
    background; others wait.

    `evaluator` replaces the one that the options name. Raises NetFileError if the options name a
    net that does not load, DataError for a broken book and ConfigError for a bad option.
    """

    def __init__(
        self, options: EngineOptions | None = None, evaluator: Evaluator | None = None
    ) -> None:
        self.options = options or EngineOptions()
        self._owns_evaluator = evaluator is None
        self.evaluator = evaluator if evaluator is not None else make_evaluator_of(self.options)
        self.board = chess.Board()
        self._rows = GameRows()
        # Held by the search that is running, which may have to rehearse first.
        self._turn = threading.RLock()
        # Jobs of the running search and of the waiting ones.
        self._jobs: list[SearchJob[SearchResult]] = []
        self._tablebase = open_tables(self.options)
        self._book = open_book(self.options)
        self._people = open_people(self.options)
        self._rng = new_generator(self.options)
        self._forget_clocks()
        self._news = list(filter(None, [slow_start_reason()]))
        # A restriction or other priors made the tree unfit for other searches.
        self._root_was_changed = False
        # No exception has ended a search, or other work on the tree, in the middle.
        self._is_whole = True
        self._prepare()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ---- settings ----

    def _prepare(self) -> None:
        """Make a tree and a runner for the current options and evaluator."""
        hash_mib = self.options.hash_mib
        self._own_params = params = self._params()
        self._table_mib = 0.0
        if params.tactical_nodes > 0:
            self._table_mib = min(MOST_TABLE_MIB, TABLE_SHARE * hash_mib)
        edges_per_node = LATE_EDGES_PER_NODE if params.late_policy else EDGES_PER_NODE
        nodes = nodes_for(hash_mib - self._table_mib, edges_per_node)
        self._search = Search(params, new_tree(nodes, edges_per_node=edges_per_node))
        self._runner = self._make_runner()

    def _make_runner(self) -> Runner:
        options, evaluator = self.options, self.evaluator
        self._tactical_priors: TacticalPriors | None = None
        if self._search.params.tactical_nodes > 0:
            self._tactical_priors = TacticalPriors(self._search, self._table_mib)
        if not isinstance(evaluator, InKernelEvaluator) or options.preset == "lc0":
            round_size = 1 if options.preset == "lc0" else 0
            self._visits: Walkers | Batches = Batches(
                self._search, evaluator, options.thread_count, round_size
            )
        else:
            self._visits = Walkers(self._search, evaluator, options.thread_count)
        self._batching = _batching(evaluator)
        return Runner(self._search, self._visits)

    def _params(self) -> SearchParams:
        """Return the search's parameters but for what each search sets (`_params_of`)."""
        options = self.options
        if options.preset == "lc0":
            return LC0._replace(
                needs_planes=self.evaluator.needs_planes,
                input_format=input_format_of(self.evaluator),
            )
        params = suited_to(self.evaluator, params_of(options))
        deviation = float(options.cpuct_deviation)
        if deviation >= 0:
            params = params._replace(cpuct_deviation=deviation)
        return params

    def set_options(self, options: EngineOptions) -> None:
        """Take new options between searches; keep everything that they do not affect, including the
        tree.

        Raises the constructor's errors, and MemoryError if the tree does not fit. After an error
        nothing has changed.
        """
        if options == self.options:
            return
        before = dict(vars(self))
        try:
            self._take(options)
        except BaseException:
            _close_replaced(vars(self), before)
            vars(self).update(before)
            raise
        _close_replaced(before, vars(self))

    def _take(self, new: EngineOptions) -> None:
        """Make the parts that the new options change, without closing the old ones."""
        old, self.options = self.options, new
        if old.seed != new.seed:
            self._rng = new_generator(new)
        if differ(old, new, BOOK_FIELDS):
            self._book = open_book(new)
        if old.play_like != new.play_like:
            self._people = open_people(new)
        if differ(old, new, TABLE_FIELDS):
            self._tablebase = open_tables(new)
        if self._owns_evaluator and differ(old, new, EVALUATOR_FIELDS):
            self.evaluator = make_evaluator_of(new)
        if differ(old, new, TREE_FIELDS) or self._params() != self._own_params:
            self._prepare()

    def warm_up(self) -> None:
        """Compile or load every kernel that a search needs; afterwards the engine is as good as
        new.
        """
        own = self.evaluator if isinstance(self.evaluator, CustomEvaluator) else None
        people = self._people
        try:
            if own is not None:
                own.is_rehearsing = True
            self.warm_up_hints()
            self._people = None  # who need only some of the kernels
            for board, limits in _rehearsals():
                self.set_position(board)
                self.search(limits)
            if people is not None:
                self._people = people
                self.set_position(chess.Board())  # A level plays small endings without them.
                self.search(Limits(nodes=8))
            with self._at_work():
                self._runner.rehearse()
        finally:
            self.board = chess.Board()
            self._people = people
            if own is not None:
                own.is_rehearsing = False
            # Also after Ctrl-C between two rehearsals: their trees are no position's.
            self.new_game()

    def warm_up_hints(self) -> None:
        """Compile or load the kernels of alpha-beta, a part of `warm_up`."""
        if self._tactical_priors is not None:
            self._tactical_priors.warm_up()

    def new_game(self) -> None:
        """Forget the tree, and what the game before told of the clock."""
        with self._at_work():
            self._runner.settle()
            self._search.clear()
        self._forget_clocks()

    def _forget_clocks(self) -> None:
        self._lateness = RecentMost(0.0)
        self._lag = RecentMost()
        self._last = LastMove()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Work on the tree, which begins in a known state: whatever work that an exception ended
        left behind goes.
        """
        if not self._is_whole:
            self._runner.close()
            self._search.clear()  # Otherwise some of its visits would stay in flight forever.
            self._runner = self._make_runner()
        elif self._batching != _batching(self.evaluator):
            # The processor has taken over from a GPU.
            self._runner.settle()
            self._runner.close()
            self._runner = self._make_runner()
        self._is_whole = False
        try:
            yield
        except BaseException:
            self._runner.close()
            raise
        self._is_whole = True

    def take_problems(self) -> list[str]:
        """Return the news since the last call, one sentence each: endgame tables found or
        unreadable, a GPU that plays or fails, and kernels that take longer to compile.
        """
        news = [*self._news, *self._tablebase.take_news(), *news_of(self.evaluator)]
        self._news = []
        return news

    def close(self) -> None:
        """End all searches and stop all threads. Do not use the engine afterwards."""
        self.stop()
        for job in list(self._jobs):
            job.join()
        self._runner.close()
        if self._owns_evaluator:
            self.evaluator.close()
        self._tablebase.close()
        if self._book is not None:
            self._book.close()

    # ---- searching ----

    def set_position(self, board: chess.Board) -> None:
        """Search this board next, with the moves on its stack as history; keep the tree if it still
        fits.

        Raises FenError, and keeps the board before, for one that cannot be played. Castling rights
        without king and rook in place, and an en passant square that no pawn can have passed, count
        for nothing.
        """
        check_playable(board)
        self.board = board.copy()

    def search(
        self, limits: Limits, on_info: OnInfo | None = None, job: SearchJob[Any] | None = None
    ) -> SearchResult:
        """Search the current position until a limit is reached or `job.stop()`, then return the
        best move.

        The searching thread, which is the calling one, calls `on_info` with a complete set of lines
        soon, then once a second, when the best move changes, and at the end. If another search is
        running, this one waits for it.
        """
        return self._take_turn(self.board, limits, on_info, self._register(job or SearchJob()))

    def start(self, limits: Limits, on_info: OnInfo | None = None) -> SearchJob[SearchResult]:
        """Run `search` in the background on the current position. Searches started meanwhile wait
        their turn.
        """
        work = partial(self._take_turn, self.board, limits, on_info)
        return self._register(SearchJob[SearchResult]()).start(work)

    def _register(self, job: SearchJob[Any]) -> SearchJob[Any]:
        self._jobs.append(job)
        return job

    def _take_turn(
        self, board: chess.Board, limits: Limits, on_info: OnInfo | None, job: SearchJob[Any]
    ) -> SearchResult:
        try:
            with self._turn:
                self._get_ready(job, limits, board)
                begun = job.now() if job.begun is None else job.begun
                self._lag.note(self._last.lag_ms(board, limits))
                request = SearchRequest(
                    board, limits, self.options, self._rng, begun, on_info, job, self._lateness,
                    self._lag, self._last, people=self._people,
                )  # fmt: skip
                return self._search_board(request)
        finally:
            self._jobs.remove(job)

    def _get_ready(self, job: SearchJob[Any], limits: Limits, board: chess.Board) -> None:
        """Do what must be done before a search; a subclass may have something."""

    def _search_board(self, request: SearchRequest) -> SearchResult:
        board = request.board
        if not any(board.legal_moves):
            return SearchResult(None, None, [], [], 0, 0, board=board)
        book_move = request.book_move(self._book)
        if book_move is not None:
            result = SearchResult(book_move, None, [], [], 0, 0, board=board)
        else:
            with self._at_work():
                result = self._search_tree(request)
        job = request.job
        job.hold(request.limits)
        begun = request.begun if job.hit is None else job.hit
        if request.is_paced and result.best_move is not None:
            job.wait_until(begun + pace_s(request, result))
        return result

    def _params_of(self, request: SearchRequest) -> SearchParams:
        """Return the search's parameters for a request."""
        own = self._own_params._replace(draw_score=request.draw_score(cp_scale_of(self.evaluator)))
        if own.small_endings and self._is_known_win(request.board):
            own = own._replace(
                moves_left_max_effect=KNOWN_WIN_EFFECT, moves_left_slope=KNOWN_WIN_SLOPE
            )
        if request.is_like_people:  # who do not see the mates that the rules alone find
            own = own._replace(mate_moves=0)
        return own

    def _is_known_win(self, board: chess.Board) -> bool:
        """Whether one side's pieces win against a bare king by what `small_endings` knows."""
        has_few_pieces = board.occupied.bit_count() <= MOST_KNOWN_PIECES
        return has_few_pieces and winner_of_small_ending(self._rows.of(board)[-1]) >= 0

    def _search_tree(self, request: SearchRequest) -> SearchResult:
        self._runner.settle()
        params = self._params_of(request)
        if self._root_was_changed or params != self._search.params:
            self._search.params = params
            self._search.clear()
        if self._search.set_position(self._rows.of(request.board)):
            lead_to_mate(self._search)
        tables, first_hits = self._tablebase, self._tablebase.hits
        wait = None
        if patience_s := request.patience_s:
            wait = partial(request.job.wait_for, patience_s=patience_s)
        request = replace(request, ranks=tables.ranks(request.board, wait))
        self._root_was_changed = bool(request.only) or request.is_like_people
        # If the tablebases know the root, they order its moves; probing them in the search would
        # hide the way to mate.
        shown_tables = tables if tables.largest else None
        self._visits.tablebase = None if request.ranks else shown_tables
        # Alpha-beta finds combinations, for which analysis is there; in a game its time is better
        # spent on the tree.
        is_hinted = not (request.by_the_clock or request.is_like_people)
        self._runner.tactical_priors = self._tactical_priors if is_hinted else None
        if isinstance(self.evaluator, CustomEvaluator):
            self.evaluator.guest.is_over = request.is_over
        cp_scale = cp_scale_of(self.evaluator)
        reporter = Reporter(self._search, request, shown_tables, cp_scale, first_hits)
        return SearchDriver(self._search, self._runner, reporter, request).run()

    def tree(self, least_visits: int, widest: int = 5) -> tuple[Branch, ...]:
        """Return the most visited part of the last search's tree; the engine must not be searching."""
        if not self._is_whole:
            return ()
        return outline(self._search, max(1, least_visits), widest, self.board.chess960)

    def stop(self) -> None:
        """End the running search and all waiting searches as soon as possible."""
        for job in list(self._jobs):
            job.stop()

    def ponderhit(self) -> None:
        """Start the running search's clock, because the opponent played the expected move."""
        for job in list(self._jobs):
            job.ponderhit()


def _batching(evaluator: Evaluator) -> tuple[int, bool]:
    """Return what an evaluator says about batches, which is another once the processor takes over
    from a GPU.
    """
    return evaluator.round_size, isinstance(evaluator, PartEvaluator) and evaluator.in_parts


def _rehearsals() -> list[tuple[chess.Board, Limits]]:
    """Positions, and how to search them, that together need every kernel of a search: a game of two
    moves, chosen moves only, a mate in one and one in two.
    """
    start, reply = chess.Board(), chess.Board()
    reply.push_uci("e2e4")
    mate_in_one = chess.Board("k7/8/1K6/8/8/8/8/7R w - - 0 1")
    mate_in_two = chess.Board("k7/8/2K5/8/8/8/8/7R w - - 0 1")
    few = Limits(nodes=8)
    chosen = Limits(nodes=8, searchmoves=tuple(start.legal_moves)[:2])
    return [
        (start, Limits(nodes=64)),
        (reply, few),
        (start, chosen),
        (mate_in_one, few),
        (mate_in_two, few),
    ]


def _close_replaced(parts: Mapping[str, Any], remaining: Mapping[str, Any]) -> None:
    """Close the parts of an engine that do not remain."""
    for name in _CLOSED_PARTS:
        part = parts[name]
        if part is not None and part is not remaining[name]:
            part.close()
