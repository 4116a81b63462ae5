"""Where files go: places that take none, who may read what was written, names in archives that
point elsewhere.
"""

import errno
import os
import stat
from contextlib import nullcontext
from pathlib import Path

import pytest

from engine.files.atomic import atomic_write, sync_folder
from engine.native import jit
from selfplay.main import main as aino_train
from tests.protocol.aino_process import ROOT


def test_a_run_whose_folder_cannot_be_made_is_told_in_one_line(capsys):
    assert aino_train(["loop", "/dev/null/run", "--generations", "1"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("aino-train loop: ")
    assert "/dev/null" in line


# ---- links and folders that a file is written through --------------------------------------------


def test_a_file_is_not_written_through_a_planted_link(tmp_path, monkeypatch):
    (tmp_path / "precious").write_text("old")
    monkeypatch.setattr(os, "urandom", bytes)  # as if somebody had guessed the name
    (tmp_path / ".net.dit.00000000.tmp").symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError), atomic_write(tmp_path / "net.dit") as stream:
        stream.write(b"new")
    assert (tmp_path / "precious").read_text() == "old"


@pytest.mark.parametrize("command", [("report",), ("export", "--pgn", "games.pgn")])
def test_links_in_a_circle_are_no_run(command, tmp_path, monkeypatch, capsys):
    """The command ended with Python's RuntimeError."""
    monkeypatch.chdir(tmp_path)
    circle = Path("circle")
    circle.symlink_to(circle)
    name, *options = command
    assert aino_train([name, str(circle), *options]) == 1
    assert capsys.readouterr().err.startswith(f"aino-train {name}: circle")


def test_links_are_followed_by_one_function():
    """`Path.resolve` raises RuntimeError for links in a circle, in four modules."""
    paths = [path for room in ("engine", "selfplay", "uci") for path in (ROOT / room).rglob("*.py")]
    texts = [path.read_text().replace("Path(__file__).resolve()", "") for path in paths]
    assert ".resolve()" not in "".join(texts)


@pytest.mark.skipif(os.name != "posix", reason="folders are not synchronised here")
@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        (errno.EINVAL, nullcontext()),
        (errno.ENOTSUP, nullcontext()),
        (errno.EIO, pytest.raises(OSError, match=os.strerror(errno.EIO))),
    ],
)
def test_a_file_system_that_cannot_synchronise_folders_takes_files(
    code, refusal, tmp_path, monkeypatch
):
    def fsync(folder):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)
    with refusal:
        sync_folder(tmp_path)


# ---- who may read what was written ---------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="files have no such permissions here")
def test_a_new_file_has_the_users_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "net.dit"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "net.dit").stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="folders have no such permissions here")
@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_kernel_cache_that_others_may_write_is_not_used(mode, tmp_path, monkeypatch):
    monkeypatch.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = Path(jit._temporary_folder())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(mode)
    assert jit._temporary_folder() is None
    folder.rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)
    assert jit._temporary_folder() is None
