"""Heuristics: what visits find out about moves wherever they are played, and what that adds to
priors.

Each has a file of its own, a weight in `params`, its arrays in `tree`, and a line in each function
here. Every visit on its way up calls `note` for its moves, from the base of its stint down. Nodes
that get their edges later add `bonus` to the logits of their moves, and nodes with many visits are
brought up to date from time to time (`priors.refresh`).
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.native.jit import kernel
from engine.search.tree.arrays import Tree
from engine.search.tree.butterfly import butterfly_bonus, join_histories, note_advantage


@kernel()
def learns(params):
    """Whether any heuristic is in use."""
    return params.butterfly > 0.0


# The hooks. With a second heuristic each becomes a kernel that calls both; a call more costs 3% of
# the speed.
# (tree, node, depth, side, value): tell a move of `side` how a visit ended for it.
note = note_advantage
# (tree, params, side, move): what to add to the move's logit / temperature, in BONUS_UNITs.
bonus = butterfly_bonus


def join(trees: Sequence[Tree]) -> None:
    """Let threads share their notes."""
    join_histories([tree.butterfly for tree in trees])
