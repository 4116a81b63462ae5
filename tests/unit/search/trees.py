"""Evaluators whose answers are known, engines and searches that use them, and trees: small ones, and what holds of
every tree."""

import itertools
import threading
from dataclasses import replace

import chess
import numpy as np
from numpy.testing import assert_allclose

from engine.board.convert import stack_from_board
from engine.evaluation.material import MaterialEvaluator
from engine.evaluation.protocol import InKernelEvaluator
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.batches import Batches
from engine.search.limits import Limits
from engine.search.search_tree_state import Search
from engine.search.tree.arrays import (
    BUSY,
    DRAW,
    EDGE_FIELDS,
    EDGES,
    EXPANDED,
    IN_FLIGHT,
    LOSS,
    NO_NODE,
    NODE_FIELDS,
    NODES,
    PENDING,
    ROOT,
    UNVISITED,
    WIN,
    new_tree,
)
from engine.search.tree.backup import finish_known, finish_visit
from engine.search.tree.params import SearchParams
from engine.search.tree.priors import expand
from engine.search.tree.visit import new_node
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


def search_nodes(player, count):
    """What a search of so many nodes finds."""
    return player.search(Limits(nodes=count))


def search_alone(fen, count, evaluator=None, **options):
    """What such a search finds in an engine as `alone` makes it."""
    with alone(fen, evaluator, **options) as player:
        return search_nodes(player, count)


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


# ---- trees small enough to count by hand, grown with kernels as plain Python -----------------------


PARAMS = SearchParams(cpuct_factor=0.0, needs_planes=False)


def small_tree(priors):
    """A root with one visit of value 0 and edges of the given priors, none tried."""
    tree = new_tree(64)
    root = new_node.py_func(tree)
    grow(tree, root, priors)
    tree.visits[root] = 1
    return tree


def grow(tree, node, priors):
    """Give a node edges."""
    logits = np.log(np.array(priors, np.float32)) * np.float32(PARAMS.policy_temperature)
    moves = np.arange(len(priors), dtype=np.uint16)
    tree.state[node] = expand.py_func(tree, PARAMS, node, 0, moves, logits, len(priors))


def set_off(tree, node, place, child):
    """Send a visit through an edge to a child; returns the child's depth."""
    way = [*ways_to(tree)[node], int(tree.first_edge[node]) + place]
    tree.child[way[-1]] = child
    tree.way[: len(way)] = way
    tree.under_way[way] += 1
    tree.counters[IN_FLIGHT] += 1
    return len(way)


def add_child(tree, node, place):
    """A new child behind an edge, one visit on its way to it."""
    child = new_node.py_func(tree)
    set_off(tree, node, place, child)
    return child


def visit(tree, node, place, value, draw=0.0):
    """A new child, visited once with a value for the side that moved into it."""
    child = new_node.py_func(tree)
    depth = set_off(tree, node, place, child)
    finish_visit.py_func(tree, PARAMS, depth, child, tree.state[child], value, draw, 30.0)
    return child


def decide(tree, node, place, result, plies=0, params=PARAMS):
    """A new child that is decided."""
    child = new_node.py_func(tree)
    depth = set_off(tree, node, place, child)
    finish_known.py_func(tree, params, depth, child, result, plies)
    return child


# ---- many threads on one tree, and what has to hold whenever they stand still ----------------------


POSITIONS = (
    chess.STARTING_FEN,
    "r1bq1rk1/ppp2ppp/2np1n2/2b1p3/2B1P3/2NP1N2/PPP2PPP/R1BQ1RK1 w - - 0 7",
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
    "kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1",  # a mate in two
    "k7/8/2K5/8/8/8/8/7R b - - 0 1",
    "8/8/4k3/8/2p5/2P1K3/8/8 w - - 0 50",
    "8/8/8/3k4/8/3KP3/8/8 w - - 94 100",  # close to the fifty-move rule
    "8/2k5/3p4/p2P1p2/P2P1P2/8/1K6/8 w - - 0 1",  # many ways to every position
    "4k3/P6P/8/8/8/8/p6p/4K3 w - - 0 1",
    "bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w HFhf - 2 9",  # Chess960
)


