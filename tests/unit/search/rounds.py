"""Rounds of visits by hand."""

from engine.evaluation.protocol import LeafBatch
from engine.search.session import Search
from engine.search.tree.arrays import MAX_ROUND
from engine.search.tree.visits import gather


def gather_leaves(search: Search, leaves: LeafBatch, limit: int) -> int:
    """Begin up to `limit` visits; returns how many leaves, from leaves[0] on, need an evaluation."""
    return int(gather(search.tree, search.in_flight, search.params, leaves, 0, limit, MAX_ROUND))
