"""The edges of a node and their priors: how it gets them, and each later change: heuristics, hints,
noise, restriction.

Two invariants hold after every change: a node's priors sum to 1, and its edges are in order. Edges
that were tried (that have a child) come first, then the untried ones; each group is sorted by
prior, highest first. `select_edge` stops at the first untried edge, because none behind it can
score higher.

A hint temporarily raises the prior of one move that something other than the policy suggests: the
search for forced mates (`tactics.mates`) or alpha-beta (`tactical_priors`). A node has one hinted
move at a time; `restore` restores its prior.
"""

import numpy as np

from engine.board.layout import MAX_MOVES, NO_MOVE
from engine.native.atomics import add
from engine.native.elementary import bits_of, exp, float_of
from engine.native.jit import kernel
from engine.search.tree.arrays import (
    EDGES,
    EXPANDED,
    NO_NODE,
    ROOT,
    STUNTED,
    SWEEP,
    Tree,
    exchange_edges,
    reset_edge,
)
from engine.search.tree.butterfly import butterfly_bonus, learns
from engine.search.tree.edges import edges_of
from engine.search.tree.params import BONUS_UNIT

KEYS_TOGETHER = 8  # As many as one vector holds.


@kernel()
def hint(tree, node, move, raised_prior):
    """Raise the prior of a move of `node` to `raised_prior` unless it is larger; returns its child
    or NO_NODE.

    An earlier hint for another move, or a smaller prior for this one, is taken back first, so hints
    never add up.
    """
    edge = find_edge(tree, node, move)
    if tree.hinted[node] != move or (edge != NO_NODE and tree.edges[edge].prior < raised_prior):
        restore(tree, node)
        edge = find_edge(tree, node, move)
    if edge == NO_NODE:
        return NO_NODE
    child = np.int64(tree.edges[edge].child)
    prior = tree.edges[edge].prior
    if prior < raised_prior:
        tree.hinted[node] = move
        tree.own_prior[node] = prior
        set_prior(tree, node, edge, raised_prior)
    return child


@kernel()
def restore(tree, node):
    """Restore the original prior of the hinted move of `node`, if there is one."""
    if tree.hinted[node] != NO_MOVE:
        edge = find_edge(tree, node, tree.hinted[node])
        if edge != NO_NODE:
            set_prior(tree, node, edge, tree.own_prior[node])
        tree.hinted[node] = NO_MOVE


@kernel()
def own_priors(tree, node, priors):
    """Write P of a node's edges, float32 [n], as the policy had it: without a hint and without
    heuristics.
    """
    first = tree.nodes[node].first_edge
    scale = np.float32(1.0)
    own = tree.own_prior[node]
    edge = np.int64(NO_NODE)
    if tree.hinted[node] != NO_MOVE:
        edge = find_edge(tree, node, tree.hinted[node])
    if edge != NO_NODE:
        scale = (np.float32(1.0) - own) / (np.float32(1.0) - tree.edges[edge].prior)
    total = 0.0
    learned = False
    for i in range(priors.size):
        its = tree.edges[first + i]
        priors[i] = own if first + i == edge else its.prior * scale
        learned |= its.bonus != 0
        priors[i] *= np.float32(exp(-its.bonus * BONUS_UNIT))
        total += priors[i]
    if learned:
        for i in range(priors.size):
            priors[i] /= np.float32(total)


@kernel()
def find_edge(tree, node, move):
    """Return the edge of a move, or NO_NODE if the node has no such move."""
    for edge in range(*edges_of(tree, node)):
        if tree.edges[edge].move == move:
            return edge
    return NO_NODE


@kernel()
def set_prior(tree, node, edge, prior):
    """Change the prior of one edge; the other edges share the rest in their old proportions."""
    first = tree.nodes[node].first_edge
    rest_factor = (np.float32(1.0) - prior) / (np.float32(1.0) - tree.edges[edge].prior)
    for sibling in range(first, first + tree.nodes[node].n_edges):
        tree.edges[sibling].prior *= rest_factor
    tree.edges[edge].prior = prior
    move_back(tree, node, move_forward(tree, first, edge))


