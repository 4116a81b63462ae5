"""What a move costs besides its visits depends on nothing that is larger than the move."""

import statistics
import time
from contextlib import ExitStack

import numpy as np

from benchmarks.measuring import game_boards
from engine import Engine
from engine.options import EngineOptions
from engine.search.tree import forgetting
from tests.unit.search.trees import POSITIONS, search_nodes, searched

SMALL_MIB, LARGE_MIB = 8, 512


def test_a_search_of_one_node_costs_the_same_with_any_hash():
    """A field of the whole tree was copied four times a move, and the whole table was cleared."""
    costs = {SMALL_MIB: [], LARGE_MIB: []}
    with ExitStack() as stack:
        engines = {
            size: stack.enter_context(
                Engine(EngineOptions(evaluator="material", threads=1, hash_mib=size))
            )
            for size in costs
        }
        for board in game_boards()[:45]:
            for size, engine in engines.items():
                engine.set_position(board)
                begun = time.thread_time()
                search_nodes(engine, 1)
                costs[size].append(time.thread_time() - begun)
    small, large = (statistics.median(each[5:]) for each in costs.values())
    assert large < 2.0 * small


def test_a_pass_that_forgets_writes_nothing_as_long_as_the_tree_may_grow():
    search = searched(POSITIONS[1], 300, room=50_000)
    work = forgetting.begin_pass(search.tree)
    assert max(map(np.size, work)) < 1000 + int(search.tree.counters[1])
