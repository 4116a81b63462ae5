"""Reads a tree into results: lines of analysis on the way, the root's moves at the end, the branches searched most."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import chess
import numpy as np

from engine.board.convert import decode_move
from engine.board.layout import ROW_WORDS
from engine.board.makemove import make
from engine.evaluation.tablebase import WIN as TABLE_WIN
from engine.evaluation.tablebase import Rank, Tablebase
from engine.network.policy_map import policy_index
from engine.search.result import Branch, RootMove, RootPosition, SearchInfo, centipawns, mate_moves, per_mille
from engine.search.session import Search
from engine.search.tree import DRAW, EXPANDED, NO_NODE, ROOT, UNKNOWN_DISTANCE, WIN

TABLE_CP = 20_000  # Centipawns shown for a win by endgame tables whose mate is not proven; Stockfish's.


class Columns(NamedTuple):
    """The root's arrays of one moment, as `RootView` gives them."""

    moves: np.ndarray
    visits: np.ndarray
    priors: np.ndarray
    hints: np.ndarray
    q: np.ndarray
    draws: np.ndarray
    proven: np.ndarray
    mate_plies: np.ndarray
    moves_left: np.ndarray
    u: np.ndarray
    s: np.ndarray
    own_values: np.ndarray


def read_columns(search: Search) -> Columns:
    """Read all columns at once: reading them move by move would cost more than a short search."""
    visits, priors = search.root_visits(), search.own_priors(ROOT)
    mean, draw = search.root_value()
    u, s = search.root_scores()
    return Columns(
        moves=search.root_moves(),
        visits=visits,
        priors=priors,
        hints=search.root_priors() - priors,
        q=np.where(visits > 0, search.root_q(), search.root_fpu(mean + search.params.draw_score * draw)),
        draws=np.where(visits > 0, search.root_draws(), search.own_value[1]),
        proven=search.root_proven(),
        mate_plies=search.root_mate_plies(),
        moves_left=search.root_moves_left(),
        u=u,
        s=s,
        own_values=search.root_own_values(),
    )


