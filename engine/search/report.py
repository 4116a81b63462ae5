"""What a search reports: lines of analysis while it runs, the root's moves at its end, the branches
searched most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import chess
import numpy as np

from engine.board.convert import decode_move, moves_of_lines
from engine.board.layout import BLACK, WHITE
from engine.board.makemove import push
from engine.evaluation.tablebase import WIN as TABLE_WIN
from engine.evaluation.tablebase import Rank, Tablebase
from engine.native.jit import kernel
from engine.network.policy_map import policy_index
from engine.search.choice import SearchOrder
from engine.search.result import Branch, RootMove, SearchInfo, centipawns, mate_moves, per_mille
from engine.search.session import Search
from engine.search.tree.arrays import DRAW, EXPANDED, MAX_DEPTH, NO_NODE, ROOT, ROOT_PLY
from engine.search.tree.edges import value_below
from engine.search.tree.priors import own_priors
from engine.search.tree.proofs import is_decided
from engine.search.tree.puct import score_edges
from engine.search.tree.repetitions import ends_line
from engine.search.tree.root import Root, read_position, root_lines
from engine.tactics.small_endings import MOST_KNOWN_PIECES, seen_from_before, winner_of_small_ending
from engine.tactics.solved_endings import line_to_mate

# Centipawns shown for a win by endgame tables whose mate is not proven; Stockfish's.
TABLE_CP = 20_000


class Reporter:
    """Puts one search's root and lines into words, while no thread changes the tree.

    An order is a list of indices of root moves, those to be shown first in front.
    """

    def __init__(
        self,
        search: Search,
        wanted: SearchOrder,
        tablebase: Tablebase | None,
        cp_scale: float,
        first_hits: int = 0,
    ) -> None:
        self._search = search
        self._wanted = wanted
        self._chess960 = wanted.board.chess960
        self._multi_pv = wanted.options.multi_pv
        self._tablebase = tablebase
        self._cp_scale = cp_scale  # Centipawns of a Q of 0.5.
        self._first_hits = first_hits  # The tablebase's hits before this search asked it anything.
        self._to_mate: dict[
            chess.Move, tuple[chess.Move, ...]
        ] = {}  # Lines by the solution of an ending.
        self._last_visits = _visits_by_move(search.root())
        self._begun = wanted.job.now()
        best = sorted(wanted.ranks.items(), key=lambda ranked: ranked[1], reverse=True)
        for move, rank in best if wanted.solves else ():
            if rank[:2] >= best[: self._multi_pv][-1][1][:2]:
                self._solved_line(move)  # Before the search, so that a limit of time counts it.

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the search began."""
        return (self._wanted.job.now() - self._begun) * 1000.0

    def order(self, root: Root) -> list[int]:
        """Return the root moves, best first; what tables know comes before what the search thinks."""
        order = root.order()
        if ranks := self._wanted.ranks:
            order.sort(key=lambda index: ranks[self._move(root, index)][:2], reverse=True)
        return order

    def read(
        self, best: int | None = None, every: bool = True
    ) -> tuple[list[SearchInfo], list[RootMove]]:
        """Return a complete set of lines, all of one depth, and the root moves, best first: all of
        them, or if not `every` those shown.

        `best`: the code of the move that is shown before all others, whose place need not be the
        first.
        """
        root = self._search.root()
        order = self.order(root)
        places = list(order)
        if best is not None:
            first = int(np.flatnonzero(root.moves == best)[0])
            places.remove(first)
            places.insert(0, first)
        shown = places[: self._multi_pv]
        indices = order if every else shown
        moves = dict(zip(indices, self.root_moves(root, indices, shown), strict=True))
        aside = [
            self._move_aside(move)
            for move in self._wanted.aside[: None if every else self._multi_pv]
        ]
        lines = ([moves[index] for index in shown] + aside)[: self._multi_pv]
        elapsed_ms = max(1, round(self.elapsed_ms))
        infos = [self._info(root, move, number, elapsed_ms) for number, move in enumerate(lines, 1)]
        before = self._last_visits
        self._last_visits = _visits_by_move(root)
        busiest = int(
            np.argmax([visits - before.get(move, 0) for move, visits in self._last_visits.items()])
        )
        number = places.index(busiest) + 1
        infos[0] = replace(infos[0], current_move=self._move(root, busiest), current_number=number)
        return infos, [*moves.values(), *aside]

    def _info(self, root: Root, move: RootMove, number: int, elapsed_ms: int) -> SearchInfo:
        search, nodes = self._search, self._search.new_visits
        score_cp, wdl = move.score_cp, move.wdl
        if not (move.visits or move.mate or self._wanted.ranks or move.move in self._wanted.aside):
            # First-play urgency, as `puct` has it, from what the evaluator said of the root: the
            # mean would tell of a mate that the line misses. No more than the worst line above it
            # that is not certain.
            q, draw = search.own_value
            seen = root.q[(root.visits > 0) & (root.proven == DRAW)].tolist()
            mean = read_position(search.tree, q)
            fall = mean.q + root.params.draw_score * mean.draw - (move.s - move.u)
            q = float(self._for_people(root, min([max(-1.0, q - fall), *seen])))
            score_cp = centipawns(q, self._cp_scale)
            wdl = per_mille(q, draw)
        return SearchInfo(
            depth=max(1, round(search.mean_depth)),
            seldepth=max(1, search.deepest, len(move.pv)),
            time_ms=elapsed_ms,
            nodes=nodes,
            nps=round(nodes * 1000 / elapsed_ms),
            hashfull=round(1000 * search.fullness),
            multipv=number,
            score_cp=score_cp,
            score_mate=move.mate,
            wdl=wdl,
            pv=list(move.pv),
            tbhits=self._tablebase.hits - self._first_hits if self._tablebase is not None else 0,
        )

    def _for_people(self, root: Root, q: np.ndarray | float) -> np.ndarray:
        """Values for people: a win that the search takes apart, in order to see progress, is worth
        its full value.
        """
        few = (
            root.params.small_endings
            and np.bitwise_count(root.row[WHITE] | root.row[BLACK]) <= MOST_KNOWN_PIECES
        )
        return (
            seen_from_before(np.asarray(q))
            if few and winner_of_small_ending(root.row) >= 0
            else np.asarray(q)
        )

    def root_moves(self, root: Root, order: list[int], shown: Sequence[int] = ()) -> list[RootMove]:
        """Return the root moves of an order. Those `shown` get their lines to mate from the
        solution of an ending.
        """
        params = root.params
        count = len(root.moves)
        u, s, priors = np.empty((3, count), np.float32)
        own_values, policy_indices = np.empty(count), np.empty(count, np.int64)
        urgency = describe_moves(
            self._search.tree, params, root.row, u, s, priors, own_values, policy_indices
        )
        codes, lengths, mates = root_lines(self._search.tree, root, order, self._search.mate_space)
        pvs = moves_of_lines(codes[np.arange(codes.shape[1]) < lengths[:, None]], self._chess960)
        visited = root.visits > 0
        wins = mates & (lengths % 2 == 1)
        ends = np.cumsum(lengths).tolist()
        q = self._for_people(root, np.where(visited, root.q, max(-1.0, urgency)))
        q, draws = q[order], np.where(visited, root.draws, self._search.own_value[1])[order]
        q[wins], draws[wins] = 1.0, 0.0
        cp = centipawns(q, self._cp_scale)
        hints = root.priors - priors
        wdl = list(zip(*per_mille(q, draws), strict=True))
        found = []
        for k, index in enumerate(order):
            pv = tuple(pvs[ends[k] - int(lengths[k]) : ends[k]])
            plies = int(lengths[k]) if mates[k] else 0
            value = float(q[k])
            draw = float(draws[k])
            score_cp = cp[k]
            chances = wdl[k]
            if rank := self._wanted.ranks.get(pv[0]):
                to_mate = self._solved_line(pv[0]) if index in shown else ()
                pv, plies = (to_mate, len(to_mate)) if to_mate else (pv, plies)
                if to_mate or not plies:
                    value, draw, score_cp, chances = table_value(rank)
            found.append(
                RootMove(
                    move=pv[0],
                    visits=int(root.visits[index]),
                    prior=float(priors[index]),
                    q=value,
                    draw=draw,
                    mate=mate_moves(plies, plies % 2 == 1) if plies else None,
                    policy_index=int(policy_indices[index]),
                    u=float(u[index]),
                    s=float(s[index]),
                    v=float(own_values[index]),
                    moves_left=float(root.moves_left[index]),
                    wdl=chances,
                    pv=pv,
                    score_cp=score_cp,
                    hint=float(hints[index]),
                )
            )
        return found

    def _move_aside(self, move: chess.Move) -> RootMove:
        """Return a root move that is not searched."""
        value, draw, score_cp, chances = table_value(self._wanted.rank(move))
        pv = self._solved_line(move)
        mate = mate_moves(len(pv), len(pv) % 2 == 1) if pv else None
        return RootMove(
            move, 0, 0.0, value, draw, mate, wdl=chances, pv=pv or (move,), score_cp=score_cp
        )

    def _solved_line(self, move: chess.Move) -> tuple[chess.Move, ...]:
        """Return a move's line to mate by the solution of the ending; empty where there is none, or
        no time for it.
        """
        if move not in self._to_mate:
            is_known = self._wanted.solves and self._wanted.rank(move).mate_plies
            self._to_mate[move] = line_to_mate(self._wanted.board, move) if is_known else ()
        return self._to_mate[move]

    def _move(self, root: Root, index: int) -> chess.Move:
        return decode_move(root.row, int(root.moves[index]), self._chess960)


