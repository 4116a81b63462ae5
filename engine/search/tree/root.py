"""The root at one moment, read from the tree in one go, and the lines that begin there."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.board.attacks import bit, in_check
from engine.board.ending import FIFTY_MOVE_PLIES
from engine.board.layout import CASTLING_FLAG, HALFMOVE, KEY, NO_MOVE, SIDE, WHITE
from engine.board.makemove import make, push
from engine.board.movegen import generate
from engine.native.atomics import order_reads
from engine.native.jit import kernel
from engine.search.tree.arrays import (
    ASIDE,
    DRAW,
    EXPANDED,
    LOSS,
    LOST,
    MAX_DEPTH,
    NO_NODE,
    NODES,
    ROOT,
    ROOT_PLY,
    UNKNOWN_DISTANCE,
    WIN,
    Tree,
)
from engine.search.tree.edges import draws_below_root, edges_of, means_behind, value_below
from engine.search.tree.params import BOUND_FROM, BOUND_WIDTH, PROMISING_SHARE, SearchParams
from engine.search.tree.proofs import is_decided
from engine.search.tree.puct import mean_plies
from engine.search.tree.repetitions import ends_line
from engine.tactics.mates import MateSpace, mating_start

MAX_PLIES = 10_000  # Greater than the plies of any counted mate.
MOST_SHOWN = 40  # A principal variation shows at most this many moves.


@dataclass(frozen=True)
class RootPosition:
    """The root's own statistics, from the side to move."""

    visits: int  # N, with the visits kept from earlier searches.
    q: float  # Mean value in [-1, 1], with the root's own evaluation.
    draw: float  # mean draw probability
    v: float  # The evaluator's own value in [-1, 1].
    moves_left: float  # plies the game is expected to last


@dataclass(frozen=True)
class Root:
    """The root and its n moves, in the order of their edges; no moves while it is not expanded.

    All that is reported, chosen or asked between visits is computed from it. Values are from the
    point of view of the root's side to move.
    """

    params: SearchParams
    forced_move: np.uint16  # A move that starts a forced mate (`tactics.mates`), or NO_MOVE.
    position: RootPosition
    row: np.ndarray  # uint64 [16]
    moves: np.ndarray  # uint16 [n]: codes.
    children: np.ndarray  # int32 [n]: nodes, or NO_NODE for moves never tried.
    priors: np.ndarray  # float32 [n]: P as the search uses it, with hints and noise.
    visits: np.ndarray  # int64 [n]: N.
    q: np.ndarray  # float64 [n]: Q, the mean values, win minus loss; -1 (the worst) without visits.
    draws: np.ndarray  # float64 [n]: mean draw probabilities.
    moves_left: np.ndarray  # float32 [n]: mean plies to the end of the game; 0 without visits.
    proven: np.ndarray  # int8 [n]: WIN or LOSS where it is proven, else DRAW.
    can_win: np.ndarray  # bool [n]: whether it is not proven that the move does not win.
    # Int32 [n]: plies to mate after each proven win or loss, or UNKNOWN_DISTANCE.
    mate_plies: np.ndarray

    def wdl(self) -> tuple[float, float, float]:
        """Return the root's mean win, draw and loss probabilities."""
        q = self.position.q
        draw = min(self.position.draw, 1.0 - abs(q))
        return (1.0 - draw + q) / 2.0, draw, (1.0 - draw - q) / 2.0

    def forced_index(self) -> int | None:
        """Index of the move that starts a forced mate, or None.

        Also None if the tree has found that the move allows a draw, by repetition or by the
        fifty-move rule.
        """
        if self.forced_move == NO_MOVE:
            return None
        forced = np.flatnonzero((self.moves == self.forced_move) & self.can_win)
        return int(forced[0]) if len(forced) else None

    def favourite(self) -> int:
        """Index of the move with the highest lower bound Q - 4 / sqrt(N), among moves with at least
        PROMISING_SHARE of the most visits.

        A good move found late has a better value than the earlier favourite, but fewer visits. If
        `params.choose_by_value` is off, the most visited move is chosen, as in Lc0. A forced mate
        takes precedence.
        """
        forced = self.forced_index()
        if forced is not None:
            return forced
        visits = np.where(self.proven == LOSS, 0, self.visits)
        if not self.params.choose_by_value or visits.max() < BOUND_FROM:
            return int(visits.argmax())
        bounds = self.q - BOUND_WIDTH / np.sqrt(np.maximum(visits, 1))
        is_promising = visits >= max(BOUND_FROM, PROMISING_SHARE * visits.max())
        return int(np.where(is_promising, bounds, -np.inf).argmax())

    def best(self) -> int:
        """Index of the best move, the first of `order`."""
        if self.proven.any():
            return self.order()[0]
        return self.favourite()

    def order(self) -> list[int]:
        """Sort the moves, best first, by index: proven wins (shortest first), the favourite, then
        by visits, Q and P; proven losses come last.
        """
        is_not_favourite = np.arange(len(self.moves)) != self.favourite()
        proven = self.proven.astype(int)
        plies = self.mate_plies
        # Shorter mates and longer defences rank higher. A counted mate beats a tablebase win; a
        # tablebase loss is last.
        distance = -proven * np.where(plies == UNKNOWN_DISTANCE, MAX_PLIES, plies)
        best_first: list[int] = np.lexsort(
            (-self.priors, -self.q, -self.visits, is_not_favourite, -distance, -proven)
        ).tolist()
        return best_first


