"""Files that Hypothesis has broken, for every reader; and that a fault would be seen.

    pytest -n 0 --hypothesis-profile long tests/hardening/test_fuzzing.py -k "readers and [pgn]"

A reader may refuse a file by an error of `engine/errors.py`. Any other exception is a fault, and so
are `LONGEST_S` seconds of CPU time and `ROOM_MIB` of memory.
"""

import ctypes
import faulthandler
import gc
import logging
import resource
import signal
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from engine.errors import AinoError
from engine.native.aligned_arrays import keep_freed_memory
from tests.hardening.broken_files import Target, broken
from tests.hardening.targets import TARGETS

LONGEST_S = 5.0  # of processor time, for one input
# of wall time: compiled code cannot be interrupted, the process ends with a traceback
FROZEN_S = 300
ROOM_MIB = 128  # memory above what the good samples took
ADDRESS_ROOM = 2 << 30  # bytes of address space above it: what nobody touches counts, too
BATCH = 1000  # inputs; Hypothesis remembers all inputs of a batch


class TooSlow(BaseException):
    """The input has used up its time. This is a BaseException, so that no reader catches it."""


def fuzz(target, folder, inputs):
    """Read this many broken inputs. Raises what a reader must not raise, AssertionError for one
    beyond its bounds.
    """
    path = folder / f"input{target.suffix}"
    with bounded():
        for sample in target.samples:
            path.write_bytes(target.seal(sample))
            target.read(path)
        give_back()  # What came before must not make room for an input.
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of what came before
        room = most_mib() + ROOM_MIB

        def read(data):
            path.write_bytes(data)
            faulthandler.dump_traceback_later(FROZEN_S, exit=True)
            signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_S)
            try:
                target.read(path)
            except AinoError:
                pass
            except TooSlow as error:
                raise AssertionError("slow") from error
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
                faulthandler.cancel_dump_traceback_later()
            assert most_mib() < room, "memory"

        for number in range(0, inputs, BATCH):
            once = settings(max_examples=min(BATCH, inputs), database=None, phases=[Phase.generate],
                            suppress_health_check=list(HealthCheck))  # fmt: skip
            seed(number)(once(given(broken(target))(read)))()


@contextmanager
def bounded():
    """Bounds on address space and time; what readers log and warn of is silent."""

    def too_slow(signal_number, frame):
        raise TooSlow

    old_handler = signal.signal(signal.SIGVTALRM, too_slow)
    old_limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_ROOM, old_limits[1]))
    logging.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
        resource.setrlimit(resource.RLIMIT_AS, old_limits)
        signal.signal(signal.SIGVTALRM, old_handler)


def give_back():
    """Return what is free to the system; a training before may have told glibc to keep it
    (`keep_freed_memory`).
    """
    gc.collect()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def most_mib():
    """The most resident memory since the peak was forgotten; `getrusage` never forgets that of who
    started us.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.parametrize("name", TARGETS)
def test_readers_refuse_broken_files_by_the_houses_own_errors(name, tmp_path):
    fuzz(TARGETS[name](), tmp_path, settings.default.max_examples)


def planted(read):
    """A format whose good sample is "good", with a reader that has a fault."""
    return Target(
        "planted", ".txt", (b"good",), lambda path: path.read_bytes() == b"good" or read(path)
    )


def hang(path):
    end = time.process_time() + 20
    while time.process_time() < end:
        pass


@pytest.mark.parametrize(
    ("fault", "bounds", "error", "word"),
    [
        (lambda path: {}["missing"], {}, KeyError, "missing"),  # a foreign exception
        (hang, {"LONGEST_S": 0.1}, AssertionError, "slow"),
        (lambda path: np.ones(20 << 20).sum(), {"ROOM_MIB": 8}, AssertionError, "memory"),
        (lambda path: bytearray(1 << 36), {}, MemoryError, None),
    ],
)
def test_a_fault_is_found(fault, bounds, error, word, monkeypatch, tmp_path):
    """Once the memory that a training had left free made room for an input."""
    keep_freed_memory()
    freed = [np.ones(2 << 20) for _ in range(20)]
    del freed
    for name, value in bounds.items():
        monkeypatch.setitem(globals(), name, value)
    with pytest.raises(error, match=word):
        fuzz(planted(fault), tmp_path, 3)
