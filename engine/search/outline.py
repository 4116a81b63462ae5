"""The tree as people can look at it: the moves that were searched most, and the replies to them."""

from __future__ import annotations

from dataclasses import dataclass

import chess
import numpy as np

from engine.board.convert import decode_move
from engine.board.layout import ROW_WORDS
from engine.board.makemove import make
from engine.search.session import Search
from engine.search.tree import EXPANDED, NO_NODE, ROOT

__all__ = ["Branch", "outline"]


@dataclass(frozen=True)
class Branch:
    """A searched move, seen by the side that plays it, and the replies worth showing, most visited first."""

    move: chess.Move
    visits: int  # N
    prior: float  # P
    q: float  # mean value in [-1, 1]
    replies: tuple[Branch, ...]


def outline(search: Search, least_visits: int, widest: int, chess960: bool = False) -> tuple[Branch, ...]:
    """The root's branches with at least ``least_visits``, at every node the ``widest`` most visited of them."""
    return _branches(search, ROOT, search.root_row(), least_visits, widest, chess960) if search.is_expanded else ()


def _branches(
    search: Search, node: int, row: np.ndarray, least_visits: int, widest: int, chess960: bool
) -> tuple[Branch, ...]:
    tree = search.tree
    first, count = int(tree.first_edge[node]), int(tree.n_edges[node])
    priors = search.own_priors(node)
    edges = [edge for edge in range(first, first + count) if tree.child[edge] != NO_NODE]
    edges = [edge for edge in edges if tree.visits[tree.child[edge]] >= least_visits]
    edges.sort(key=lambda edge: -int(tree.visits[tree.child[edge]]))
    found = []
    for edge in edges[:widest]:
        child = int(tree.child[edge])
        after = np.empty(ROW_WORDS, np.uint64)
        make(row, tree.move[edge], after)
        is_open = tree.state[child] == EXPANDED
        found.append(
            Branch(
                move=decode_move(row, int(tree.move[edge]), chess960),
                visits=int(tree.visits[child]),
                prior=float(priors[edge - first]),
                q=float(tree.value_sum[child]) / max(1, int(tree.visits[child])),
                replies=_branches(search, child, after, least_visits, widest, chess960) if is_open else (),
            )
        )
    return tuple(found)
