"""What may change the moves of an expanded root: a mate that is found, a restriction, noise."""

from __future__ import annotations

import numpy as np

from engine.board.ending import FIFTY_MOVE_PLIES
from engine.board.layout import HALFMOVE, NO_MOVE, ROW_WORDS
from engine.search.session import Search
from engine.search.tree.arrays import LOSS, NODES, ROOT, WIN
from engine.search.tree.params import MATE_PRIOR
from engine.search.tree.priors import hint, keep_moves, move_to_tried, restore, set_priors
from engine.search.tree.proofs import best_bounds, settle_past_visits
from engine.search.tree.visit import finish_known, new_node
from engine.tactics.mates import mating_move, mating_start, new_mate_space


def look_for_mate(search: Search) -> None:
    """Find a mating move at the root after its first visit. Visits check all other nodes when they reach them."""
    tree, root = search.tree, search.root()
    search.own_value = root.position.q, root.position.draw
    if not search.params.mate_in_one or not search.is_expanded:
        return
    after = np.empty(ROW_WORDS, np.uint64)
    mating = mating_move(root.row, root.moves, np.int64(len(root.moves)), after, tree.scratch_moves)
    if mating < 0 or tree.counters[NODES] >= tree.parent.size:
        lead_to_mate(search)
        return
    child = int(new_node(tree, np.int64(ROOT)))
    edge = move_to_tried(tree, np.int64(ROOT), tree.first_edge[ROOT] + mating)
    tree.child[edge] = child
    tree.in_flight[[ROOT, child]] += 1
    finish_known(tree, search.params, np.int64(child), np.int64(WIN), np.int64(0))


def lead_to_mate(search: Search) -> None:
    """Look for a move that starts a forced mate and lead the search to it; the search still has to prove it."""
    params, row = search.params, search.root_row()
    search.forced_move = NO_MOVE
    if params.mate_moves < 2 or search.is_proven or row[HALFMOVE] + 2 * params.mate_moves >= FIFTY_MOVE_PLIES:
        return
    move, _ = mating_start(row, np.int64(params.mate_moves), new_mate_space())
    if move >= 0:
        search.forced_move = np.uint16(move)
        _hint_at_mate(search)


def _hint_at_mate(search: Search) -> None:
    """Give the move that starts a forced mate most of the root's prior."""
    if search.forced_move != NO_MOVE:
        hint(search.tree, np.int64(ROOT), search.forced_move, np.float32(MATE_PRIOR))


def restrict_root(search: Search, allowed: np.ndarray) -> None:
    """Keep only the root moves in `allowed` (uint16) and renormalise their priors. The root must be expanded.

    The root forgets what it learned from the others: visits, values and proofs.
    """
    tree, before = search.tree, search.visits
    keep_moves(tree, ROOT, allowed)
    search.forget_the_rest()
    _hint_at_mate(search)
    children = search.children()
    tree.visits[ROOT] = 1 + tree.visits[children].sum()
    tree.value_sum[ROOT] = -search.own_value[0] - tree.value_sum[children].sum()
    tree.draw_sum[ROOT] = search.own_value[1] + tree.draw_sum[children].sum()
    tree.asked_at[ROOT] = 0
    search.kept_visits += search.visits - before
    lower, upper = best_bounds(tree, np.int64(ROOT))
    tree.lower[ROOT], tree.upper[ROOT] = (-upper, -lower) if search.params.decide_root else (LOSS, WIN)
    if search.is_proven:
        settle_past_visits(tree, np.int64(ROOT))


def add_root_noise(search: Search, rng: np.random.Generator, epsilon: float, alpha: float) -> None:
    """Mix Dirichlet noise into the root's priors: (1 - epsilon) P + epsilon Dir(alpha). It must be expanded."""
    restore(search.tree, np.int64(ROOT))
    priors = search.tree.prior[search.edges()]
    noise = rng.dirichlet(np.full(len(priors), alpha))
    set_priors(search.tree, np.int64(ROOT), ((1.0 - epsilon) * priors + epsilon * noise).astype(np.float32))
    _hint_at_mate(search)
