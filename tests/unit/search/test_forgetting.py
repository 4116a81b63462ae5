"""A tree that is full learns on: what was not used for long gives way."""

import time

import chess
import numpy as np
import pytest

from engine.board.convert import stack_from_board
from engine.evaluation.material import MaterialEvaluator
from engine.search.limits import Limits
from engine.search.report import outline
from engine.search.search_tree_state import restrict_root
from engine.search.tree import forgetting
from engine.search.tree.arrays import CANNOT_SHRINK, EXPANDED, NODES, ROOT, SHRINKS, VALUED
from engine.search.visit_loop import Runner
from tests.boards import board_after, moves_in
from tests.unit.search.trees import (
    POSITIONS,
    FlatEvaluator,
    alone,
    assert_whole,
    search_nodes,
    search_on,
    searched,
    tree_fingerprint,
)

POSITION = POSITIONS[1]


def make_room(tree):
    for _ in forgetting.make_room(tree):
        pass


def main_line(search):
    """The most visited moves."""
    line = []
    branches = outline(search, 1, 1)
    while branches:
        line.append(branches[0].move)
        branches = branches[0].replies
    return line


def make_some_room(search, most=100_000):
    """Make room in so many slices, or to the end; returns how many it took."""
    slices = 0
    while search.needs_room and slices < most:
        search.make_room()
        slices += 1
    return slices


@pytest.mark.parametrize("evaluator", [MaterialEvaluator(), FlatEvaluator()])
def test_a_full_tree_learns_on(evaluator):
    """By visits one by one, and in batches."""
    first, second = (searched(POSITION, 6000, room=1500, evaluator=evaluator) for _ in range(2))
    assert outline(first, 1, 300) == outline(second, 1, 300)
    assert first.visits >= 6000
    assert first.tree.counters[SHRINKS] > 1
    assert first.tree.counters[NODES] <= 1500
    assert first.was_full
    assert first.fullness == 1.0
    assert_whole(first)


def test_what_was_used_least_recently_gives_way():
    search = searched(POSITION, 2000)
    tree = search.tree
    root = tree.nodes[ROOT].copy()
    root_visits = search.root().visits
    used = int(tree.counters[NODES])
    newest = int(tree.used_at[:used].max())
    make_room(tree)
    nodes_left = int(tree.counters[NODES])
    assert 0.3 * used < nodes_left < 0.7 * used
    assert (search.root().visits == root_visits).all()
    assert tree.nodes[ROOT][["visits", "value_sum"]] == root[["visits", "value_sum"]]
    nodes = tree.nodes[tree.order[:nodes_left]]
    closed = (nodes["state"] == VALUED) & (nodes["visits"] > 1)
    still_open = (nodes["state"] == EXPANDED) & (nodes["lower"] != nodes["upper"])
    stamps = nodes["used_at"]
    assert stamps[closed].max() < stamps[still_open].min() <= newest
    assert_whole(search, adds_up=False)


def test_a_tree_that_cannot_shrink_goes_on_as_it_is():
    tree = searched(POSITION, 100).tree
    used = int(tree.counters[NODES])
    tree.used_at[:used] = 7  # Everything is as recent as the root.
    tree.lower[1:used] = tree.upper[1:used]  # And everything is decided.
    make_room(tree)
    assert tree.counters[CANNOT_SHRINK] == 1
    assert tree.counters[NODES] == used


@pytest.mark.parametrize("slices", range(0, 110, 12))
def test_a_move_played_while_the_tree_makes_room_keeps_its_subtree(monkeypatch, slices):
    monkeypatch.setattr(forgetting, "SLICE", 50)
    search = searched(POSITION, 900, room=1500)
    move = main_line(search)[0]
    visits = search.root().visits.max()
    search.make_room()
    make_some_room(search, slices)
    assert search.set_position(stack_after(move))
    assert search.visits == visits
    search.finish_making_room()
    assert_whole(search)


def stack_after(*moves):
    return stack_from_board(board_after(map(str, moves), POSITION))


def test_the_rest_of_the_tree_goes_in_slices_after_a_move(monkeypatch):
    search = searched(POSITION, 1000)
    monkeypatch.setattr(forgetting, "SLICE", 30)
    line = main_line(search)
    used = int(search.tree.counters[NODES])
    assert search.set_position(stack_after(line[0]))
    assert search.tree.counters[NODES] == used
    visits = search.root().visits
    slices = 0
    while search.needs_room:
        assert main_line(search)[:3] == line[1:4]
        search.make_room()
        assert (search.root().visits == visits).all()
        assert search.new_visits == 0
        slices += 1
    assert slices > 50
    assert search.tree.counters[NODES] < used
    assert_whole(search)