class Reporter:
    """Reads one search's tree between rounds."""

    def __init__(
        self,
        search: Search,
        board: chess.Board,
        multi_pv: int,
        tablebase: Tablebase | None,
        cp_scale: float,
        first_hits: int = 0,
        ranks: Mapping[chess.Move, Rank] = MappingProxyType({}),
    ) -> None:
        self._search = search
        self._chess960 = board.chess960
        self._multi_pv = multi_pv
        self._tablebase = tablebase
        self._cp_scale = cp_scale  # Centipawns of a Q of 0.5.
        self._first_hits = first_hits  # The tablebase's hits before this search asked it anything.
        self._ranks = ranks  # What tables know of the root's moves; empty if they do not know the root.
        self._last_visits = self._visits_by_move()
        self._begun = time.monotonic()

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the search began."""
        return (time.monotonic() - self._begun) * 1000.0

    @property
    def nodes(self) -> int:
        """Number of visits of this search."""
        return self._search.new_visits

    def infos(self, first: chess.Move | None = None) -> list[SearchInfo]:
        """A complete set of lines, best first, all of one depth; ``first`` is the move to play if it is another."""
        search = self._search
        order = self._order()
        order.sort(key=lambda index: self.move(index) != first)  # The sort is stable, so that the rest stays in order.
        columns = read_columns(search)
        elapsed_ms = max(1, round(self.elapsed_ms))
        shown = [self._root_move(index, columns) for index in order[: self._multi_pv]]
        infos = [self._info(child, rank, elapsed_ms) for rank, child in enumerate(shown, 1)]
        before, self._last_visits = self._last_visits, self._visits_by_move()
        gained = {move: visits - before.get(move, 0) for move, visits in self._last_visits.items()}
        busiest = columns.moves.tolist().index(max(gained, key=gained.__getitem__))
        infos[0] = replace(infos[0], current_move=self.move(busiest), current_number=order.index(busiest) + 1)
        return infos

    def _order(self) -> list[int]:
        """Indices of the root moves, best first; what tables know comes before what the search thinks."""
        order = [int(index) for index in self._search.best_order()]
        if self._ranks:
            order.sort(key=lambda index: self._ranks[self.move(index)], reverse=True)
        return order

    def _visits_by_move(self) -> dict[int, int]:
        """Visits of the root moves, by move code and not by edge, because edges change places."""
        search = self._search
        if not search.is_expanded:
            return {}
        return dict(zip(search.root_moves().tolist(), search.root_visits().tolist(), strict=True))

    def _info(self, child: RootMove, rank: int, elapsed_ms: int) -> SearchInfo:
        search = self._search
        known = child.visits or self._is_known(child)
        q, draw = (child.q, child.draw) if known else self._unvisited_value()
        mate = child.mate
        if mate is None and child.move == self._forced_move():
            q, draw, mate = 1.0, 0.0, search.forced_in
        return SearchInfo(
            depth=max(1, round(search.mean_depth)),
            seldepth=max(1, search.deepest, len(child.pv)),
            time_ms=elapsed_ms,
            nodes=self.nodes,
            nps=round(self.nodes * 1000 / elapsed_ms),
            hashfull=round(1000 * search.fullness),
            multipv=rank,
            score_cp=child.score_cp if self._is_known(child) else centipawns(q, self._cp_scale),
            score_mate=mate,
            wdl=per_mille(q, draw),
            pv=list(child.pv),
            tbhits=self._tablebase.hits - self._first_hits if self._tablebase is not None else 0,
        )

    def _is_known(self, child: RootMove) -> bool:
        """Whether the move's value comes from tables."""
        return bool(self._ranks) and child.mate is None

    def _forced_move(self) -> chess.Move | None:
        """The move that starts a mate found by the rules, which the tree need not have proven yet."""
        index = self._search.forced_index()
        return None if index is None else self.move(index)

    def _unvisited_value(self) -> tuple[float, float]:
        """(win minus loss, draw probability) shown for a line without visits.

        First-play urgency, as `puct` has it, from what the evaluator said of the root: the mean would tell of a mate
        that the line misses. No more than the worst line above it, those left out that are certain.
        """
        search = self._search
        q, draw = search.own_value
        uncertain = (search.root_visits() > 0) & (search.root_proven() == DRAW)
        return min([search.root_fpu(q), *search.root_q()[uncertain]]), draw

    def root_moves(self) -> list[RootMove]:
        """All root moves, best first."""
        columns = read_columns(self._search)
        return [self._root_move(index, columns) for index in self._order()]

    def root_position(self) -> RootPosition:
        """The root itself."""
        search = self._search
        q, draw = search.root_value()
        moves_left = float(search.tree.moves_left[ROOT])
        return RootPosition(visits=search.visits, q=q, draw=draw, v=search.own_value[0], moves_left=moves_left)

    def _root_move(self, index: int, columns: Columns) -> RootMove:
        proven, plies = int(columns.proven[index]), int(columns.mate_plies[index])
        has_mate = proven != DRAW and plies != UNKNOWN_DISTANCE
        q, draw = float(columns.q[index]), float(columns.draws[index])
        score_cp = centipawns(q, self._cp_scale)
        if self._ranks and not has_mate:
            q, draw, score_cp = table_value(self._ranks[self.move(index)])
        line = self._search.principal_variation(index)
        return RootMove(
            move=self.move(index),
            visits=int(columns.visits[index]),
            prior=float(columns.priors[index]),
            q=q,
            draw=draw,
            mate=mate_moves(plies + 1, proven == WIN) if has_mate else None,
            policy_index=int(policy_index(self._search.root_row(), columns.moves[index])),
            u=float(columns.u[index]),
            s=float(columns.s[index]),
            v=float(columns.own_values[index]),
            moves_left=float(columns.moves_left[index]),
            wdl=per_mille(q, draw),
            pv=tuple(self._decode(before, move) for before, move in line),
            score_cp=score_cp,
            hint=float(columns.hints[index]),
        )

    def move(self, index: int) -> chess.Move:
        """The root move of an index."""
        return self._decode(self._search.root_row(), int(self._search.root_moves()[index]))

    def _decode(self, row: np.ndarray, move: int) -> chess.Move:
        return decode_move(row, move, self._chess960)


def table_value(rank: Rank) -> tuple[float, float, int]:
    """(win minus loss, draw probability, centipawns) of a move with this rank in endgame tables.

    Wins that the fifty-move rule prevents are draws.
    """
    result = rank[0]
    if abs(result) != TABLE_WIN:
        return 0.0, 1.0, 0
    return float(np.sign(result)), 0.0, TABLE_CP * (1 if result > 0 else -1)


def outline(search: Search, least_visits: int, widest: int, chess960: bool = False) -> tuple[Branch, ...]:
    """The root's branches with at least ``least_visits``, at every node the ``widest`` most visited of them."""
    return _branches(search, ROOT, search.root_row(), least_visits, widest, chess960) if search.is_expanded else ()


def _branches(
    search: Search, node: int, row: np.ndarray, least_visits: int, widest: int, chess960: bool
) -> tuple[Branch, ...]:
    tree = search.tree
    first, count = int(tree.first_edge[node]), int(tree.n_edges[node])
    priors = search.own_priors(node)
    edges = [edge for edge in range(first, first + count) if tree.child[edge] != NO_NODE]
    edges = [edge for edge in edges if tree.visits[tree.child[edge]] >= least_visits]
    edges.sort(key=lambda edge: -int(tree.visits[tree.child[edge]]))
    found = []
    for edge in edges[:widest]:
        child = int(tree.child[edge])
        after = np.empty(ROW_WORDS, np.uint64)
        make(row, tree.move[edge], after)
        is_open = tree.state[child] == EXPANDED
        found.append(
            Branch(
                move=decode_move(row, int(tree.move[edge]), chess960),
                visits=int(tree.visits[child]),
                prior=float(priors[edge - first]),
                q=float(tree.value_sum[child]) / max(1, int(tree.visits[child])),
                replies=_branches(search, child, after, least_visits, widest, chess960) if is_open else (),
            )
        )
    return tuple(found)
