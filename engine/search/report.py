"""What a search reports: lines of analysis while it runs, the root's moves at its end, the branches searched most."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import chess
import numpy as np

from engine.board.convert import decode_move
from engine.board.layout import ROW_WORDS
from engine.board.makemove import make
from engine.evaluation.tablebase import WIN as TABLE_WIN
from engine.evaluation.tablebase import Rank, Tablebase
from engine.native.jit import kernel
from engine.network.policy_map import policy_index
from engine.search.result import Branch, RootMove, SearchInfo, centipawns, mate_moves, per_mille
from engine.search.session import Search
from engine.search.tree.arrays import DRAW, EXPANDED, NO_NODE, ROOT
from engine.search.tree.priors import own_priors
from engine.search.tree.proofs import is_decided
from engine.search.tree.puct import score_edges
from engine.search.tree.root import Root, mating_line, principal_variation
from engine.tactics.mates import new_mate_space
from engine.tactics.small_endings import seen_from_before, winner_of_small_ending

TABLE_CP = 20_000  # Centipawns shown for a win by endgame tables whose mate is not proven; Stockfish's.


class Reporter:
    """Puts one search's root and lines into words, while no thread changes the tree.

    An order is a list of indices of root moves, those to be shown first in front.
    """

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
        self._last_visits = _visits_by_move(search.root())
        self._begun = time.perf_counter()

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the search began."""
        return (time.perf_counter() - self._begun) * 1000.0

    def order(self, root: Root) -> list[int]:
        """Return the root moves, best first; what tables know comes before what the search thinks."""
        order = root.order()
        if self._ranks:
            order.sort(key=lambda index: self._ranks[self._move(root, index)][:2], reverse=True)
        return order

    def infos_now(self, best: int | None = None) -> list[SearchInfo]:
        """Make a complete set of lines, best first, all of one depth. `best` is the code of a move to show first."""
        root = self._search.root()
        order = self.order(root)
        if best is not None:
            order.sort(key=lambda index: int(root.moves[index]) != best)
        return self.infos(root, order, self.root_moves(root, order[: self._multi_pv]))

    def infos(
        self, root: Root, order: Sequence[int], children: Sequence[RootMove], best: int | None = None
    ) -> list[SearchInfo]:
        """Make the lines of an order's first root moves; `children` are at least these. `best` is the code of the move
        that is shown before all others, whose place need not be the first.
        """
        places = sorted(range(len(order)), key=lambda place: best is not None and int(root.moves[order[place]]) != best)
        elapsed_ms = max(1, round(self.elapsed_ms))
        infos = [
            self._info(root, order[place], children[place], rank, elapsed_ms)
            for rank, place in enumerate(places[: self._multi_pv], 1)
        ]
        before, self._last_visits = self._last_visits, _visits_by_move(root)
        busiest = int(np.argmax([visits - before.get(move, 0) for move, visits in self._last_visits.items()]))
        number = places.index(order.index(busiest)) + 1
        infos[0] = replace(infos[0], current_move=self._move(root, busiest), current_number=number)
        return infos

    def _info(self, root: Root, index: int, child: RootMove, rank: int, elapsed_ms: int) -> SearchInfo:
        search, nodes = self._search, self._search.new_visits
        q, draw, mate = child.q, child.draw, child.mate
        by_tables = bool(self._ranks) and mate is None
        if not (child.visits or mate or by_tables):
            q, draw = self._unvisited_value(root)
            q = float(self._shown(root, q))
        return SearchInfo(
            depth=max(1, round(search.mean_depth)),
            seldepth=max(1, search.deepest, len(child.pv)),
            time_ms=elapsed_ms,
            nodes=nodes,
            nps=round(nodes * 1000 / elapsed_ms),
            hashfull=round(1000 * search.fullness),
            multipv=rank,
            score_cp=child.score_cp if by_tables else centipawns(q, self._cp_scale),
            score_mate=mate,
            wdl=per_mille(q, draw),
            pv=list(child.pv),
            tbhits=self._tablebase.hits - self._first_hits if self._tablebase is not None else 0,
        )

    def _unvisited_value(self, root: Root) -> tuple[float, float]:
        """(win minus loss, draw probability) shown for a line without visits.

        First-play urgency, as `puct` has it, from what the evaluator said of the root: the mean would tell of a mate
        that the line misses. No more than the worst line above it that is not certain.
        """
        q, draw = self._search.own_value
        return min([root.first_play_urgency(q), *root.q[(root.visits > 0) & (root.proven == DRAW)].tolist()]), draw

    def _shown(self, root: Root, q: np.ndarray | float) -> np.ndarray:
        """Values for people: a win that the search takes apart, in order to see progress, is worth its full value."""
        apart = root.params.small_endings and winner_of_small_ending(root.row) >= 0
        return seen_from_before(np.asarray(q)) if apart else np.asarray(q)

    def root_moves(self, root: Root, order: Sequence[int]) -> list[RootMove]:
        """Return the root moves of an order."""
        params, position, count = root.params, root.position, len(root.moves)
        u, s, priors = np.empty((3, count), np.float32)
        own_values, policy_indices = np.empty(count), np.empty(count, np.int64)
        describe_moves(self._search.tree, params, root.row, u, s, priors, own_values, policy_indices)
        urgency = root.first_play_urgency(position.q + params.draw_score * position.draw)
        q = self._shown(root, np.where(root.visits > 0, root.q, urgency))
        draws = np.where(root.visits > 0, root.draws, self._search.own_value[1])
        found, space = [], new_mate_space()
        for index in order:
            to_mate = mating_line(self._search.tree, root, index, space)
            line = to_mate or principal_variation(self._search.tree, root, index)
            pv, wins = tuple([decode_move(row, move, self._chess960) for row, move in line]), len(to_mate) % 2 == 1
            value, draw = (1.0, 0.0) if to_mate and wins else (float(q[index]), float(draws[index]))
            score_cp = centipawns(value, self._cp_scale)
            if self._ranks and not to_mate:
                value, draw, score_cp = table_value(self._ranks[pv[0]])
            found.append(
                RootMove(
                    move=pv[0],
                    visits=int(root.visits[index]),
                    prior=float(priors[index]),
                    q=value,
                    draw=draw,
                    mate=mate_moves(len(to_mate), wins) if to_mate else None,
                    policy_index=int(policy_indices[index]),
                    u=float(u[index]),
                    s=float(s[index]),
                    v=float(own_values[index]),
                    moves_left=float(root.moves_left[index]),
                    wdl=per_mille(value, draw),
                    pv=pv,
                    score_cp=score_cp,
                    hint=float(root.priors[index] - priors[index]),
                )
            )
        return found

    def _move(self, root: Root, index: int) -> chess.Move:
        return decode_move(root.row, int(root.moves[index]), self._chess960)


