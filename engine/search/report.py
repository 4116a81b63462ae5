"""What a search reports: lines of analysis while it runs, the root's moves at its end, the branches
searched most.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import chess
import numpy as np

from engine.board.convert import decode_move, moves_of_lines
from engine.board.makemove import push
from engine.evaluation.tablebase import WIN as TABLE_WIN
from engine.evaluation.tablebase import Rank, Tablebase
from engine.native.jit import kernel
from engine.network.policy_map import policy_index
from engine.search.move_choice import SearchRequest
from engine.search.result import Branch, RootMove, SearchInfo, centipawns, mate_moves, per_mille
from engine.search.search_tree_state import Search
from engine.search.tree.arrays import DRAW, EXPANDED, MAX_DEPTH, NO_NODE, ROOT, ROOT_PLY
from engine.search.tree.edges import value_below
from engine.search.tree.priors import own_priors
from engine.search.tree.proofs import is_decided
from engine.search.tree.puct import score_root_edges
from engine.search.tree.repetitions import ends_line
from engine.search.tree.root import Root, read_position, root_lines
from engine.tactics.solved_endings import line_to_mate

# Centipawns shown for a win by endgame tables whose mate is not proven; Stockfish's.
TABLE_CP = 20_000


class Score(NamedTuple):
    """What a move is worth to its side, in all units that are shown."""

    q: float  # win minus loss
    draw: float  # probability
    cp: int
    wdl: tuple[int, int, int]  # per mille


class Columns(NamedTuple):
    """What only reports tell of the n root moves, in the order of their edges."""

    u: np.ndarray  # float32 [n]: U.
    s: np.ndarray  # float32 [n]: S = Q + U + M.
    priors: np.ndarray  # float32 [n]: P as the policy had it.
    own_values: np.ndarray  # float64 [n]: V, the evaluator's own values; 0 without visits.
    policy_indices: np.ndarray  # int64 [n]
    urgency: float  # the Q of moves never visited


class Reporter:
    """Puts one search's root and lines into words, while no thread changes the tree.

    An order is a list of indices of root moves, those to be shown first in front.
    """

    def __init__(
        self,
        search: Search,
        request: SearchRequest,
        tablebase: Tablebase | None,
        cp_scale: float,
        first_hits: int = 0,
    ) -> None:
        self._search = search
        self._request = request
        self._chess960 = request.board.chess960
        self._multi_pv = request.options.multi_pv
        self._tablebase = tablebase
        self._cp_scale = cp_scale  # Centipawns of a Q of 0.5.
        self._first_hits = first_hits  # The tablebase's hits before this search asked it anything.
        # Lines by the solution of an ending.
        self._to_mate: dict[chess.Move, tuple[chess.Move, ...]] = {}
        self._last_root = search.root()  # As it was when lines were last read.
        self._begun = request.job.now()
        best = sorted(request.ranks.items(), key=lambda ranked: ranked[1], reverse=True)
        for move, rank in best:
            if rank[:2] >= best[: self._multi_pv][-1][1][:2]:
                self._solved_line(move)  # Before the search, so that a limit of time counts it.

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the search began."""
        return (self._request.job.now() - self._begun) * 1000.0

    def order(self, root: Root) -> list[int]:
        """Return the root moves, best first; what tables know comes before what the search thinks."""
        order = root.order()
        if ranks := self._request.ranks:
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
        most_aside = None if every else self._multi_pv
        aside = list(map(self._move_aside, self._request.aside[:most_aside]))
        lines = ([moves[index] for index in shown] + aside)[: self._multi_pv]
        elapsed_ms = max(1, round(self.elapsed_ms))
        infos = [self._info(root, move, number, elapsed_ms) for number, move in enumerate(lines, 1)]
        current = self._visited_most_since(root)
        number = places.index(current) + 1
        infos[0] = replace(infos[0], current_move=self._move(root, current), current_number=number)
        return infos, [*moves.values(), *aside]

    def _visited_most_since(self, root: Root) -> int:
        """Return the index of the root move with the most new visits since the last lines."""
        last = self._last_root
        self._last_root = root
        # By move code and not by edge, because edges change places.
        before = dict(zip(last.moves.tolist(), last.visits.tolist(), strict=True))
        return int(np.argmax(root.visits - [before.get(move, 0) for move in root.moves.tolist()]))

    def _info(self, root: Root, move: RootMove, number: int, elapsed_ms: int) -> SearchInfo:
        search = self._search
        nodes = search.new_visits
        score_cp = move.score_cp
        wdl = move.wdl
        if not (
            move.visits or move.mate or self._request.ranks or move.move in self._request.aside
        ):
            score_cp, wdl = self._expected(root, move)
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

    def _expected(self, root: Root, move: RootMove) -> tuple[int, tuple[int, int, int]]:
        """Return centipawns and chances per mille of a move never visited.

        They come from first-play urgency, as `puct` has it, but from what the evaluator said of the
        root: the mean would tell of a mate that the line misses. They are no better than those of
        the worst visited move that is not certain.
        """
        own_q, draw = self._search.own_value
        mean = read_position(self._search.tree, own_q)
        fall = mean.q + root.params.draw_score * mean.draw - (move.s - move.u)
        seen = root.q[(root.visits > 0) & (root.proven == DRAW)].tolist()
        q = min([max(-1.0, own_q - fall), *seen])
        return centipawns(q, self._cp_scale), per_mille(q, draw)

    def root_moves(self, root: Root, order: list[int], shown: Sequence[int] = ()) -> list[RootMove]:
        """Return the root moves of an order. Those `shown` get their lines to mate from the
        solution of an ending.
        """
        columns = _columns_of(self._search, root)
        pvs, mates = self._lines(root, order)
        scores = self._scores(root, order, mates, columns.urgency)
        root_moves = []
        for index, pv, plies, score in zip(order, pvs, mates.tolist(), scores, strict=True):
            root_moves.append(
                RootMove(
                    move=pv[0],
                    visits=int(root.visits[index]),
                    prior=float(columns.priors[index]),
                    q=score.q,
                    draw=score.draw,
                    mate=mate_moves(plies) if plies else None,
                    policy_index=int(columns.policy_indices[index]),
                    u=float(columns.u[index]),
                    s=float(columns.s[index]),
                    v=float(columns.own_values[index]),
                    moves_left=float(root.moves_left[index]),
                    wdl=score.wdl,
                    pv=pv,
                    score_cp=score.cp,
                    hint=float(root.priors[index] - columns.priors[index]),
                )
            )
        if self._request.ranks:
            for place, index in enumerate(order):
                root_moves[place] = self._told_by_tables(root_moves[place], index in shown)
        return root_moves

    def _lines(
        self, root: Root, order: list[int]
    ) -> tuple[list[tuple[chess.Move, ...]], np.ndarray]:
        """Return the lines that begin with the root moves of an order, and their plies to a mate
        that is certain, 0 where there is none.
        """
        space = self._search.mate_space
        codes, lengths, mates = root_lines(self._search.tree, root, order, space)
        moves = moves_of_lines(codes[np.arange(codes.shape[1]) < lengths[:, None]], self._chess960)
        lines = []
        start = 0
        for length in lengths.tolist():
            lines.append(tuple(moves[start : start + length]))
            start += length
        return lines, np.where(mates, lengths, 0)

    def _scores(
        self, root: Root, order: list[int], mates: np.ndarray, urgency: float
    ) -> list[Score]:
        """Return what the root moves of an order are worth; `mates`: as from `_lines`; `urgency`:
        the Q of moves never visited.
        """
        visited = root.visits > 0
        q = np.where(visited, root.q, max(-1.0, urgency))[order]
        draws = np.where(visited, root.draws, self._search.own_value[1])[order]
        wins = mates % 2 == 1
        q[wins] = 1.0
        draws[wins] = 0.0
        cp = centipawns(q, self._cp_scale)
        wdl = zip(*per_mille(q, draws), strict=True)
        return [
            Score(*columns) for columns in zip(q.tolist(), draws.tolist(), cp, wdl, strict=True)
        ]

    def _told_by_tables(self, move: RootMove, is_shown: bool) -> RootMove:
        """Return a root move as endgame tables rank it, unless the search has found a mate; `shown`
        with its line to mate, where the ending is solved.
        """
        solved = self._solved_line(move.move) if is_shown else ()
        if move.mate and not solved:
            return move
        score = table_score(self._request.rank(move.move))
        return replace(
            move,
            q=score.q,
            draw=score.draw,
            score_cp=score.cp,
            wdl=score.wdl,
            mate=mate_moves(len(solved)) if solved else None,
            pv=solved or move.pv,
        )

    def _move_aside(self, move: chess.Move) -> RootMove:
        """Return a root move that is not searched."""
        unseen = RootMove(move, visits=0, prior=0.0, q=0.0, draw=0.0, mate=None, pv=(move,))
        return self._told_by_tables(unseen, True)

    def _solved_line(self, move: chess.Move) -> tuple[chess.Move, ...]:
        """Return a move's line to mate by the solution of the ending; empty where there is none, or
        no time for it.
        """
        if move not in self._to_mate:
            is_known = self._request.solves and self._request.rank(move).mate_plies
            self._to_mate[move] = line_to_mate(self._request.board, move) if is_known else ()
        return self._to_mate[move]

    def _move(self, root: Root, index: int) -> chess.Move:
        return decode_move(root.row, int(root.moves[index]), self._chess960)


