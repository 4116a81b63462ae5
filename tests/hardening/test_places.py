"""Where files go: places that take none, who may read what was written, names in archives that
point elsewhere.
"""

import errno
import os
import stat
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from engine.files.atomic import atomic_write, sync_folder
from engine.native import jit
from engine.nn import dit
from engine.nn.training.checkpoint import write_checkpoint
from selfplay.main import main as aino_train
from selfplay.run.folder import RunFolder
from tests.hardening.net_targets import tiny_config
from tests.hardening.test_full_disk import MATERIAL, PGN
from tests.protocol.aino_process import COMMAND, ROOT, EngineProcess
from uci.main import main as aino

NOWHERE = Path("/proc/nowhere")  # nobody, root neither, can make a file there

no_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="the system has no /proc")


# ---- places that take no files -------------------------------------------------------------------


# The words of a command, in which GAME is a file.
NO_PLACES = {
    "aino explain": ("startpos", "--nodes", 10, *MATERIAL, "--out", NOWHERE),
    "aino net": ("convert", Path("weights/tower-64x6.dit").resolve(), NOWHERE.with_suffix(".pb")),
    "aino-train loop": (NOWHERE, "--generations", 1),
    "aino-train gauntlet": ("--against", 2500, "name=x cmd=aino", "--out", NOWHERE),
    "aino-train pretrain": ("--data", "GAME", "--run", NOWHERE, "--out", NOWHERE, "--minutes", 1),
}


@no_proc
@pytest.mark.parametrize("command", NO_PLACES)
def test_a_command_says_in_one_line_that_it_cannot_write_there(command, tmp_path, capsys):
    program, name = command.split()
    game = tmp_path / "game.pgn"
    game.write_text(PGN)
    words = [str(game if word == "GAME" else word) for word in NO_PLACES[command]]
    assert (aino if program == "aino" else aino_train)([name, *words]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"{command}: ")
    assert NOWHERE.name in told
    assert len(told.splitlines()) == 1


NOBODY = "~nobody-of-that-name"  # a home folder that is none
READ_ONLY = {"HOME": str(NOWHERE), "XDG_CONFIG_HOME": str(NOWHERE)}


@no_proc
@pytest.mark.parametrize(
    ("folders", "options", "told"),
    [
        (READ_ONLY, {"LogFile": "/proc/nowhere/log"}, "cannot write the log file"),
        ({"XDG_CONFIG_HOME": NOBODY, "APPDATA": NOBODY}, {"Evaluator": "auto", "WeightsFile": f"{NOBODY}/net.dit"},
         f"{NOBODY}/net.dit"),
    ],
)  # fmt: skip
def test_an_engine_whose_user_has_no_folders_plays(folders, options, told):
    """The end of its input came with `go`, and on a busy machine the search had said nothing yet."""
    cache = jit.cache_base()
    if cache is None:
        pytest.skip("no kernel cache here")
    places = {**folders, "AINO_CACHE_DIR": str(cache.parent)}
    with EngineProcess([*COMMAND, *MATERIAL], places) as engine:
        engine.send(*(f"setoption name {name} value {value}" for name, value in options.items()))
        told_lines = engine.ready() + engine.go("startpos", "nodes 20")
        engine.close_input()
        assert engine.finish() == (0, "")
    assert told in "\n".join(told_lines)


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
    ("code", "fails"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)]
)
def test_a_file_system_that_cannot_synchronise_folders_takes_files(
    code, fails, tmp_path, monkeypatch
):
    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=os.strerror(code)) if fails else nullcontext():
        sync_folder(tmp_path)


# ---- who may read what was written ---------------------------------------------------------------


@pytest.fixture
def narrow_umask():
    """A umask that leaves the group reading and others nothing."""
    mask = 0o027
    old = os.umask(mask)
    yield mask
    os.umask(old)


@pytest.mark.skipif(os.name != "posix", reason="files have no such permissions here")
def test_files_have_the_users_permissions(tmp_path, narrow_umask):
    dit.save(tmp_path / "net.dit", tiny_config().build(np.random.default_rng(0)))
    write_checkpoint(tmp_path / "a.npz", {"a": np.ones(3)}, {})
    RunFolder(tmp_path / "run", {"net": "16x1"}).close()
    game = tmp_path / "game.pgn"
    game.write_text(PGN)
    assert aino(["annotate", str(game), "--nodes=10", *MATERIAL]) == 0
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert {path.suffix for path in found} >= {".dit", ".npz", ".toml", ".sqlite", ".html", ".pgn"}
    for path, mode in found.items():
        assert mode & narrow_umask == 0, f"{path.name}: {mode:o}"
        assert path.is_dir() or mode == 0o666 & ~narrow_umask, f"{path.name}: {mode:o}"


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
