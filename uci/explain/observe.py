"""Watch a search grow: search the same position with more and more nodes, and note what each move
is worth.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import chess

from engine.search.limits import Limits
from engine.search.result import Branch, RootMove, SearchResult
from uci.common.evaluation import Evaluation

if TYPE_CHECKING:
    from engine.player import Engine

_GROWTH = 1.35  # factor by which nodes grow from one snapshot to the next
_TREE_SHARE = 0.02  # smallest share of visits for a move to appear in the tree
_WIDEST = 4  # most replies shown per node


@dataclass(frozen=True)
class Snapshot:
    """The root after so many nodes; values are seen by the side to move."""

    nodes: int
    moves: dict[chess.Move, RootMove]
    best: chess.Move

    def share(self, move: chess.Move) -> float | None:
        """Return a move's share of all visits of root moves, 0..1; None while there are none."""
        total = sum(child.visits for child in self.moves.values())
        if not total:
            return None
        return self.moves[move].visits / total

    def expected(self, move: chess.Move) -> float | None:
        """Return a move's expected points, 0..1; None while it is not visited."""
        child = self.moves[move]
        if not child.visits:
            return None
        return Evaluation.of_move(child).expected


@dataclass(frozen=True)
class Observation:
    """One search, from the first look to its end."""

    board: chess.Board
    snapshots: list[Snapshot]  # the first snapshot is the policy alone, before any move was visited
    result: SearchResult
    tree: tuple[Branch, ...]

    @property
    def evaluation(self) -> Evaluation:
        return Evaluation.of_info(self.result.infos[0])

    def leading_moves(self, count: int) -> list[RootMove]:
        """Return the moves that matter: the best ones of the search, and always the policy's first
        choice.
        """
        children = self.result.children
        favourite = max(children, key=lambda child: child.prior)
        chosen = children[:count]
        if favourite not in chosen:
            chosen[-1] = favourite
        return chosen

    @property
    def decided_at(self) -> int:
        """Number of nodes after which the best move no longer changed."""
        nodes = self.snapshots[0].nodes
        for before, after in itertools.pairwise(self.snapshots):
            if before.best != self.result.best_move:
                nodes = after.nodes
        return nodes


def schedule(nodes: int) -> list[int]:
    """Return the node counts to look at: 1, and from 2 on growing steps up to `nodes`."""
    counts = [1]
    while counts[-1] < nodes:
        counts.append(min(nodes, max(counts[-1] + 1, round(counts[-1] * _GROWTH))))
    return counts


def observe_search(
    engine: Engine,
    board: chess.Board,
    nodes: int,
    on_nodes: Callable[[int], None] = lambda nodes: None,
) -> Observation:
    """Watch a search of a position that has legal moves grow, then search it with `nodes` in one
    go.

    The result is that of the second search, so it is what `aino analyse` says after as many nodes;
    a search that is stopped and continued many times may settle on another move. `on_nodes` gets
    the nodes of both so far, up to twice `nodes`.
    """
    snapshots: list[Snapshot] = []

    def note(result: SearchResult, count: int) -> None:
        assert result.best_move is not None
        snapshots.append(
            Snapshot(count, {child.move: child for child in result.children}, result.best_move)
        )

    engine.new_game()
    engine.set_position(board)
    for count in schedule(nodes):
        result = engine.start(Limits(nodes=count)).result()
        note(result, count)
        on_nodes(count)
        mate = result.children[0].mate
        if (mate or 0) > 0:
            break
    reached = snapshots[-1].nodes
    engine.new_game()
    engine.set_position(board)
    result = engine.start(
        Limits(nodes=nodes), lambda infos: on_nodes(reached + infos[0].nodes)
    ).result()
    snapshots.pop()
    note(result, reached)
    visits = sum(child.visits for child in result.children)
    return Observation(board, snapshots, result, engine.tree(round(_TREE_SHARE * visits), _WIDEST))
