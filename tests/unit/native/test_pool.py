"""The thread pool and the file lock."""

import functools
import threading

import numpy as np
import pytest

from engine.errors import ConfigError
from engine.native.locks import FileLock
from engine.native.pool import Offer, ThreadPool


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 8, 9, 64, 67])
def test_threads_cover_everything_once_in_whole_chunks(threads, count):
    seen = np.zeros(count, np.int64)
    parts = []

    def work(first, last):
        seen[first:last] += 1
        parts.append((first, last))

    with ThreadPool(threads, "test") as pool:
        pool.share(count, 8, work)
    assert np.all(seen == 1)
    assert all(first % 8 == 0 for first, _ in parts)
    assert len(parts) <= threads


def test_results_come_in_the_order_of_the_items():
    with ThreadPool(3, "test") as pool:
        assert pool.map(lambda a, b: 10 * a + b, range(20), range(3)) == [0, 11, 22]
        assert pool.map(str, []) == []


def test_the_calling_thread_works_too():
    together = threading.Barrier(2)  # passed only by two threads at once
    with ThreadPool(2, "test") as pool:
        names = pool.map(lambda _: (together.wait(120), threading.current_thread())[1], range(2))
    assert threading.current_thread() in names


def test_an_exception_reaches_the_caller():
    begun = []

    def fail(number):
        begun.append(number)
        if number == 3:
            raise ValueError("number three")

    for threads in (1, 2):
        begun.clear()
        with ThreadPool(threads, "test") as pool, pytest.raises(ValueError, match="number three"):
            pool.map(fail, range(10_000))
        assert len(begun) < 10_000


def test_a_busy_pool_leaves_the_work_to_the_calling_thread():
    release = threading.Event()
    with ThreadPool(2, "test") as pool:
        waiting = pool.start(release.wait, 10)
        assert pool.map(abs, [-1, -2, -3]) == [1, 2, 3]
        release.set()
        assert waiting.result()


def test_a_pool_needs_a_second_thread_to_start_work_on():
    with pytest.raises(ConfigError, match="at least 1"):
        ThreadPool(0, "test")
    with ThreadPool(1, "test") as pool, pytest.raises(ConfigError, match="no other"):
        pool.start(print)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_what_is_offered_is_done_once_whoever_takes_it(threads):
    done = []
    with ThreadPool(threads, "test") as pool:
        offers = [pool.offer(functools.partial(done.append, number)) for number in range(200)]
        for offer in offers[::-1]:
            offer.take()
        for offer in offers:
            offer.finish()
            assert offer.is_done
    assert sorted(done) == list(range(200))


def test_an_offer_that_another_thread_has_begun_is_waited_for():
    begun, release = threading.Event(), threading.Event()
    threads = []

    def work():
        threads.append(threading.current_thread())
        begun.set()
        release.wait(120)

    with ThreadPool(2, "test") as pool:
        offer = pool.offer(work)
        assert begun.wait(120)
        offer.take()
        assert not offer.is_done
        release.set()
        offer.finish()
        assert offer.is_done
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


def test_what_an_offer_raises_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        Offer(lambda: 1 // 0).finish()
    begun = threading.Event()
    with ThreadPool(2, "test") as pool:
        offer = pool.offer(lambda: (begun.set(), 1 // 0))
        assert begun.wait(120)
        with pytest.raises(ZeroDivisionError):
            offer.finish()


def test_a_lock_is_held_by_one_until_it_is_released(tmp_path):
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.try_acquire()
    assert not second.try_acquire()
    first.release()
    assert second.try_acquire()
    assert not first.try_acquire()
    second.release()
    second.release()  # nothing left to give back