# Columns of `Root`.
ROOT_COLUMNS = {
    "moves": np.uint16,
    "children": np.int32,
    "priors": np.float32,
    "visits": np.int64,
    "q": np.float64,
    "draws": np.float64,
    "moves_left": np.float32,
    "proven": np.int8,
    "can_win": np.bool_,
    "mate_plies": np.int32,
}


def read_root(tree: Tree, params: SearchParams, own_value: float, forced_move: np.uint16) -> Root:
    """Return the root as it is now; `own_value` is the evaluator's."""
    count = int(tree.nodes[ROOT]["n_edges"])
    columns: dict[str, Any] = {}
    for name, dtype in ROOT_COLUMNS.items():
        columns[name] = np.empty(count, dtype)
    position = read_position(tree, own_value)
    if write_root(tree, *columns.values()):
        position = replace(position, q=1.0, draw=0.0)
    return Root(
        params=params,
        forced_move=forced_move,
        position=position,
        row=tree.stack[tree.counters[ROOT_PLY]].copy(),
        **columns,
    )


@kernel()
def write_root(
    tree, moves, children, priors, visits, q, draws, moves_left, proven, can_win, mate_plies
):
    """Write the columns of `Root`; returns whether a winning move is set aside. Other threads may
    go on.
    """
    has_wins_aside = False
    for i in range(moves.size):
        edge = tree.nodes[ROOT].first_edge + i
        its = tree.edges[edge]
        child = np.int64(its.child)
        moves[i] = its.move
        children[i] = child
        priors[i] = its.prior
        visits[i] = its.passes
        q[i] = -1.0
        draws[i] = 0.0
        moves_left[i] = 0.0
        proven[i] = DRAW
        can_win[i] = True
        mate_plies[i] = 0
        if visits[i] > 0:
            q[i] = max(its.q, np.float32(-1.0))
            draws[i] = means_behind(tree, edge)[0]
            if child != NO_NODE:
                moves_left[i] = mean_plies(tree, child)
        if child != NO_NODE:
            write_proof(tree, i, edge, child, proven, can_win, mate_plies)
        has_wins_aside |= its.barred == ASIDE
    return has_wins_aside


@kernel()
def write_proof(tree, i, edge, child, proven, can_win, mate_plies):
    """Write what is certain of root move `i`."""
    lower, upper = np.int64(tree.nodes[child].lower), np.int64(tree.nodes[child].upper)
    order_reads()  # A distance to mate is there once the bounds are (`proofs`).
    mate_plies[i] = tree.mate_plies[child]
    if tree.edges[edge].q == LOST:  # Whatever the node is.
        lower = upper = np.int64(LOSS)
    if lower == upper:
        proven[i] = lower
    can_win[i] = upper == WIN


def read_position(tree: Tree, own_value: float) -> RootPosition:
    """Return what the root says of its position; arguments as `read_root`."""
    root = tree.nodes[ROOT]
    visits = int(root["visits"])
    divisor = max(visits, 1)
    return RootPosition(
        visits=visits,
        q=-float(root["value_sum"]) / divisor,
        draw=float(root["draw_sum"]) / divisor,
        v=own_value,
        moves_left=float(root["plies_sum"]) / divisor,
    )


