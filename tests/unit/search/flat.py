"""Evaluators whose answers are known, engines that use them, and what holds of every tree."""

import chess
import numpy as np

from engine.board.convert import stack_from_board
from engine.evaluation.material import MaterialEvaluator
from engine.evaluation.protocol import InKernelEvaluator
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.batches import Batches
from engine.search.limits import Limits
from engine.search.search_tree_state import Search
from engine.search.tree.arrays import EDGE_FIELDS, NO_NODE, NODE_FIELDS, ROOT, new_tree
from engine.search.tree.params import SearchParams
from engine.search.visit_loop import Runner, Walkers
from tests.stand_ins import StandIn


class Tables:
    """Endgame tables that give one answer to everything; Ctrl-C comes with a question if `left`
    says so.
    """

    hits, left = 0, 0

    def __init__(self, answer=None, largest=4):
        self.answer = answer
        self.largest = largest
        self.asked = 0

    def wdl(self, row):
        self.asked += 1
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self.answer

    def ranks(self, board, wait):
        return {}

    def take_news(self):
        return []

    def close(self):
        pass


IN_KERNEL = SearchParams(needs_planes=False, late_policy=True)


class FlatEvaluator(StandIn):
    """Every position is even; the policy is a fixed pseudo-random function of position and move."""

    round_size = 16

    def evaluate(self, leaves, count):
        for k in range(count):
            n = leaves.n_moves[k]
            mixed = (
                leaves.moves[k, :n].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
                ^ leaves.rows[k, 13]
            )
            leaves.logits[k, :n] = (mixed >> np.uint64(40)).astype(np.float32) / 2**24
            leaves.wdl[k] = (0.3, 0.4, 0.3)
            leaves.moves_left[k] = 40


class Counting(FlatEvaluator):
    """Counts the positions that it is asked about."""

    asked = 0

    def evaluate(self, leaves, count):
        self.asked += count
        super().evaluate(leaves, count)


def engine(evaluator=None, **options):
    return Engine(EngineOptions(hash_mib=8, **options), evaluator or FlatEvaluator())


def alone(fen=chess.STARTING_FEN, evaluator=None, **options):
    """An engine of one thread at a position, with an evaluator or the one of this name."""
    if isinstance(evaluator, str):
        options["evaluator"] = evaluator
        evaluator = None
    player = Engine(EngineOptions(**{"hash_mib": 8, "threads": 1} | options), evaluator)
    player.set_position(fen if isinstance(fen, chess.Board) else chess.Board(fen))
    return player


def search(board, evaluator=None, **limits):
    with engine(evaluator) as player:
        player.set_position(board)
        return player.search(Limits(**limits))


def search_nodes(player, count):
    """What a search of so many nodes finds."""
    return player.search(Limits(nodes=count))


def searched(fen, visits, params=IN_KERNEL, room=20_000, **how):
    """A search of so many visits, or up to a proof, in a tree of so many nodes; `how` as of
    `search_on`.
    """
    search = Search(params, new_tree(room))
    search.set_position(stack_from_board(chess.Board(fen)))
    search_on(search, visits, **how)
    return search


def search_on(search, visits, evaluator=None, threads=1, tables=None):
    """Visits with an evaluator, `material` by default, until the root has so many or is decided."""
    evaluator = evaluator or MaterialEvaluator()
    visitors = (Walkers if isinstance(evaluator, InKernelEvaluator) else Batches)(
        search, evaluator, threads
    )
    visitors.tablebase = tables
    runner = Runner(search, visitors)
    while search.visits < visits and not search.is_proven:
        runner.advance(visits)
    runner.finish()
    runner.close()


def tree_fingerprint(search):
    """All that nodes and edges hold, whatever their numbers."""
    tree = search.tree
    ways = ways_to(search.tree)
    place = np.full(len(tree.nodes) + 1, NO_NODE)
    place[list(ways)] = range(len(ways))
    nodes = {
        name: getattr(tree, name)[list(ways)]
        for name in set(NODE_FIELDS) - {"first_edge", "seen_in"}
    }
    numbers = [edge for node in ways for edge in edges_of(tree, node)]
    edges = {name: getattr(tree, name)[numbers] for name in set(EDGE_FIELDS) - {"below"}}
    edges["child"] = place[edges["child"]]
    return tuple(fields[name].tobytes() for fields in (nodes, edges) for name in sorted(fields))


def edges_of(tree, node):
    """The edges of a node."""
    return range(int(tree.first_edge[node]), int(tree.first_edge[node]) + int(tree.n_edges[node]))


def ways_to(tree):
    """The edges from the root to every node, a shortest way to each, the nearest nodes first."""
    ways = {ROOT: []}
    waiting = [ROOT]
    for node in waiting:
        for edge in edges_of(tree, node):
            child = int(tree.child[edge])
            if child != NO_NODE and child not in ways:
                ways[child] = [*ways[node], edge]
                waiting.append(child)
    return ways