def _columns_of(search: Search, root: Root) -> Columns:
    count = len(root.moves)
    u, s, priors = np.empty((3, count), np.float32)
    own_values = np.empty(count)
    policy_indices = np.empty(count, np.int64)
    urgency = describe_moves(
        search.tree, root.params, root.row, u, s, priors, own_values, policy_indices
    )
    return Columns(u, s, priors, own_values, policy_indices, urgency)


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
    urgency = score_root_edges(tree, params, u, s)
    own_priors(tree, ROOT, priors)
    first = tree.nodes[ROOT].first_edge
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


def table_score(rank: Rank) -> Score:
    """Return what a move with this rank in endgame tables is worth.

    Wins that the fifty-move rule prevents are draws.
    """
    if abs(rank.result) != TABLE_WIN:
        return Score(0.0, 1.0, 0, (0, 1000, 0))
    if rank.result > 0:
        return Score(1.0, 0.0, TABLE_CP, (1000, 0, 0))
    return Score(-1.0, 0.0, -TABLE_CP, (0, 0, 1000))


def outline(
    search: Search, least_visits: int, widest: int, chess960: bool = False
) -> tuple[Branch, ...]:
    """Return the root's branches with at least `least_visits`, at every node the `widest` most
    visited of them.

    A draw by repetition has no replies, because a visit ends there.
    """
    if not search.is_expanded:
        return ()
    return _Outliner(search, max(1, least_visits), widest, chess960).branches(ROOT, 0, 1.0)


