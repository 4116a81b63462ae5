"""As on Windows: no file that is open or mapped is renamed, replaced or removed."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from engine.cli.live_lines import shell_word
from engine.nn import dit
from engine.nn.training.checkpoint import write_checkpoint
from selfplay.data import cache
from selfplay.data.cache import load_or_parse
from selfplay.data.pgn import pgn_reader
from selfplay.families.by_name import family_of
from selfplay.records.replay import ReplayWriter, reopen_segment
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import Ledger
from tests import strict_files
from tests.new_process import linux
from tests.selfplay.run.crews import TINY

pytestmark = linux  # Linux alone tells what is held.


@pytest.fixture(autouse=True)
def windows(monkeypatch):
    """What is mapped counts as open, and is not removed either."""

    def held_files():
        lines = Path("/proc/self/maps").read_text().splitlines()
        return open_files() | {line[line.find("/") :] for line in lines}

    open_files = strict_files.open_files
    monkeypatch.setattr(strict_files, "open_files", held_files)
    for name in ("unlink", "remove"):
        monkeypatch.setattr(os, name, strict_files.strict(getattr(os, name)))


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
    (entry,) = (path for path in (tmp_path / "cache").iterdir() if not path.name.startswith("."))
    (entry / "wdl.npy").write_bytes(b"damaged")
    assert load_or_parse(games_file, pgn_reader(), tmp_path / "cache").n_games


@pytest.mark.parametrize(("windows_", "word"), [(False, "'my net.dit'"), (True, '"my net.dit"')])
def test_a_command_to_copy_is_quoted_as_its_shell_reads(windows_, word):
    assert shell_word(Path("my net.dit"), windows_) == word
