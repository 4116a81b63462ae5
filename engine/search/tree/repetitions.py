"""Draws that depend on the way to a position: by repetition, and by fifty moves without progress.

A position that occurred once strictly after the root draws on this path alone. One that occurred
twice in the game and on the path together draws, too; where both times lie in the game, on every
path, so that its node may say so. One that occurred once before the root, or is the root's own, is
no draw: the game may go another way from there (Stockfish counts alike).

Trees are kept from move to move and nodes belong to many paths. So walks ask at every edge,
whatever they find behind it (`visit`), and what edges learned under an earlier root is put right
before the first visit under the next one (`ask_history`).
"""

import numpy as np

from engine.board.attacks import in_check
from engine.board.ending import FIFTY_MOVE_PLIES
from engine.board.layout import HALFMOVE, KEY, REPETITIONS
from engine.board.makemove import push
from engine.board.movegen import generate
from engine.native.atomics import lock, order_reads, unlock
from engine.native.jit import kernel
from engine.search.tree.arrays import EXPANDED, NO_NODE, ROOT_PLY, TERMINAL, UNVISITED
from engine.search.tree.edges import means_behind, q_of, worth
from engine.search.tree.priors import is_tried, move_back
from engine.search.tree.proofs import is_decided, widen
from engine.search.tree.transpositions import LATEST_HALFMOVE

THIRD = np.uint64(2)  # Earlier occurrences that make a third one.
HISTORY_PLIES = 4  # Plies below the root in which edges are put right. Set by hand.
HISTORY_SHARE = 1.0 / 256.0  # And their nodes' least share of its visits. Set by hand.

# ---- on the way down -----------------------------------------------------------------------------


@kernel()
def occurred_below_root(tree, ply):
    """Whether the position at `ply` occurred on the path, strictly after the root."""
    if tree.stack[ply, REPETITIONS] != np.uint64(0):
        for earlier in range(ply - 4, tree.counters[ROOT_PLY], -2):
            if tree.stack[earlier, KEY] == tree.stack[ply, KEY]:
                return True
    return False


@kernel()
def is_drawn_by_path(tree, ply, depth):
    """Whether the position at `ply`, so many plies below the root, is a draw on this path alone: it
    occurred after the root, or no pawn moved and nothing was captured for fifty moves. Where the
    root is close to these fifty moves itself, all ways there are alike, and the rules may decide
    the node.
    """
    if occurred_below_root(tree, ply):
        return True
    row = tree.stack[ply]
    clock = np.int64(row[HALFMOVE])
    if clock < FIFTY_MOVE_PLIES or clock - depth > LATEST_HALFMOVE:
        return False
    return not in_check(row) or generate(row, tree.scratch_moves) > 0


@kernel()
def is_drawn_by_game(tree, ply):
    """Whether the position at `ply`, which did not occur after the root, occurred twice before."""
    return tree.stack[ply, REPETITIONS] >= THIRD


@kernel()
def ends_line(tree, ply):
    """Whether a line ends at the position at `ply`, because it repeats."""
    return occurred_below_root(tree, ply) or is_drawn_by_game(tree, ply)


@kernel()
def settle_as_draw(tree, node, edge, child):
    """Part an edge from its child, if that knows nothing of the game, and make its visits count as
    draws. Its next visit finds a leaf that the rules decide. Returns whether the edge changed.
    """
    visits = tree.nodes[child].visits
    order_reads()
    if visits == 0 or tree.nodes[child].state == TERMINAL:
        return False  # It is that leaf, or another thread is about to ask the rules.
    its = tree.edges[edge]
    lock(tree.nodes, node)
    is_new = its.child == child
    if is_new:
        if not is_decided(tree, node) and its.passes > 0:
            passes = np.float64(its.passes)
            tree.nodes[node].draw_sum += passes * (1.0 - means_behind(tree, edge)[0])
            tree.nodes[node].value_sum += worth(tree.edges, edge)
        its.q = np.float32(0.0) if its.passes > 0 else UNVISITED
        its.child = NO_NODE
    unlock(tree.nodes, node)
    return is_new


# ---- under a new root ----------------------------------------------------------------------------


@kernel()
def ask_history(tree, params, node, depth, least):
    """Put right what edges learned before the game went on: those of a node at `depth`, whose
    position is in `tree.stack`, and of nodes below it with at least `least` visits.

    Returns whether anything changed. No thread may visit the tree.
    """
    changed = False
    if depth >= HISTORY_PLIES or tree.nodes[node].state != EXPANDED:
        return changed
    edge = tree.nodes[node].first_edge
    end = edge + tree.nodes[node].n_edges
    while edge < end and is_tried(tree, edge):
        push(tree.stack, tree.counters[ROOT_PLY] + depth, tree.edges[edge].move)
        change = ask_edge(tree, node, edge, depth + 1)
        if change == ASK_BELOW:
            child = np.int64(tree.edges[edge].child)
            if tree.nodes[child].visits >= least and ask_history(
                tree, params, child, depth + 1, least
            ):
                change = renew(tree, node, edge)
        if change != NOTHING:
            changed = True
        if change != UNTRIED:
            edge += 1  # Another edge has taken the place of one that counts as untried.
    if changed:
        widen(tree, params, node)
    return changed


# What became of an edge.
NOTHING = 0
CHANGED = 1
UNTRIED = 2  # It has no visits any more.
ASK_BELOW = 3  # Nothing, and edges behind it may know more.


@kernel()
def ask_edge(tree, node, edge, depth):
    """Put right an edge of a node, whose child's position lies at `depth` in the stack; returns one
    of NOTHING ... ASK_BELOW.
    """
    ply = tree.counters[ROOT_PLY] + depth
    child = np.int64(tree.edges[edge].child)
    if is_drawn_by_path(tree, ply, depth):
        return NOTHING
    if is_drawn_by_game(tree, ply):
        changed = child != NO_NODE and settle_as_draw(tree, node, edge, child)
        return CHANGED if changed else NOTHING
    if child == NO_NODE:
        forget_draws(tree, node, edge)
        return UNTRIED
    if tree.stack[ply, REPETITIONS] != np.uint64(0) and tree.nodes[child].visits > 0:
        return renew(tree, node, edge)  # Some of its visits may have been draws on their paths.
    return ASK_BELOW


@kernel()
def forget_draws(tree, node, edge):
    """Take back the visits of an edge that were draws on paths from an earlier root."""
    its = tree.edges[edge]
    sums = tree.nodes[node]
    if not is_decided(tree, node):
        sums.visits -= its.passes
        sums.draw_sum -= np.float64(its.passes)
        sums.plies_sum -= np.float64(its.passes)
    its.passes = 0
    its.q = UNVISITED
    move_back(tree, node, edge)


@kernel()
def renew(tree, node, edge):
    """Let an edge have what its child has now; returns whether it CHANGED, or NOTHING."""
    its = tree.edges[edge]
    before = worth(tree.edges, edge)
    q = q_of(tree.nodes, np.int64(its.child))
    if its.passes == 0 or its.q == q:
        return NOTHING
    its.q = q
    if not is_decided(tree, node):
        tree.nodes[node].value_sum += before - worth(tree.edges, edge)
    return CHANGED