@kernel()
def root_alone(tree):
    """Return what remains of the root without its children, the evaluator's own value and draw
    probability for the side to move. A decided root counts as its result.
    """
    its = tree.nodes[ROOT]
    value, draw = -its.value_sum, its.draw_sum
    if is_decided(tree, ROOT):
        visits = np.float64(max(1, its.visits))
        return value / visits, draw / visits
    value -= value_below(tree, ROOT)
    draw -= draws_below_root(tree)
    return min(1.0, max(-1.0, value)), min(1.0, max(0.0, draw))


@kernel()
def node_of_game(tree, stack):
    """Return the node of the last position of a game, uint64 [n, 16]; NO_NODE if its moves do not
    lead from the root to a node that has its edges.
    """
    ply = tree.counters[ROOT_PLY]
    node = ROOT
    if tree.counters[NODES] == 0 or len(stack) <= ply:
        return NO_NODE
    for row in range(ply + 1):
        if (
            stack[row, KEY] != tree.stack[row, KEY]
            or stack[row, HALFMOVE] != tree.stack[row, HALFMOVE]
        ):
            return NO_NODE
    while node != NO_NODE and ply < len(stack) - 1:
        node = child_reaching(tree, node, stack[ply], stack[ply + 1, KEY])
        ply += 1
    if node != NO_NODE and tree.nodes[node].state != EXPANDED:
        return NO_NODE
    return node


@kernel()
def child_reaching(tree, node, row, key):
    """Return the child of a node, whose position is `row`, that has this key; NO_NODE if none has."""
    scratch = tree.stack[len(tree.stack) - 1]
    for edge in range(*edges_of(tree, node)):
        its = tree.edges[edge]
        if its.child != NO_NODE:
            make(row, its.move, scratch)
            if scratch[KEY] == key:
                return np.int64(its.child)
    return NO_NODE


# ---- lines ---------------------------------------------------------------------------------------


