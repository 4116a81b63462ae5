"""The clock that stands still while the process does."""

import itertools

from engine.native.awake import LEAST_PAUSE_S, READING_S, AwakeClock


def test_only_gaps_in_which_the_process_rested_do_not_count() -> None:
    times = itertools.accumulate([0.0, READING_S, 3600.0, READING_S, LEAST_PAUSE_S / 2, 10.0])
    work = itertools.accumulate([0.0, 0.0, 0.2, 0.0, 0.0, 9.0])  # a call of ten seconds kept the interpreter's lock
    clock = AwakeClock(lambda: next(times), lambda: next(work))
    read = [round(clock.read(), 6) for _ in range(5)]
    assert read == [
        READING_S,
        READING_S,
        2 * READING_S,
        2 * READING_S + LEAST_PAUSE_S / 2,
        10.0 + 2 * READING_S + LEAST_PAUSE_S / 2,
    ]
