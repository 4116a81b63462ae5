"""Atomic writing: where the system refuses to rename for a while, and where several processes write one file."""

import os
from pathlib import Path

import pytest

from engine.files import atomic
from engine.files.atomic import atomic_write


class Refusals:
    """Stands in for `os.replace` and refuses the first renamings to a target of that name."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.left, self.usual = name, count, os.replace

    def __call__(self, source: Path, target: Path) -> None:
        if self.left and Path(target).name == self.name:
            self.left -= 1
            raise PermissionError(13, "The process cannot access the file", str(source), 32, str(target))
        self.usual(source, target)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_PAUSE_S", 0.0)


def test_file_that_a_scanner_had_open_could_not_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", Refusals("a", 3))
    with atomic_write(tmp_path / "a") as stream:
        stream.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_file_that_stays_open_keeps_its_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", Refusals("a", 1000))
    with pytest.raises(PermissionError), atomic_write(tmp_path / "a") as stream:
        stream.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_processes_of_two_containers_wrote_through_one_temporary_file(tmp_path: Path) -> None:
    """Both have the process id 1. The second took the first one's file away, which then renamed half of the other."""
    with atomic_write(tmp_path / "a") as first:
        first.write(b"one")
        with atomic_write(tmp_path / "a") as second:
            second.write(b"two")
        assert (tmp_path / "a").read_bytes() == b"two"
    assert (tmp_path / "a").read_bytes() == b"one"
    assert len(list(tmp_path.iterdir())) == 1
