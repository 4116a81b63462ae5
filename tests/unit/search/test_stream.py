"""Several threads over one stream of leaves build one tree, however they share the work."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, repeat

import chess
import numpy as np
import pytest

from engine.board.convert import stack_from_board
from engine.evaluation.material import MaterialEvaluator
from engine.evaluation.protocol import new_leaf_batch
from engine.native.jit import kernel
from engine.native.ordering import claim, observe, publish
from engine.native.pool import ThreadPool
from engine.search.params import STREAM_DELAY, SearchParams
from engine.search.report import outline
from engine.search.run import InKernelRounds, Runner
from engine.search.session import Search
from engine.search.stream import APPLIED, BEGUN, new_stream, run_stream
from engine.search.tree import NODES, new_tree
from engine.search.visits import new_scratch

POSITION = "r1bq1rk1/ppp2ppp/2np1n2/2b1p3/2B1P3/2NP1N2/PPP2PPP/R1BQ1RK1 w - - 0 7"


def new_search() -> Search:
    search = Search(SearchParams(needs_planes=False, late_policy=True), new_tree(3000))
    search.set_position(stack_from_board(chess.Board(POSITION)))
    return search


def searched(threads: int, pieces: Iterator[int], visits: int = 1000) -> Search:
    """A search that looks up from its kernels after so many visits each time."""
    search = new_search()
    runner = Runner(search, InKernelRounds(search, MaterialEvaluator(), threads), threads)
    while search.visits < visits:
        runner._call_visits = next(pieces)
        runner.advance(visits - search.visits)
    runner.finish()
    runner.close()
    return search


@pytest.mark.parametrize("threads", [2, 3])
def test_neither_interruptions_nor_the_number_of_threads_leave_a_trace(threads):
    whole, pieces = searched(threads, repeat(1000)), searched(threads, cycle([1, 7, 90]))
    assert outline(whole, 1, 300) == outline(pieces, 1, 300) == outline(searched(2, repeat(1000)), 1, 300)
    for search in (whole, pieces):
        assert search.visits == 1000
        assert not search.tree.in_flight[: search.tree.counters[NODES]].any()


def test_the_delay_is_what_the_calling_thread_alone_would_keep():
    search, stream = new_search(), new_stream(STREAM_DELAY)
    arguments = new_leaf_batch(STREAM_DELAY), MaterialEvaluator().new_model(), new_scratch()
    under_way = []
    for visits in range(1, 1001):
        assert run_stream(
            search.tree, stream, search.params, *arguments, np.int64(visits), np.int64(1000), np.int64(100)
        )
        under_way.append(int(stream.counts[BEGUN] - stream.counts[APPLIED]))
    assert under_way[:32] == [0] * 32
    assert max(under_way) == STREAM_DELAY - 1
    assert under_way[-1] == 0
    search.look_for_mate()
    assert outline(search, 1, 300) == outline(searched(2, repeat(1000)), 1, 300)


@kernel()
def count_claims(words, taken, number):
    """Claim every word that is free, and wait until the others have done as much; returns how many it got."""
    for i in range(words.size):
        if claim(words, np.int64(i), np.int64(0), number):
            taken[number] += 1
    publish(taken, number + 8, np.int64(1))
    while observe(taken, np.int64(9)) + observe(taken, np.int64(10)) < 2:
        pass
    return taken[number]


def test_each_word_is_claimed_by_one_thread():
    words, taken = np.zeros(200_000, np.int64), np.zeros(16, np.int64)
    count_claims(np.ones(1, np.int64), np.ones(16, np.int64), np.int64(1))  # compiled
    with ThreadPool(2, "claim") as pool:
        found = pool.map(lambda number: int(count_claims(words, taken, np.int64(number))), [1, 2])
    assert sum(found) == len(words)
    assert [int((words == number).sum()) for number in (1, 2)] == found


def test_plain_words_do_what_compiled_ones_do():
    words = np.zeros(3, np.int64)
    assert claim(words, 1, 0, 5)
    assert not claim(words, 1, 0, 6)
    publish(words, 2, 7)
    assert [observe(words, place) for place in range(3)] == [0, 5, 7]