@kernel()
def set_priors(tree, node, priors):
    """Replace all priors of a node by `priors` (float32, in the order of its edges, sum 1)."""
    first = tree.nodes[node].first_edge
    for i in range(tree.nodes[node].n_edges):
        tree.edges[first + i].prior = priors[i]
        move_forward(tree, first, first + i)


@kernel()
def mix_priors(tree, noise, share):
    """Take a share of the root's priors from noise, float64 [n], in the order of its edges."""
    restore(tree, ROOT)
    first = tree.nodes[ROOT].first_edge
    mixed = tree.scratch_priors
    for i in range(noise.size):
        own = np.float32(1.0 - share) * tree.edges[first + i].prior
        mixed[i] = np.float32(np.float64(own) + share * noise[i])
    set_priors(tree, ROOT, mixed)


@kernel()
def move_to_tried(tree, node, edge):
    """Move an untried edge to the front of the untried ones before it gets a child; returns its new
    position.
    """
    first = tree.nodes[node].first_edge
    while edge > first and not is_tried(tree, edge - 1):
        exchange_edges(tree, edge - 1, edge)
        edge -= 1
    return edge


@kernel()
def move_forward(tree, first, edge):
    """Move an edge forward to its place among the sorted edges from `first` on; returns its new
    position.
    """
    while edge > first and ranks_before(tree, edge, edge - 1):
        exchange_edges(tree, edge - 1, edge)
        edge -= 1
    return edge


@kernel()
def move_back(tree, node, edge):
    """Move an edge of a node backward to its place among the sorted edges."""
    last = tree.nodes[node].first_edge + tree.nodes[node].n_edges - 1
    while edge < last and ranks_before(tree, edge + 1, edge):
        exchange_edges(tree, edge, edge + 1)
        edge += 1


@kernel()
def is_tried(tree, edge):
    """Whether a visit went through an edge, which has a child unless it always drew on its path."""
    return tree.edges[edge].child != NO_NODE or tree.edges[edge].passes > 0


@kernel()
def ranks_before(tree, first_edge, second_edge):
    """Whether the first edge belongs before the second: tried before untried, then by prior."""
    if is_tried(tree, first_edge) != is_tried(tree, second_edge):
        return is_tried(tree, first_edge)
    return tree.edges[first_edge].prior > tree.edges[second_edge].prior


def keep_moves(tree: Tree, allowed: np.ndarray) -> None:
    """Keep only the edges of the root whose moves are in `allowed` (uint16), and scale their priors
    to sum to 1.

    What lies behind the others stays in memory until `forgetting.forget_the_rest`.
    """
    restore(tree, ROOT)
    first, count = int(tree.first_edge[ROOT]), int(tree.n_edges[ROOT])
    allowed_edges = first + np.flatnonzero(np.isin(tree.move[first : first + count], allowed))
    edges = slice(first, first + len(allowed_edges))
    tree.edges[edges] = tree.edges[allowed_edges]
    tree.n_edges[ROOT] = len(allowed_edges)
    total = tree.prior[edges].sum()
    tree.prior[edges] = tree.prior[edges] / total if total > 0.0 else 1.0 / len(allowed_edges)


# ---- heuristics ----------------------------------------------------------------------------------


@kernel()
def refresh_below(tree, params, node, side, least):
    """Let the priors of a node, where `side` moves, and of those below it with at least `least`
    visits follow the heuristics, once in this pass. No thread may visit the tree.
    """
    if tree.nodes[node].state != EXPANDED or tree.seen_in[node] == tree.counters[SWEEP]:
        return
    tree.seen_in[node] = tree.counters[SWEEP]
    if tree.hinted[node] == NO_MOVE:
        refresh(tree, params, node, side)
    for edge in range(*edges_of(tree, node)):
        child = np.int64(tree.edges[edge].child)
        if child != NO_NODE and tree.nodes[child].visits >= least:
            refresh_below(tree, params, child, side ^ np.int64(1), least)


