"""Threads that compute one small thing together: parts of some microseconds, and meetings in between.

Waking a sleeping thread takes longer than such a part. So helpers look for the next call for a fraction of a
millisecond before they go to sleep, and the caller takes those who stand by.

At a meeting everybody waits for everybody. A thread that the system has taken off its processor is away for some
milliseconds, longer than all of the work may take; so whoever runs out of patience gives the work up for everybody, and
the caller does it alone.

Words of a team of T threads, of which number 0 calls and the others help; every word has a cache line of its own:

    0 to T - 1     the state of each thread: ASLEEP, READY, HELD, or the number of the share that it works on
    T to 2 T - 1   the last meeting to which the thread with each share has come
    2 T            the last work that was given up
    2 T + 1        the number of shares of the last work
    2 T + 2        its size
    2 T + 3        patience: how often a thread looks for a late one
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.ordering import SPACING, claim, observe, publish, relax

__all__ = ["Share", "alone", "call", "dismiss", "meet", "new_words", "nothing", "part_of", "stand_by"]

# States of a helper.
ASLEEP: Final = -1
READY: Final = 0
HELD: Final = -2  # Called, but not told its number yet.

MOST_MEETINGS: Final = 1 << 16  # Work number n has the meetings from n times this on.

# How often a thread looks at a word before it gives up; a look with its pause takes some 30 ns.
PATIENCE: Final = 40_000  # At a meeting: ten times as long as a part of a large network takes.
STAND_BY_LOOKS: Final = 8_000  # For the next call: four times as long as a search takes between two evaluations.
CALL_LOOKS: Final = 4_000  # For helpers who have just been woken, which takes some 0.05 ms.


class Share(NamedTuple):
    """Share `number` of `members`: what one thread does of some work."""

    words: np.ndarray  # int64, see above
    number: int | np.int64
    members: int | np.int64
    size: int | np.int64  # how much work there is for all of them, whatever the caller counts


def new_words(threads: int, patience: int = PATIENCE) -> np.ndarray:
    """Words of a team whose helpers are asleep."""
    words = np.zeros((2 * threads + 4) * SPACING, np.int64)
    words[: threads * SPACING] = ASLEEP
    words[(2 * threads + 3) * SPACING] = patience
    return words


@kernel()
def threads_of(words):
    """The number of threads of a team."""
    return (len(words) // SPACING - 4) // 2


@kernel()
def alone(words, size):
    """The share of a thread that does all of the work."""
    return Share(words, np.int64(0), np.int64(1), size)


@kernel()
def nothing(words):
    """The share of a thread that takes no part."""
    return Share(words, np.int64(0), np.int64(0), np.int64(0))


@kernel()
def part_of(count, share):
    """First and end of this share's part of range(count). Parts differ by one at most; the last is the largest."""
    return count * share.number // share.members, count * (share.number + 1) // share.members


@kernel()
def call(words, size, looks):
    """Call the helpers, of whom each gets so many looks to stand by; returns the caller's share of the work.

    The share has no members if nobody stands by, or if one is still at work that was given up, and may write where it
    did.
    """
    threads = threads_of(words)
    for thread in range(1, threads):
        while observe(words, thread * SPACING) != READY and looks > 0:
            looks -= 1
            relax()
        if observe(words, thread * SPACING) > READY:
            return nothing(words)
    members = np.int64(1)
    for thread in range(1, threads):
        if claim(words, thread * SPACING, np.int64(READY), np.int64(HELD)):
            members += 1
    if members == 1:
        return nothing(words)
    begun = (observe(words, threads * SPACING) // MOST_MEETINGS + 1) * MOST_MEETINGS
    publish(words, threads * SPACING, begun)
    publish(words, (2 * threads + 1) * SPACING, members)
    publish(words, (2 * threads + 2) * SPACING, size)
    number = np.int64(0)
    for thread in range(1, threads):
        if observe(words, thread * SPACING) == HELD:
            number += 1
            publish(words, (threads + number) * SPACING, begun)
            publish(words, thread * SPACING, number)
    return Share(words, np.int64(0), members, size)


@kernel()
def stand_by(words, thread, looks):
    """Look for a call `looks` times; returns the share of helper `thread`, which has no members if there was none."""
    state = thread * SPACING
    publish(words, state, np.int64(READY))
    while observe(words, state) <= READY:
        looks -= 1
        relax()
        if observe(words, state) == ASLEEP or (looks < 0 and claim(words, state, np.int64(READY), np.int64(ASLEEP))):
            return nothing(words)
    members, size = (2 * threads_of(words) + 1) * SPACING, (2 * threads_of(words) + 2) * SPACING
    return Share(words, observe(words, state), observe(words, members), observe(words, size))


@kernel()
def dismiss(words):
    """Let the helpers who stand by go to sleep."""
    for thread in range(1, threads_of(words)):
        claim(words, thread * SPACING, np.int64(READY), np.int64(ASLEEP))


@kernel()
def meet(share):
    """Wait until everyone with a share has come here; returns False if the work is given up.

    What a thread wrote before a meeting is seen by all after it.
    """
    if share.members == 1:
        return True
    words = share.words
    threads = threads_of(words)
    meeting = observe(words, (threads + share.number) * SPACING) + 1
    publish(words, (threads + share.number) * SPACING, meeting)
    for number in range(share.members):
        looks = observe(words, (2 * threads + 3) * SPACING)
        while observe(words, (threads + number) * SPACING) < meeting:
            if looks == 0:
                publish(words, 2 * threads * SPACING, meeting // MOST_MEETINGS)
            if observe(words, 2 * threads * SPACING) >= meeting // MOST_MEETINGS:
                return False
            looks -= 1
            relax()
    return True
