"""Atomic writing: where the system refuses to rename for a while, and where several processes write
one file.
"""

import errno
import os
from pathlib import Path

import pytest

from engine.files import atomic
from engine.files.atomic import append, aside, atomic_write, remove_left_behind, write_file
from tests.new_process import largest_file, posix


def refusing(count):
    """An `os.replace` that refuses the first renamings."""
    left = iter(range(count))
    usual = os.replace

    def replace(source, target):
        if next(left, None) is not None:
            raise PermissionError(
                13, "The process cannot access the file", str(source), 32, str(target)
            )
        usual(source, target)

    return replace


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(atomic, "_PAUSE_S", 0.0)


@pytest.fixture
def path(tmp_path):
    """A file with old text."""
    path = tmp_path / "a"
    path.write_text("old")
    return path


def test_a_file_that_a_scanner_has_open_for_a_while_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", refusing(3))
    write_file(tmp_path / "a", "new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    order = []
    durable, replace = atomic.make_durable, os.replace
    monkeypatch.setattr(atomic, "make_durable", lambda file: (order.append("sync"), durable(file)))
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("name"), replace(*names)))
    write_file(tmp_path / "a", "new")
    assert order[:2] == ["sync", "name"]


def test_file_that_stays_open_keeps_its_contents(path, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", refusing(1000))
    with pytest.raises(PermissionError), atomic_write(path) as stream:
        stream.write(b"new")
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_two_writers_of_one_file_have_their_own_temporary_files(tmp_path):
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


def test_text_added_after_the_disk_was_full_begins_a_line(tmp_path):
    """The run goes on when measuring it fails; once there was room again, the record of its games
    was damaged.
    """
    append(tmp_path / "a", "one\n")
    with largest_file(6), pytest.raises(OSError, match=r"large.*/a'"):
        append(tmp_path / "a", "two two\n")
    append(tmp_path / "a", "three\n")
    assert (tmp_path / "a").read_text() == "one\nthree\n"
    append(Path(os.devnull), "a game that nobody keeps\n")


def test_text_is_on_the_disk_before_anybody_is_told(tmp_path, monkeypatch):
    synced = []
    path = tmp_path / "a"
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append((os.fstat(file).st_ino, path.stat().st_size))
    )
    for _ in range(2):
        append(path, "line\n")
    folder = [(tmp_path.stat().st_ino, 5)] if os.name == "posix" else []
    assert synced == [(path.stat().st_ino, 5), *folder, (path.stat().st_ino, 10)]


@pytest.mark.parametrize("name", ". .. / folder".split())
def test_a_folder_in_place_of_a_file_is_told(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_file(Path(name), "text")
    assert os.listdir() == ["folder"]


def test_a_read_only_disk_is_told_of_the_file_that_was_meant(tmp_path, monkeypatch):
    def refused(path, *more, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", refused)
    monkeypatch.setattr(atomic, "open", refused, raising=False)
    with pytest.raises(OSError, match=r"/a'"):
        write_file(tmp_path / "a", "text")


# ---- files that are somebody's own ---------------------------------------------------------------


@posix
@pytest.mark.parametrize("is_new", [False, True])
def test_a_file_is_written_through_its_link(tmp_path, is_new):
    """The second save of a game put a file in the place of the link to where the games are."""
    (tmp_path / "far").mkdir()
    if not is_new:
        (tmp_path / "far/games.pgn").write_text("old")
    (tmp_path / "link.pgn").symlink_to("far/games.pgn")
    write_file(tmp_path / "link.pgn", "new")
    assert (tmp_path / "link.pgn").is_symlink()
    assert (tmp_path / "far/games.pgn").read_text() == "new"


@posix
def test_links_in_a_circle_are_told(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        write_file(tmp_path / "a", "new")


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_permissions_stay(path, mode):
    """A private file of games could be read by all after the second save."""
    path.chmod(mode)
    write_file(path, "new")
    assert path.stat().st_mode & 0o777 == mode


@posix
def test_a_private_file_is_private_while_it_is_written(path):
    path.chmod(0o600)
    with atomic_write(path):
        modes = {file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {0o600}


@posix
def test_the_owner_stays(path, monkeypatch):
    owners = []
    monkeypatch.setattr(os, "chown", lambda new, *owner: owners.append(owner))
    write_file(path, "new")
    assert owners == [(-1, path.stat().st_gid), (path.stat().st_uid, -1)]


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="files have no attributes here")
def test_attributes_stay_but_for_one_that_is_refused(path, monkeypatch):
    """The system's own, listed before a person's, had cost all of them."""
    attributes = {}

    def refuse(path, name, value):
        if name == "security.own":
            raise PermissionError
        attributes[name] = value

    monkeypatch.setattr(os, "listxattr", lambda path: ["security.own", "user.from"])
    monkeypatch.setattr(os, "getxattr", lambda path, name: path.read_bytes())
    monkeypatch.setattr(os, "setxattr", refuse)
    write_file(path, "new")
    assert attributes == {"user.from": b"old"}


def test_another_name_of_the_file_keeps_the_old_content(path, tmp_path):
    """Backups of hard links would change with the file."""
    os.link(path, tmp_path / "backup")
    write_file(path, "new")
    assert (tmp_path / "backup").read_text() == "old"


def test_a_file_that_may_not_be_written_is_not_replaced(path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as it is for all but root
    with pytest.raises(PermissionError):
        write_file(path, "new")
    assert path.read_text() == "old"


def test_what_is_left_behind_is_told_by_its_whole_name(tmp_path):
    """An import that waited under the name `.import-1234-games.tmp` was removed, too."""
    aside(tmp_path / "games").touch()
    (own := tmp_path / ".import-1234-games.tmp").touch()
    remove_left_behind(tmp_path)
    assert [*tmp_path.iterdir()] == [own]
