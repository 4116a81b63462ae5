"""Words and locks that threads share."""

import numpy as np
import pytest

from engine.native import atomics
from engine.native.atomics import (
    add,
    lock,
    observe,
    order_reads,
    order_writes,
    publish,
    try_lock,
    unlock,
)
from engine.native.jit import kernel
from engine.native.pool import ThreadPool

RECORD = np.dtype((np.record, np.dtype([("sum", np.int64), ("lock", np.uint8)], align=True)))


@kernel()
def count(records, words, times):
    """Count a record's sum under its lock, and a word without one."""
    for _ in range(times):
        lock(records, np.int64(1))
        records[1].sum += 1
        unlock(records, np.int64(1))
        add(words, np.int64(2), np.int64(1))


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_that_count_together_lose_nothing(threads):
    records, words = np.zeros(3, RECORD), np.zeros(4, np.int64)
    count(records, words, np.int64(1))
    with ThreadPool(threads, "count") as pool:
        pool.map(lambda _: count(records, words, np.int64(50_000)), range(threads))
    assert records["sum"].tolist() == [0, 1 + 50_000 * threads, 0]
    assert words.tolist() == [0, 0, 1 + 50_000 * threads, 0]
    assert not records["lock"].any()


def test_words_of_plain_python_do_what_compiled_ones_do():
    words, records = np.zeros(3, np.int64), np.zeros(2, RECORD)
    publish(words, 2, 7)
    assert add(words, 2, 2) == 7
    assert [observe(words, place) for place in range(3)] == [0, 0, 9]
    assert try_lock(records, 1)
    assert not try_lock(records, 1)
    unlock(records, 1)
    assert try_lock(records, 1)


@kernel()
def write_in_order(words, times):
    """Write a number, and afterwards to another line of the cache that it is there."""
    for number in range(1, times + 1):
        words[0] = number
        order_writes()
        words[64] = number


@kernel()
def read_in_order(words, times):
    """Count how often a number is missing that is said to be there."""
    missing = 0
    while words[64] < times:
        number = words[64]
        order_reads()
        missing += words[0] < number
    return missing


def test_what_was_written_first_is_seen_first():
    times = 300_000
    words = np.zeros(128, np.int64)
    write_in_order(words, np.int64(1))
    assert read_in_order(words, np.int64(1)) == 0
    words[:] = 0
    with ThreadPool(2, "ordered") as pool:
        writing = pool.start(write_in_order, words, np.int64(times))
        assert read_in_order(words, np.int64(times)) == 0
        writing.result()


def test_threads_of_macs_pause_between_two_looks():
    """Apple calls the processor arm64, LLVM everywhere else aarch64."""
    assert atomics._PAUSES["arm64"] == atomics._PAUSES["aarch64"]
