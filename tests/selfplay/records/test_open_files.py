"""As on Windows: no file that is open or mapped is renamed, replaced or removed."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from engine.cli.live_lines import shell_word
from engine.files.atomic import write_file
from engine.nn import dit
from engine.nn.training.checkpoint import write_checkpoint
from selfplay.data import cache
from selfplay.data.cache import load_or_parse
from selfplay.data.pgn import pgn_reader
from selfplay.families.by_name import family_of
from selfplay.records.replay import ReplayWriter, reopen_segment
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import Ledger
from tests.new_process import linux
from tests.selfplay.run.crews import TINY

pytestmark = linux  # which alone tells


def is_held(path):
    """Whether this process has a file, or one in a folder, open or mapped."""
    place = os.path.realpath(path)
    names = [line.partition("/")[2] for line in Path("/proc/self/maps").read_text().splitlines()]
    held = [f"/{name}" for name in names if name]
    for number in os.listdir("/proc/self/fd"):
        try:
            held.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:  # of the list itself
            continue
    return any(one == place or one.startswith(place + os.sep) for one in held)


@pytest.fixture(autouse=True)
def windows(monkeypatch):
    """Refusals of renames and removals that Windows refuses."""

    def refusing(call):
        def checked(*places, **keywords):
            for place in places:
                if isinstance(place, str | Path) and is_held(place):
                    raise PermissionError(13, "another process uses this file", str(place))
            return call(*places, **keywords)

        return checked

    for name in ("replace", "rename", "unlink", "remove"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))


def test_the_pretence_refuses_what_is_open(tmp_path):
    (tmp_path / "file").write_text("text")
    with open(tmp_path / "file"), pytest.raises(PermissionError):
        os.replace(tmp_path / "file", tmp_path / "other")
    write_file(tmp_path / "file", "anew")


def test_files_that_are_written_again_are_not_open(tmp_path):
    model = family_of("16x1").build(np.random.default_rng(1))
    for number in range(2):
        write_checkpoint(tmp_path / "run.npz", {"a": np.zeros(3)}, {"number": number})
        dit.save(tmp_path / "net.dit", model, {"number": number})
        dit.load(tmp_path / "net.dit")


def test_a_segment_is_published_once_it_is_closed(tmp_path):
    for _again in range(2):
        ReplayWriter(tmp_path, 1).publish()
        reopen_segment(tmp_path, 1)


def test_a_run_replaces_networks_that_it_has_loaded(tmp_path):
    with closing(RunFolder(tmp_path, {**TINY, "keep_nets": 1})) as run:
        run.ensure_first_network()
        for number in (1, 2):
            shutil.copy(run.candidate(0), run.candidate(number))
            run.load(run.candidate(number))
            run.promote(number)
        run.remove_old_networks(2)
        assert not Ledger(tmp_path / "ledger.sqlite", is_copy=True).gates()


def test_a_damaged_cache_is_replaced(tmp_path, games_file, monkeypatch):
    """So it stayed, and every later training failed."""
    monkeypatch.setattr(cache, "LARGEST_READ", 0)
    load_or_parse(games_file, pgn_reader(), tmp_path / "cache")
    (entry,) = (one for one in (tmp_path / "cache").iterdir() if not one.name.startswith("."))
    (entry / "wdl.npy").write_bytes(b"damaged")
    assert load_or_parse(games_file, pgn_reader(), tmp_path / "cache").n_games


@pytest.mark.parametrize(("windows_", "word"), [(False, "'my net.dit'"), (True, '"my net.dit"')])
def test_a_command_to_copy_is_quoted_as_its_shell_reads(windows_, word):
    assert shell_word(Path("my net.dit"), windows_) == word