def _visits_by_move(root: Root) -> dict[int, int]:
    """Visits of the root moves, by move code and not by edge, because edges change places."""
    return dict(zip(root.moves.tolist(), root.visits.tolist(), strict=True))


@kernel()
def describe_moves(tree, params, row, u, s, priors, own_values, policy_indices):
    """Write for every root move what only reports tell, n values each: U and S, by which the search compares moves, and
    P as the policy had it, float32; V, float64; the index of its policy, int64.

    V is the evaluator's own value of the position after the move, 0 for moves never visited. A child's value sum is its
    own value minus the value sums of its children. A decided child counts as its result, and one whose position was
    known when it was new began with the mean value found there.
    """
    score_edges(tree, params, np.int64(ROOT), np.float64(params.draw_score), u, s)
    own_priors(tree, np.int64(ROOT), priors)
    first = np.int64(tree.nodes[ROOT].first_edge)
    for i in range(own_values.size):
        policy_indices[i] = policy_index(row, tree.move[first + i])
        own_values[i] = 0.0
        child = np.int64(tree.child[first + i])
        if child == NO_NODE or tree.nodes[child].visits == 0:
            continue
        if is_decided(tree, child):
            own_values[i] = tree.nodes[child].lower
        else:
            own_values[i] = max(-1.0, min(1.0, tree.nodes[child].value_sum + value_below(tree, child)))


@kernel()
def value_below(tree, node):
    """Sum of the value sums of a node's children."""
    total = 0.0
    first = np.int64(tree.nodes[node].first_edge)
    for edge in range(first, first + tree.nodes[node].n_edges):
        if tree.child[edge] != NO_NODE:
            total += tree.nodes[tree.child[edge]].value_sum
    return total


def table_value(rank: Rank) -> tuple[float, float, int]:
    """(win minus loss, draw probability, centipawns) of a move with this rank in endgame tables.

    Wins that the fifty-move rule prevents are draws.
    """
    result = rank[0]
    if abs(result) != TABLE_WIN:
        return 0.0, 1.0, 0
    return float(np.sign(result)), 0.0, TABLE_CP * (1 if result > 0 else -1)


def outline(search: Search, least_visits: int, widest: int, chess960: bool = False) -> tuple[Branch, ...]:
    """Return the root's branches with at least `least_visits`, at every node the `widest` most visited of them."""

    def branches(node: int, row: np.ndarray) -> tuple[Branch, ...]:
        edges = search.edges(node)
        moves, children, priors = tree.move[edges], tree.child[edges], np.empty(edges.stop - edges.start, np.float32)
        own_priors(tree, np.int64(node), priors)
        visits = np.where(children == NO_NODE, 0, tree.visits[children])
        found = []
        for index in np.argsort(-visits, kind="stable")[:widest].tolist():
            if visits[index] < max(1, least_visits):
                break
            child = int(children[index])
            after = np.empty(ROW_WORDS, np.uint64)
            make(row, moves[index], after)
            found.append(
                Branch(
                    move=decode_move(row, int(moves[index]), chess960),
                    visits=int(visits[index]),
                    prior=float(priors[index]),
                    q=float(tree.value_sum[child]) / int(visits[index]),
                    replies=branches(child, after) if tree.state[child] == EXPANDED else (),
                )
            )
        return tuple(found)

    tree = search.tree
    return branches(ROOT, search.root_row()) if search.is_expanded else ()