def test_a_move_played_before_the_one_before_is_done_with_leaves_no_trace(monkeypatch):
    monkeypatch.setattr(forgetting, "SLICE", 50)
    trees = set()
    for slices in (*range(0, 200, 36), 100_000):
        search = searched(POSITION, 3000)
        moves = main_line(search)
        assert search.set_position(stack_after(*moves[:1]))
        make_some_room(search, slices)
        assert search.set_position(stack_after(*moves[:2]))
        search.finish_making_room()
        assert_whole(search)
        trees.add(tree_fingerprint(search))
    assert len(trees) == 1


def test_moves_left_out_leave_nothing_in_a_tree_that_gets_full():
    """Their nodes once stayed without an edge, and whatever walked along edges to them never
    arrived.
    """
    search = searched(POSITION, 1000, room=1500)
    least = search.root().moves[-1:]
    restrict_root(search, least)
    assert (search.root().moves == least).all()
    search.finish_making_room()
    assert_whole(search)
    search_on(search, 5000)
    assert search.tree.counters[SHRINKS] > 0
    assert_whole(search)
    assert search.visits == 5000 == 1 + search.root().visits.sum()


def test_a_restricted_root_forgets_what_other_moves_were_worth():
    search = searched(POSITION, 3000)
    before = search.root()
    left = before.order()[1:3]
    own = search.own_value[0]
    restrict_root(search, before.moves[left])
    assert search.visits == 1 + before.visits[left].sum()
    worth = own + (before.q * before.visits)[left].sum()
    assert search.root().position.q == pytest.approx(worth / search.visits)


@pytest.mark.parametrize("visits", [0, 1, 300])
def test_a_full_tree_is_rehearsed_in_any_tree(visits):
    search = searched(POSITION, visits, room=5000)
    Runner(search, None).rehearse()
    assert not search.needs_room
    assert_whole(search)


def test_a_search_is_stopped_while_the_tree_makes_room(monkeypatch):
    monkeypatch.setattr(forgetting, "SLICE", 1)
    with alone(POSITION, MaterialEvaluator(), hash_mib=1) as engine:
        job = engine.start(Limits(infinite=True))
        while not engine._search.needs_room:
            time.sleep(0.001)
        job.stop()
        result = job.result(120)
        assert result.best_move is not None
        assert_whole(engine._search, adds_up=False)


def test_a_stop_is_heard_while_a_large_table_of_transpositions_is_emptied(monkeypatch):
    """A search of a new game begins by emptying it: 128 MiB in one piece took 18 ms, in which
    nobody heard a stop.
    """
    monkeypatch.setattr(forgetting, "FILL_SLICE", 1000)
    search = searched(chess.STARTING_FEN, 3000, room=8000)
    assert search.tree.table.any()
    search.clear()
    search.set_position(stack_from_board(chess.Board()))  # Clears again.
    assert make_some_room(search) > len(search.tree.table) // 1000
    assert not search.tree.table.any()
    search_on(search, 500)
    assert tree_fingerprint(search) == tree_fingerprint(searched(chess.STARTING_FEN, 500))


def test_what_a_small_tree_leaves_in_a_large_table_is_taken_out_alone(monkeypatch):
    """The whole table was written for every new position, 32 MiB with a Hash of 1 GiB."""
    monkeypatch.setattr(forgetting, "FILL_SLICE", 1)
    search = searched(chess.STARTING_FEN, 500)
    search.clear()
    assert make_some_room(search) <= 2
    assert not search.tree.table.any()


def test_a_pass_that_forgets_writes_nothing_as_long_as_the_tree_may_grow():
    """A field of the whole tree was copied four times a move."""
    search = searched(POSITION, 300, room=50_000)
    work = forgetting.begin_pass(search.tree)
    assert max(map(np.size, work)) < 1000 + int(search.tree.counters[NODES])


def test_a_mate_that_is_left_out_is_not_the_roots_value():
    with alone("6k1/5ppp/8/8/8/8/8/R3K1R1 w - - 0 1", MaterialEvaluator()) as engine:
        assert search_nodes(engine, 1).infos[0].score_mate == 1
        moves = moves_in("g1h1 e1e2")
        result = engine.search(Limits(nodes=300, searchmoves=tuple(moves)))
        assert result.infos[0].score_mate is None
        assert result.root.q < 1.0
        assert_whole(engine._search)
