"""Searches with many threads on one tree, and what has to hold whenever they stand still."""

import itertools
import threading
from dataclasses import replace

import chess
import numpy as np

from engine import Engine
from engine.options import EngineOptions
from engine.search.limits import Limits
from engine.search.tree.arrays import (
    BUSY,
    DRAW,
    EDGES,
    EXPANDED,
    IN_FLIGHT,
    LOSS,
    NO_NODE,
    NODES,
    PENDING,
    ROOT,
    UNVISITED,
    WIN,
)

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
    ends = nodes["first_edge"][owners] + nodes["n_edges"][owners]
    assert (ends[:-1] <= nodes["first_edge"][owners][1:]).all()
    assert edges >= (ends[-1] if len(ends) else 0)
    numbers = [
        number
        for first, end in zip(nodes["first_edge"][owners], ends, strict=True)
        for number in range(first, end)
    ]
    owner = np.repeat(owners, nodes["n_edges"][owners])
    edge = tree.edges[numbers]
    assert not edge["under_way"].any()
    np.testing.assert_allclose(np.bincount(owner, edge["prior"], count)[owners], 1.0, atol=1e-4)
    tried = edge["child"] != NO_NODE
    assert np.array_equal(np.unique(edge["child"][tried]), used[1:])
    assert ((edge["q"] == UNVISITED) == (edge["passes"] == 0)).all()
    q = np.where(edge["passes"] > 0, np.maximum(edge["q"], -1.0), 0.0).astype(np.float64)
    assert (np.abs(q) < 1.0001).all()

    below = np.bincount(owner, edge["passes"], count)
    value_below = np.bincount(owner, edge["passes"] * q, count)
    decided = lower == upper
    draws = np.where(lower == DRAW, visits, 0)
    np.testing.assert_allclose(nodes["value_sum"][decided], (lower * visits)[decided], atol=1e-6)
    np.testing.assert_allclose(nodes["draw_sum"][decided], draws[decided], atol=1e-6)
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


def wander(threads, visits, seed=1):
    """Search about so many visits in many ways, and look at the tree whenever the search is over;
    returns how many.
    """
    rng = np.random.default_rng(seed)
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
                moves = tuple(board.legal_moves)
                engine.set_position(board)
                nodes = int(rng.integers(1, max(2, min(40_000, visits // 4))))
                chosen = (
                    tuple(moves[k] for k in rng.integers(0, len(moves), 2))
                    if rng.random() < 0.2
                    else ()
                )
                done += _search(engine, Limits(nodes=nodes, searchmoves=chosen), rng)
                was_full |= engine._search.was_full
                assert_whole(engine._search, adds_up=not was_full)
                board.push(moves[int(rng.integers(len(moves)))])
                if board.is_game_over():
                    break
    return done


def _search(engine, limits, rng):
    """One search: to its end, or stopped, or while pondering. Returns the number of its nodes."""
    way = int(rng.integers(4))
    if way < 2:
        result = engine.search(limits)
        assert limits.searchmoves or result.nodes <= (limits.nodes or 0)
        return result.nodes
    job = engine.start(replace(limits, infinite=way == 2, ponder=way == 3))
    timer = threading.Timer(float(rng.uniform(0.0, 0.05)), job.stop if way == 2 else job.ponderhit)
    timer.start()
    return job.result(300).nodes
