"""A hundred and more broken files for every reader, and that the fuzzer sees what it looks for."""

import random
import time
from pathlib import Path

import numpy as np
import pytest

from engine.errors import DataError
from engine.native.memory import keep_freed_memory
from tests.hardening import fuzz as fuzzer
from tests.hardening.target import Target
from tests.hardening.targets import TARGETS

INPUTS = 150


@pytest.mark.parametrize("name", TARGETS)
def test_broken_files_are_refused_by_the_houses_own_errors(name: str) -> None:
    report = fuzzer.fuzz(TARGETS[name](), INPUTS, seed=2)
    assert not report.findings
    assert report.accepted + report.refused == INPUTS


def planted(read) -> Target:
    """A format whose good sample is "good", with a reader that has a fault."""

    def reader(path: Path) -> None:
        if path.read_bytes() != b"good":
            read(path)

    return Target("planted", ".txt", (b"good",), reader)


def refuse(path: Path) -> None:
    raise DataError(str(path))


def hang(path: Path) -> None:
    end = time.process_time() + 20
    while time.process_time() < end:
        pass


@pytest.mark.parametrize(
    ("fault", "bounds", "finding"),
    [
        (lambda path: {}["missing"], {}, "KeyError"),
        (hang, {"LONGEST_S": 0.1}, "slow"),
        (lambda path: np.ones(20 << 20).sum(), {"ROOM_MIB": 8}, "memory"),
        (lambda path: bytearray(1 << 36), {}, "MemoryError"),  # an absurd allocation fails at once
    ],
    ids=["a foreign exception", "a hang", "memory eaten", "an absurd allocation"],
)
def test_a_fault_is_found(fault, bounds, finding, monkeypatch):
    for name, value in bounds.items():
        monkeypatch.setattr(fuzzer, name, value)
    assert list(fuzzer.fuzz(planted(fault), 3, seed=1).findings) == [f"{finding} at ?"]


def test_memory_that_a_training_left_free_made_room_for_an_input(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_freed_memory()
    freed = [np.ones(2 << 20) for _ in range(20)]
    del freed
    monkeypatch.setattr(fuzzer, "ROOM_MIB", 8)
    assert fuzzer.fuzz(planted(lambda path: np.ones(20 << 20).sum()), 3, seed=1).findings


def test_the_same_seed_makes_the_same_input() -> None:
    target = TARGETS["epd"]()
    first, again, other = (fuzzer.make_input(target, random.Random(seed)) for seed in ("1", "1", "2"))
    assert first == again
    assert first != other


def test_a_reader_that_refuses_a_good_sample_fails_the_check() -> None:
    with pytest.raises(DataError):
        fuzzer.fuzz(Target("planted", ".txt", (b"good",), refuse), 1, seed=1)
