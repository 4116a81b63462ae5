"""The clock that stands still while the process does."""

import itertools

import pytest

from engine.native.uptime import AwakeClock


def test_only_gaps_in_which_the_process_rested_do_not_count():
    times = itertools.accumulate([0.0, 0.1, 3600.0, 0.1, 0.25, 10.0])
    # a call of ten seconds kept the interpreter's lock
    work = itertools.accumulate([0.0, 0.0, 0.2, 0.0, 0.0, 9.0])
    clock = AwakeClock(lambda: next(times), lambda: next(work))
    assert [clock.read() for _ in range(5)] == pytest.approx([0.1, 0.1, 0.2, 0.45, 10.45])
