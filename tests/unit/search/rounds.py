"""Rounds of visits by hand: begin some, let the caller evaluate their leaves, apply them."""

from engine.evaluation.protocol import LeafBatch
from engine.search.session import Search, look_for_mate
from engine.search.tree.arrays import LEAVES, MAX_ROUND, ROOT
from engine.search.tree.visits import apply, gather


def gather_leaves(search: Search, leaves: LeafBatch, limit: int) -> int:
    """Begin up to `limit` visits; returns how many leaves, from leaves[0] on, need an evaluation."""
    return int(gather(search.tree, search.in_flight, search.params, leaves, 0, limit, MAX_ROUND))


def apply_leaves(search: Search, leaves: LeafBatch) -> None:
    """Apply the evaluations of the leaves gathered last, and look for a mate once the root has its moves."""
    was_new = bool(search.in_flight.counts[LEAVES]) and search.tree.visits[ROOT] == 0
    apply(search.tree, search.in_flight, search.params, leaves, 0)
    if was_new:
        look_for_mate(search)
