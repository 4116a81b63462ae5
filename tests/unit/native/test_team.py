"""Threads that meet: nobody goes on too early, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engine.native.jit import kernel
from engine.native.ordering import SPACING
from engine.native.team import (
    ASLEEP,
    READY,
    Share,
    call,
    dismiss,
    meet,
    new_words,
    part_of,
    stand_by,
)

EVER = 1 << 60  # Looks; the test ends otherwise, or by its time limit.
LOOKS = 10_000


@kernel()
def sum_up(share, numbers, sums, rounds):
    """Each round a thread computes its sums from all those of the round before; returns whether all went well."""
    first, last = part_of(len(numbers), share)
    for r in range(rounds):
        total = np.int64(0)
        for k in range(len(numbers)):
            total += sums[r, k]
        for k in range(first, last):
            sums[r + 1, k] = (total * numbers[k] + r) % 1_000_003
        if not meet(share):
            return False
    return True


@kernel()
def take_part(words, thread, numbers, sums, rounds, looks):
    share = call(words, rounds, looks) if thread == 0 else stand_by(words, thread, looks)
    return share.members if share.members == 0 or sum_up(share, numbers, sums, share.size) else np.int64(-1)


def computed(threads: int, words: np.ndarray | None = None, rounds: int = 300) -> np.ndarray:
    words = new_words(threads, EVER) if words is None else words
    numbers, sums = np.arange(2, 9), np.zeros((rounds + 1, 7), np.int64)
    sums[0] = 1
    with ThreadPoolExecutor(threads) as pool:
        members = list(pool.map(lambda k: take_part(words, k, numbers, sums, rounds, EVER), range(threads)))
    assert members == ([threads] * threads if threads > 1 else [0])
    if threads == 1:
        assert sum_up(Share(words, np.int64(0), np.int64(1), rounds), numbers, sums, rounds)
    return sums


def test_what_was_written_before_a_meeting_is_read_after_it() -> None:
    expected = computed(1)
    for threads in (2, 3, 4):
        np.testing.assert_array_equal(computed(threads), expected)


def test_a_team_works_again_and_again() -> None:
    words, expected = new_words(2, EVER), computed(1, rounds=3)
    for _ in range(20):
        np.testing.assert_array_equal(computed(2, words, rounds=3), expected)


@pytest.mark.parametrize("members", [1, 2, 3, 5, 8])
def test_parts_cover_everything_once(members: int) -> None:
    for count in (0, 1, 4, 5, 8, 36):
        parts = [part_of(count, Share(new_words(1), number, members, 0)) for number in range(members)]
        assert [k for first, last in parts for k in range(first, last)] == list(range(count))
        sizes = [last - first for first, last in parts]
        assert max(sizes) - min(sizes) <= 1
        assert sizes[-1] == max(sizes)


def test_work_is_given_up_by_all_when_one_stays_away() -> None:
    words = new_words(3, 1000)
    numbers, sums = np.ones(3, np.int64), np.zeros((6, 3), np.int64)
    with ThreadPoolExecutor(3) as pool:
        helper = pool.submit(take_part, words, 1, numbers, sums, 5, EVER)
        absent = pool.submit(stand_by, words, 2, EVER)
        assert take_part(words, 0, numbers, sums, 5, EVER) == -1
        assert helper.result(10) == -1
        assert absent.result(10).members == 3


def test_nobody_is_called_while_someone_is_still_at_work() -> None:
    words = new_words(3)
    words[SPACING] = READY
    assert call(words, 1, 0).members == 2
    assert words[SPACING] == 1
    words[2 * SPACING] = READY  # Thread 1 works on, or sleeps in the middle of its work.
    assert call(words, 1, LOOKS).members == 0
    assert words[2 * SPACING] == READY


def test_a_caller_without_helpers_works_alone() -> None:
    assert call(new_words(1), 1, LOOKS).members == 0
    assert call(new_words(3), 1, LOOKS).members == 0


def test_helpers_stand_by_for_a_while_and_sleep_at_once_when_dismissed() -> None:
    words = new_words(2)
    assert stand_by(words, 1, LOOKS).members == 0
    assert words[SPACING] == ASLEEP
    with ThreadPoolExecutor(1) as pool:
        helper = pool.submit(stand_by, words, 1, EVER)
        while words[SPACING] != READY:
            time.sleep(0.001)
        dismiss(words)
        assert helper.result(10).members == 0
    assert words[SPACING] == ASLEEP


def test_plain_python_agrees() -> None:
    words = new_words(2)
    words[SPACING] = READY
    share = call.py_func(words, 7, 0)
    assert (share.number, share.members, share.size) == (0, 2, 7)
    words[3 * SPACING] += 1  # The helper comes to the first meeting before the caller.
    assert meet.py_func(share)
    late = threading.Timer(0.05, lambda: words.__setitem__(3 * SPACING, words[3 * SPACING] + 1))
    late.start()
    words[7 * SPACING] = EVER
    assert meet.py_func(share)
    late.join()
    words[7 * SPACING] = 10
    assert not meet.py_func(share)
    assert not meet(share)