def _visits_by_move(root: Root) -> dict[int, int]:
    """Visits of the root moves, by move code and not by edge, because edges change places."""
    return dict(zip(root.moves.tolist(), root.visits.tolist(), strict=True))


@kernel()
def describe_moves(tree, params, row, u, s, priors, own_values, policy_indices):
    """Write for every root move what only reports tell, n values each: U and S, by which the search
    compares moves, and P as the policy had it, float32; V, float64; the index of its policy, int64.

    V is the evaluator's own value of the position after the move, 0 for moves never visited. A
    child's value sum is its own value minus the value sums of its children. A decided child counts
    as its result, and one whose position was known when it was new began with the mean value found
    there.

    Returns the Q of moves never visited.
    """
    urgency = score_edges(tree, params, np.int64(ROOT), np.float64(params.draw_score), u, s)
    own_priors(tree, np.int64(ROOT), priors)
    first = np.int64(tree.nodes[ROOT].first_edge)
    for i in range(own_values.size):
        policy_indices[i] = policy_index(row, tree.edges[first + i].move)
        own_values[i] = 0.0
        child = np.int64(tree.edges[first + i].child)
        if child == NO_NODE or tree.nodes[child].visits == 0:
            continue
        if is_decided(tree, child):
            own_values[i] = tree.nodes[child].lower
        else:
            own_values[i] = max(
                -1.0, min(1.0, tree.nodes[child].value_sum + value_below(tree, child))
            )
    return urgency


