"""Evaluators whose answers are known, engines that use them, and what holds of every tree."""

from __future__ import annotations

import chess
import numpy as np

from engine.evaluation.protocol import LeafBatch
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from engine.search.session import Search
from engine.search.tree import NO_NODE, NODES, PENDING


class FlatEvaluator:
    """Every position is even; the policy is a fixed pseudo-random function of position and move."""

    name = "flat"
    round_size = 16
    needs_planes = False

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        for k in range(count):
            n = leaves.n_moves[k]
            mixed = leaves.moves[k, :n].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ leaves.rows[k, 13]
            leaves.logits[k, :n] = (mixed >> np.uint64(40)).astype(np.float32) / 2**24
            leaves.wdl[k] = (0.3, 0.4, 0.3)
            leaves.moves_left[k] = 40

    def close(self) -> None:
        pass


class BlunderingEvaluator(FlatEvaluator):
    """Gives one move nearly all of the policy, and every position a good value for White."""

    def __init__(self, blunder: str) -> None:
        move = chess.Move.from_uci(blunder)
        self.code = move.from_square | move.to_square << 6

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        super().evaluate(leaves, count)
        for k in range(count):
            leaves.logits[k, : leaves.n_moves[k]] = np.where(
                leaves.moves[k, : leaves.n_moves[k]] == self.code, 8.0, 0.0
            )
            leaves.wdl[k] = (0.8, 0.1, 0.1) if leaves.rows[k, 10] == 0 else (0.1, 0.1, 0.8)


def engine(evaluator=None, **options) -> Engine:
    return Engine(EngineOptions(hash_mib=8, **options), evaluator or FlatEvaluator())


def search(board: chess.Board, evaluator=None, **limits):
    with engine(evaluator) as player:
        player.set_position(board)
        return player.search(Limits(**limits))


def best_uci(tree_search: Search, board: chess.Board) -> str:
    """The most visited move that does not end the game."""
    for index in np.argsort(-tree_search.root().visits):
        code = int(tree_search.root().moves[index])
        move = chess.Move(code & 63, code >> 6 & 63)
        after = board.copy()
        after.push(move)
        child = tree_search.root().children[index]
        if not after.is_game_over() and tree_search.tree.n_edges[child]:
            return move.uci()
    raise AssertionError("every move ends the game")


def check_consistency(tree_search: Search) -> None:
    """Nothing in flight, children numbered above parents, visits add up, values in range."""
    tree = tree_search.tree
    for node in range(int(tree.counters[NODES])):
        assert tree.in_flight[node] == 0
        assert tree.state[node] != PENDING or tree.visits[node] == 0
        assert abs(tree.value_sum[node]) <= tree.visits[node] + 1e-6
        children = [child for child in tree_search.tree.child[tree_search.edges(node)] if child != NO_NODE]
        assert all(child > node and tree.parent[child] == node for child in children)
        if children:
            assert sum(tree.visits[child] for child in children) <= tree.visits[node]


def tree_fingerprint(tree_search: Search) -> tuple:
    tree = tree_search.tree
    nodes = int(tree.counters[NODES])
    edges = int(tree.n_edges[:nodes].sum())
    return tuple(
        field.tobytes()
        for field in (
            tree.visits[:nodes],
            tree.value_sum[:nodes],
            tree.lower[:nodes],
            tree.upper[:nodes],
            tree.move[:edges],
            tree.prior[:edges],
        )
    )