def assert_whole(search, adds_up=True):
    """Nothing is in flight, every node and edge has one place, and visits, sums and bounds agree
    with each other.

    Visits need not add up (`adds_up`) in a tree that was full and lost edges, or where batches met
    a leaf twice.
    """
    # What lies outside a new root's subtree is forgotten by and by.
    while search._room is not None:
        search.make_room()
    tree = search.tree
    count, edges = int(tree.counters[NODES]), int(tree.counters[EDGES])
    assert np.array_equal(np.sort(tree.order), np.arange(len(tree.nodes)))
    used = np.sort(tree.order[:count])
    nodes = {name: tree.nodes[name][used] for name in tree.nodes.dtype.names}
    state = nodes["state"]
    visits = nodes["visits"]
    lower = nodes["lower"]
    upper = nodes["upper"]
    assert tree.counters[IN_FLIGHT] == 0
    assert not nodes["lock"].any()
    assert (state != BUSY).all()
    assert (nodes["n_edges"][state != EXPANDED] == 0).all()
    assert ((visits > 0) | (state == PENDING)).all()

    owners = np.flatnonzero(nodes["n_edges"])
    owners = owners[np.argsort(nodes["first_edge"][owners])]
    firsts = nodes["first_edge"][owners]
    ends = firsts + nodes["n_edges"][owners]
    assert (ends[:-1] <= firsts[1:]).all()
    assert edges >= (ends[-1] if len(ends) else 0)
    numbers = [
        number for first, end in zip(firsts, ends, strict=True) for number in range(first, end)
    ]
    owner = np.repeat(owners, nodes["n_edges"][owners])
    edge = tree.edges[numbers]
    assert not edge["under_way"].any()
    assert_allclose(np.bincount(owner, edge["prior"], count)[owners], 1.0, atol=1e-4)
    tried = edge["child"] != NO_NODE
    assert np.array_equal(np.unique(edge["child"][tried]), used[1:])
    assert ((edge["q"] == UNVISITED) == (edge["passes"] == 0)).all()
    q = np.where(edge["passes"] > 0, np.maximum(edge["q"], -1.0), 0.0).astype(np.float64)
    assert (np.abs(q) < 1.0001).all()

    below = np.bincount(owner, edge["passes"], count)
    value_below = np.bincount(owner, edge["passes"] * q, count)
    decided = lower == upper
    draws = np.where(lower == DRAW, visits, 0)
    assert_allclose(nodes["value_sum"][decided], (lower * visits)[decided], atol=1e-6)
    assert_allclose(nodes["draw_sum"][decided], draws[decided], atol=1e-6)
    if adds_up and not search.was_full:
        open_ones = (state == EXPANDED) & ~decided
        assert (visits[open_ones] == below[open_ones] + 1).all()
        own = nodes["value_sum"][open_ones] + value_below[open_ones]
        assert (np.abs(own) < 1.0001).all()

    # Children only narrow their bounds, and a node follows when the next visit comes by. One that
    # was closed to make room keeps its visits and bounds when it has moves again, but not the
    # children from which they came.
    assert (lower <= upper).all()
    parent = owner[tried]
    child = np.searchsorted(used, edge["child"][tried])
    best_lower, best_upper = np.full(count, LOSS), np.full(count, LOSS)
    np.maximum.at(best_lower, parent, lower[child])
    np.maximum.at(best_upper, parent, upper[child])
    untried = np.bincount(parent, minlength=count) < nodes["n_edges"]
    best_upper[untried] = WIN
    inner = (state == EXPANDED) & (used != ROOT) & (visits == below + 1)
    assert (lower[inner] <= -best_upper[inner]).all()
    assert (upper[inner] >= -best_lower[inner]).all()


def wander(threads, visits):
    """Search about so many visits in many ways, and look at the tree whenever the search is over;
    returns how many.
    """
    rng = np.random.default_rng(1)
    done = 0
    fens = itertools.cycle(POSITIONS)
    options = EngineOptions(threads=threads, evaluator="material")
    with Engine(options) as engine:
        for evaluator in ("sparse", "material"):  # Compiling would make some searches late.
            engine.set_options(replace(options, evaluator=evaluator))
            engine.warm_up()
        while done < visits:
            fen = next(fens)
            board = chess.Board(fen, chess960="HF" in fen)
            engine.set_options(
                replace(
                    options,
                    hash_mib=int(rng.choice([1, 2, 16])),
                    multi_pv=int(rng.integers(1, 4)),
                    tactical_nodes=float(rng.choice([0.0, 4.0])),
                    evaluator=str(rng.choice(["material", "sparse"])),
                )
            )
            was_full = False
            for _ in range(3):
                moves = list(board.legal_moves)
                engine.set_position(board)
                nodes = int(rng.integers(1, max(2, min(40_000, visits // 4))))
                chosen = tuple(moves[:2]) if rng.random() < 0.2 else ()
                limits = Limits(nodes=nodes, searchmoves=chosen, infinite=bool(rng.random() < 0.5))
                job = engine.start(limits)
                if limits.infinite:
                    threading.Timer(float(rng.uniform(0.0, 0.05)), job.stop).start()
                done += job.result(300).nodes
                was_full |= engine._search.was_full
                assert_whole(engine._search, adds_up=not was_full)
                board.push(moves[int(rng.integers(len(moves)))])
                if board.is_game_over():
                    break
    return done