def table_value(rank: Rank) -> tuple[float, float, int, tuple[int, int, int]]:
    """(win minus loss, draw probability, centipawns, chances per mille) of a move with this rank in
    endgame tables.

    Wins that the fifty-move rule prevents are draws.
    """
    if abs(rank.result) != TABLE_WIN:
        return 0.0, 1.0, 0, (0, 1000, 0)
    return (
        (1.0, 0.0, TABLE_CP, (1000, 0, 0))
        if rank.result > 0
        else (-1.0, 0.0, -TABLE_CP, (0, 0, 1000))
    )


def outline(
    search: Search, least_visits: int, widest: int, chess960: bool = False
) -> tuple[Branch, ...]:
    """Return the root's branches with at least `least_visits`, at every node the `widest` most
    visited of them.

    A draw by repetition has no replies, because a visit ends there.
    """
    tree = search.tree
    root_ply = int(search.tree.counters[ROOT_PLY])

    def branches(node: int, depth: int, share: float) -> tuple[Branch, ...]:
        """Branches of a node at a depth, to which this share of its visits led on the way here; its
        position is in the stack.
        """
        row = tree.stack[root_ply + depth]
        edges = search.edges(node)
        moves = tree.move[edges]
        children = tree.child[edges]
        priors = np.empty(edges.stop - edges.start, np.float32)
        own_priors(tree, np.int64(node), priors)
        visits = tree.edges["passes"][edges].copy()
        found = []
        for index in np.argsort(-visits, kind="stable")[:widest].tolist():
            if share * visits[index] < max(1, least_visits):
                break
            child = int(children[index])
            push(tree.stack, root_ply + depth, moves[index])
            move = decode_move(row, int(moves[index]), chess960)
            q = max(-1.0, float(tree.q[edges][index]))
            share_below = share * min(1.0, visits[index] / max(1, tree.visits[child]))
            is_open = child != NO_NODE and tree.state[child] == EXPANDED and depth + 1 < MAX_DEPTH
            goes_on = is_open and not ends_line(tree, root_ply + depth + 1)
            replies = branches(child, depth + 1, share_below) if goes_on else ()
            found.append(Branch(move, int(visits[index]), float(priors[index]), q, replies))
        return tuple(found)

    return branches(ROOT, 0, 1.0) if search.is_expanded else ()