def root_lines(
    tree: Tree, root: Root, indices: list[int], space: MateSpace
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the lines that begin with some root moves: codes with CASTLING_FLAG, uint16 [n,
    MAX_DEPTH]; lengths, int64 [n]; and whether a line ends in a mate that is certain, bool [n].

    To a mate the winner takes the shortest way, the loser the longest. None is certain where a part
    of the tree that proved it is forgotten and the rules alone do not find it again. A principal
    variation goes on with the shortest proven win, else the most visited move, else the longest
    loss, and ends where moves lead back to a position.
    """
    forced = root.forced_index()
    children = root.children[indices]
    proven = root.proven[indices]
    is_proven = (proven != DRAW) & (root.mate_plies[indices] != UNKNOWN_DISTANCE)
    # By the rules.
    is_forced = np.zeros(len(indices), np.bool_)
    if forced is not None:
        is_forced = (proven == DRAW) & (np.array(indices) == forced)
    lines = np.empty((len(indices), MAX_DEPTH), np.uint16)
    lengths = np.empty(len(indices), np.int64)
    mates = is_proven | is_forced
    most = max(1, root.params.mate_moves)
    nodes = np.where(is_proven, children, NO_NODE)
    wins = (proven == WIN) | is_forced
    moves = root.moves[indices]
    write_lines(tree, moves, children, nodes, wins, most, space, lines, lengths, mates)
    return lines, lengths, mates


@kernel()
def write_lines(tree, moves, children, nodes, wins, most, space, lines, lengths, mates):
    """Write the lines of `root_lines`. `nodes`: where the tree may prove a mate. `mates` comes in
    as may be. The positions of each line pass through the stack.
    """
    root_ply = tree.counters[ROOT_PLY]
    rows = tree.stack[root_ply:]
    for i in range(len(moves)):
        line = lines[i]
        length = np.int64(0)
        line[0] = moves[i]
        if mates[i]:
            length = follow_mate(tree, np.int64(nodes[i]), wins[i], most, space, rows, line)
            for ply in range(1, length):
                push(tree.stack, root_ply + ply - 1, line[ply - 1])
                drawn = rows[ply, HALFMOVE] >= FIFTY_MOVE_PLIES
                if drawn or ends_line(tree, root_ply + ply):
                    length = np.int64(0)
                    break
        mates[i] = length > 0
        if length == 0:
            length = follow_best(tree, np.int64(children[i]), line[:MOST_SHOWN])
        lengths[i] = length
        for ply in range(length):
            if bit(np.int64(line[ply]) >> 6 & 63) & rows[ply, WHITE + np.int64(rows[ply, SIDE])]:
                line[ply] |= np.uint16(CASTLING_FLAG)


@kernel()
def follow_mate(tree, node, wins, most, space, rows, moves):
    """Follow a mate from `node`, behind `moves[0]` in `rows[0]`: as the tree proves it, and behind
    that as the rules do, in up to `most` moves. `wins`: whether the side that made `moves[0]`
    mates.

    Fills moves uint16 [n] and the rows before them, uint64 [n + 1, 16], and the one behind. Returns
    the number of moves; 0 if they do not end in a mate.
    """
    make(rows[0], moves[0], rows[1])
    count = np.int64(1)
    while count < len(moves):
        row, after = rows[count], rows[count + 1]
        edge = np.int64(NO_NODE)
        if node != NO_NODE and tree.nodes[node].state == EXPANDED:
            edge = best_edge(tree, node)
        child = np.int64(NO_NODE)
        if edge != NO_NODE:
            child = np.int64(tree.edges[edge].child)
        if child != NO_NODE and is_decided(tree, child) and tree.nodes[child].lower != DRAW:
            node = child
            move = np.int64(tree.edges[edge].move)
        else:
            node = np.int64(NO_NODE)
            replies = generate(row, tree.scratch_moves)
            if replies == 0:
                if in_check(row) and wins == (count % 2 == 1):
                    return count
                return 0
            if (count % 2 == 0) == wins:
                move = mating_start(row, most, space)[0]
            else:
                move = longest_defence(row, tree.scratch_moves[:replies], most, space, after)
        if move < 0:
            return 0
        moves[count] = move
        make(row, moves[count], after)
        count += 1
    return 0


@kernel()
def longest_defence(row, replies, most, space, after):
    """Find the reply to a forced mate that delays it longest; -1 if one is found that may escape it
    in `most` moves.
    """
    best, longest = np.int64(-1), np.int64(0)
    for i in range(len(replies)):
        make(row, replies[i], after)
        left = mating_start(after, most, space)[1]
        if left == 0:
            return -1
        if left > longest:
            best, longest = np.int64(replies[i]), np.int64(left)
    return best


@kernel()
def follow_best(tree, node, moves):
    """Follow the best moves from `node`, behind `moves[0]` at the root, as long as there are any,
    or up to a draw by repetition.

    Fills moves uint16 [n] and the stack. Returns the number of moves.
    """
    count = np.int64(1)
    root_ply = tree.counters[ROOT_PLY]
    while True:
        push(tree.stack, root_ply + count - 1, moves[count - 1])
        if ends_line(tree, root_ply + count):
            return count
        if node == NO_NODE or count == len(moves):
            return count
        edge = best_edge(tree, node)
        if edge == NO_NODE:
            return count
        moves[count] = tree.edges[edge].move
        node = np.int64(tree.edges[edge].child)
        count += 1


@kernel()
def best_edge(tree, node):
    """Return the edge of the shortest proven win, else the most visited move, else the longest
    loss; else NO_NODE.
    """
    best = NO_NODE
    best_rank = np.int64(LOSS), np.int64(0), np.int64(0)
    for edge in range(*edges_of(tree, node)):
        its = tree.edges[edge]
        child = its.child
        if its.passes == 0:
            continue
        proven = np.int64(DRAW)
        plies = np.int64(0)
        if child != NO_NODE and is_decided(tree, child):
            proven, plies = np.int64(tree.nodes[child].lower), np.int64(tree.mate_plies[child])
        if plies == UNKNOWN_DISTANCE:
            plies = np.int64(MAX_PLIES)
        rank = proven, -proven * plies, its.passes
        if best == NO_NODE or rank >= best_rank:
            best = edge
            best_rank = rank
    return best
