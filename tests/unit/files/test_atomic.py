"""Atomic writing: where the system refuses to rename for a while, and where several processes write
one file.
"""

import errno
import os
from pathlib import Path

import pytest

from engine.files import atomic
from engine.files.atomic import append, atomic_write, write_file
from tests.new_process import largest_file


class Refusals:
    """Stands in for `os.replace` and refuses the first renamings to a target of that name."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.left, self.usual = name, count, os.replace

    def __call__(self, source: Path, target: Path) -> None:
        if self.left and Path(target).name == self.name:
            self.left -= 1
            raise PermissionError(
                13, "The process cannot access the file", str(source), 32, str(target)
            )
        self.usual(source, target)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_PAUSE_S", 0.0)


def test_file_that_a_scanner_had_open_could_not_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", Refusals("a", 3))
    write_file(tmp_path / "a", "new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_file_that_stays_open_keeps_its_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", Refusals("a", 1000))
    with pytest.raises(PermissionError), atomic_write(tmp_path / "a") as stream:
        stream.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_processes_of_two_containers_wrote_through_one_temporary_file(tmp_path: Path) -> None:
    """Both have the process id 1. The second took the first one's file away, which then renamed
    half of the other.
    """
    with atomic_write(tmp_path / "a") as first:
        first.write(b"one")
        with atomic_write(tmp_path / "a") as second:
            second.write(b"two")
        assert (tmp_path / "a").read_bytes() == b"two"
    assert (tmp_path / "a").read_bytes() == b"one"
    assert len(list(tmp_path.iterdir())) == 1


def test_text_added_after_the_disk_was_full_continued_half_a_line(tmp_path: Path) -> None:
    """The run goes on when measuring it fails; once there was room again, the record of its games
    was damaged.
    """
    append(tmp_path / "a", "one\n")
    with largest_file(6), pytest.raises(OSError, match=r"large.*/a'"):
        append(tmp_path / "a", "two two\n")
    append(tmp_path / "a", "three\n")
    assert (tmp_path / "a").read_text() == "one\nthree\n"
    append(Path(os.devnull), "a game that nobody keeps\n")


def test_text_is_on_the_disk_before_anybody_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, path = list[tuple[int, int]](), tmp_path / "a"
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append((os.fstat(file).st_ino, path.stat().st_size))
    )
    for _ in range(2):
        append(path, "line\n")
    folder = [(tmp_path.stat().st_ino, 5)] if os.name == "posix" else []
    assert synced == [(path.stat().st_ino, 5), *folder, (path.stat().st_ino, 10)]


@pytest.mark.parametrize("name", [".", "..", "/", "folder"])
def test_a_folder_in_place_of_a_file_is_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_file(Path(name), "text")
    assert os.listdir() == ["folder"]


def test_a_read_only_disk_named_the_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, *more: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", refused)
    monkeypatch.setattr(atomic, "open", refused, raising=False)
    with pytest.raises(OSError, match=r"/a'"):
        write_file(tmp_path / "a", "text")