@kernel()
def refresh(tree, params, node, side):
    """Add to the logits of a node's moves what heuristics have learned of them since they were last
    asked.
    """
    first = tree.nodes[node].first_edge
    count = tree.nodes[node].n_edges
    priors = tree.scratch_priors
    total = 0.0
    for i in range(count):
        edge = first + i
        its = tree.edges[edge]
        learned = butterfly_bonus(tree, params, side, its.move)
        priors[i] = its.prior * np.float32(exp((learned - its.bonus) * BONUS_UNIT))
        its.bonus = learned
        total += priors[i]
    for i in range(count):
        priors[i] /= np.float32(total)
    set_priors(tree, node, priors)


# ---- new edges -----------------------------------------------------------------------------------


@kernel()
def expand(tree, params, node, side, moves, logits, count):
    """Give a node its edges, sorted by prior = softmax(logits / temperature + what `butterfly`
    adds).

    side: whose moves they are. Returns the node's state from now on: EXPANDED, or STUNTED if they
    do not fit.
    """
    highest = logits[0]
    total = 0.0
    for i in range(1, count):
        highest = max(highest, logits[i])
    weights, exponents = tree.scratch_priors, tree.scratch_reals
    tree.scratch_bonuses[:count] = 0
    for i in range(count):
        exponents[i] = (np.float64(logits[i]) - np.float64(highest)) / params.policy_temperature
    if learns(params):
        for i in range(count):
            learned = butterfly_bonus(tree, params, side, moves[i])
            exponents[i] += learned * BONUS_UNIT
            tree.scratch_bonuses[i] = learned
    for i in range(count):  # Alone in its loop, `exp` becomes vectors.
        exponents[i] = exp(exponents[i])
    for i in range(count):
        weight = exponents[i]
        if not weight >= 0.0:
            weight = 0.0  # A network that overflowed: places by weight need numbers.
        total += weight
        weights[i] = np.float32(weight)
    if np.float32(total) == 0.0:  # e^-inf is the smallest number here.
        weights[:count] = np.float32(1.0)
        total = np.float64(count)
    return add_edges(tree, node, moves, count, np.float32(total))


@kernel()
def add_edges(tree, node, moves, count, total):
    """Give a node edges for `moves[:count]`; returns what `expand` returns.

    Their priors are the weights in `tree.scratch_priors`, in the order of the moves, divided by
    `total`, and `tree.scratch_bonuses` is what heuristics added to their logarithms.
    """
    first = add(tree.counters, np.int64(EDGES), np.int64(count))
    weights = tree.scratch_priors
    keys = tree.scratch_reals
    if first + count > tree.edges.size:
        add(tree.counters, np.int64(EDGES), -np.int64(count))
        return STUNTED
    padded = write_keys(weights, count, keys)
    for i in range(count):
        edge = first + rank(keys, keys[i], padded)
        reset_edge(tree, edge)
        its = tree.edges[edge]
        its.prior = weights[i] / total
        its.move = moves[i]
        its.bonus = tree.scratch_bonuses[i]
    tree.nodes[node].first_edge = first
    tree.nodes[node].n_edges = count
    return EXPANDED


@kernel()
def write_keys(weights, count, keys):
    """Write keys in the order of the weights; of equal ones the first has the highest. Returns
    their number with the zeros behind them. A float32 leaves the last bits of a float64 free: they
    count down.
    """
    padded = (count + KEYS_TOGETHER - 1) // KEYS_TOGETHER * KEYS_TOGETHER
    for i in range(count):
        keys[i] = float_of(bits_of(np.float64(weights[i])) | (MAX_MOVES - i))
    for i in range(count, padded):
        keys[i] = 0.0
    return padded


@kernel()
def rank(keys, key, count):
    """Return the place of a key among `count`, sorted, highest first.

    Comparing each with all is faster than sorting: a few vectors of comparisons, and no branch to
    predict.
    """
    place = np.int64(0)
    for rival in range(count):
        place += keys[rival] > key
    return place
