"""One search: its limits, stop and ponderhit, and what waits for it."""

import _thread
import threading
import time

import pytest

from engine.errors import StillCompilingError
from engine.search.job import SearchInterrupted, SearchJob
from engine.search.limits import Limits
from tests.boards import moves_in
from tests.unit.search.trees import engine, search_nodes


def test_searchmoves_are_obeyed_also_after_a_wider_search():
    allowed = tuple(moves_in("a2a3 h2h4"))
    with engine() as player:
        assert len(search_nodes(player, 100).children) == 20
        children = player.search(Limits(nodes=200, searchmoves=allowed)).children
        assert {child.move for child in children} == set(allowed)
        assert len(search_nodes(player, 300).children) == 20


@pytest.mark.parametrize("ponder", [False, True])
def test_a_moves_time_runs_from_its_reception_or_the_ponderhit(ponder):
    with engine() as player:
        search_nodes(player, 50)
        begun = time.perf_counter()
        job = SearchJob(begun - 60.0)
        job.ponderhit()
        job.hit = job.begun
        player.search(Limits(movetime_ms=60_000, ponder=ponder), job=job)
        assert time.perf_counter() - begun < 30.0


# ---- the job alone -------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c(listens_to_interrupts):
    """Ctrl-C a moment after the test starts it."""
    return threading.Timer(0.2, _thread.interrupt_main)


def until_stopped(job):
    job.hold(Limits(infinite=True))
    return "so far"


def test_ctrl_c_while_waiting_raises_what_the_job_found(ctrl_c):
    job = SearchJob().start(until_stopped)
    ctrl_c.start()
    with pytest.raises(SearchInterrupted) as interrupt:
        job.result()
    assert (interrupt.value.result, job.stopped) == ("so far", True)


def test_ctrl_c_while_nothing_can_be_found_is_no_error_of_the_search(ctrl_c):
    def compiling(job):
        job.hold(Limits(infinite=True))
        raise StillCompilingError("no search yet")

    job = SearchJob().start(compiling)
    ctrl_c.start()
    with pytest.raises(KeyboardInterrupt) as interrupt:
        job.result()
    assert not isinstance(interrupt.value, SearchInterrupted)


def test_a_job_is_done_before_it_says_its_last_word():
    seen = []
    job = SearchJob()
    job.start(until_stopped, lambda answer: seen.append((answer, job.done())))
    assert not job.done()
    job.stop()
    job.join()
    assert seen == [("so far", True)]


@pytest.mark.parametrize(
    ("limits", "word", "held"),
    [
        (Limits(infinite=True), "ponderhit", True),
        (Limits(ponder=True), None, True),
        (Limits(ponder=True), "ponderhit", False),
    ],
)
def test_a_result_is_held_back_until_uci_allows_it(limits, word, held):
    job = SearchJob().start(lambda job: job.hold(limits))
    if word:
        getattr(job, word)()
    job.join(0.1 if held else 10.0)
    assert job.done() == (not held)
    job.stop()
    job.join()