@dataclass(frozen=True)
class _Outliner:
    """Reads the branches of a tree; the positions on the way to a node pass through its stack."""

    search: Search
    least_visits: int
    widest: int
    chess960: bool

    def branches(self, node: int, depth: int, share: float) -> tuple[Branch, ...]:
        """Return the branches of a node at a depth, to which this share of its visits led on the
        way here.
        """
        tree = self.search.tree
        edges = self.search.edges(node)
        visits = tree.edges["passes"][edges]
        priors = np.empty(len(visits), np.float32)
        own_priors(tree, node, priors)
        branches = []
        for place in np.argsort(-visits, kind="stable")[: self.widest].tolist():
            if share * visits[place] < self.least_visits:
                break
            edge = edges.start + place
            branches.append(self._branch(edge, float(priors[place]), depth, share))
        return tuple(branches)

    def _branch(self, edge: int, prior: float, depth: int, share: float) -> Branch:
        tree = self.search.tree
        ply = int(tree.counters[ROOT_PLY]) + depth
        code = tree.move[edge]
        push(tree.stack, ply, code)
        visits = int(tree.edges["passes"][edge])
        child = int(tree.child[edge])
        replies: tuple[Branch, ...] = ()
        has_edges = child != NO_NODE and tree.state[child] == EXPANDED
        if has_edges and depth + 1 < MAX_DEPTH and not ends_line(tree, ply + 1):
            share_below = share * min(1.0, visits / max(1, int(tree.visits[child])))
            replies = self.branches(child, depth + 1, share_below)
        move = decode_move(tree.stack[ply], int(code), self.chess960)
        return Branch(move, visits, prior, max(-1.0, float(tree.q[edge])), replies)
