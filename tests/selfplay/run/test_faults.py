"""What goes wrong around a run: full disks, damaged and deleted files, other versions, two
processes at once.
"""

import logging
import os
import re
import sqlite3
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, RunError
from selfplay.records.game import encode_record
from selfplay.records.replay import (
    ReplayWriter,
    part_path,
    published_games,
    published_generations,
    read_segment,
    segment_path,
)
from selfplay.run.config import read_toml
from selfplay.run.fitting import fit, replay_set
from selfplay.run.ledger import Ledger, Phase
from tests.new_process import ROOT, largest_file, running, wait_until
from tests.selfplay.data.test_v6 import STARTS, searched_game
from tests.selfplay.run.crews import (
    TINY_FLAGS,
    assert_same_generation,
    finish_generation,
    never,
    open_run,
)
from tests.selfplay.segments import write_segment

FLAGS = ["--net=16x1", *TINY_FLAGS]


def test_game_that_found_no_room_is_stored_later(straight, tmp_path):
    games = published_games(straight.replay, 1)
    writer = ReplayWriter(tmp_path, 1)
    with (
        largest_file(sum(len(encode_record(game)) for game in games[:3])),
        pytest.raises(OSError, match="large"),
    ):
        list(map(writer.append, games))
    writer.close()
    before = len(writer.games)
    assert 1 <= before < len(games)
    again = ReplayWriter(tmp_path, 1)
    assert sorted(again.games) == [game.number for game in games[:before]]
    list(map(again.append, games))
    again.publish()
    assert [encode_record(game) for game in published_games(tmp_path, 1)] == [
        encode_record(game) for game in games
    ]


@pytest.mark.parametrize(
    ("size", "named"), [(20_000, "ledger.sqlite"), (1_400_000, "gen-00001.npz")]
)
def test_a_full_disk_loses_nothing(size, named, straight, tmp_path, aino_train):
    open_run(tmp_path).close()
    with largest_file(size):
        error = aino_train(f"loop {tmp_path} --generations 1", status=1)
    assert named in error
    aino_train(f"loop {tmp_path} --generations 1")
    assert_same_generation(open_run(tmp_path), straight)


def test_full_disk_at_the_very_beginning(tmp_path, aino_train):
    with largest_file(10):
        error = aino_train("loop", tmp_path, *FLAGS, status=1)
    assert re.search(r"File too large \(.*config\.toml\)\. Finished work is kept", error)
    assert not list(tmp_path.glob("*.toml"))


def flip(path, place):
    """Turn one bit, at a share of the file's length."""
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 4
    path.write_bytes(data)


def wrong_length(path):
    """Of the first record."""
    data = path.read_bytes()
    path.write_bytes(data[:8] + (1 << 20).to_bytes(4, "little") + data[12:])


def add_zeros(path):
    os.truncate(path, path.stat().st_size + 4096)


@pytest.mark.parametrize(
    ("damage", "costs", "added"),
    [
        *((partial(flip, place=place), 1, 0) for place in (0.05, 0.5, 0.97)),
        (wrong_length, 1, 0),
        (add_zeros, 0, 4096),
    ],
)
def test_a_damage_costs_one_game_at_most(damage, costs, added, straight, tmp_path):
    games = published_games(straight.replay, 1)
    path = write_segment(tmp_path, 1, games)
    damage(path)
    records, damaged = read_segment(path)
    lost = {game.number for game in games} - {record.number for record in records}
    assert len(lost) == costs
    assert damaged == added + sum(8 + len(encode_record(games[number])) for number in lost)
    assert all(encode_record(record) == encode_record(games[record.number]) for record in records)


def test_damaged_games_of_a_begun_segment_are_played_again(straight, tmp_path, capsys):
    run = open_run(tmp_path)
    run.ledger.begin_generation(1, "")
    write_segment(run.replay, 1, published_games(straight.replay, 1)).rename(
        part_path(run.replay, 1)
    )
    flip(part_path(run.replay, 1), 0.5)
    finish_generation(run)
    assert "damaged bytes" in capsys.readouterr().out
    assert_same_generation(run, straight)


@pytest.mark.parametrize("damage", [lambda path: flip(path, 0.5), Path.unlink])
def test_damaged_newest_games_are_played_again_before_they_are_fitted(
    damage, straight, generated, capsys
):
    damage(segment_path(generated.replay, 1))
    finish_generation(generated)
    assert "played again" in capsys.readouterr().out
    assert_same_generation(generated, straight)


def test_damaged_older_games_are_left_out_with_a_warning(finished, tmp_path, caplog, aino_train):
    finish_generation(finished, Phase.FIT)
    flip(segment_path(finished.replay, 1), 0.5)
    with caplog.at_level(logging.WARNING):
        assert fit(finished, 2, print, print, never) is not None
    assert "gen-00001.replay" in caplog.text
    assert replay_set(finished, 1).n_games == 5
    assert "11 games" in aino_train(f"export {tmp_path} --pgn {tmp_path}/all.pgn")


def test_segment_without_an_intact_game_is_named(tmp_path):
    run = open_run(tmp_path)
    write_segment(run.replay, 1, [searched_game(np.random.default_rng(1), STARTS[0], 20)[0]])
    flip(segment_path(run.replay, 1), 0.5)
    with pytest.raises(RunError, match=r"gen-00001\.replay: no game in it is intact"):
        replay_set(run, 1)


@pytest.mark.usefixtures("generated")
@pytest.mark.parametrize("loses", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_run_without_its_database_is_refused(tmp_path, aino_train, loses):
    loses(tmp_path / "ledger.sqlite")
    error = aino_train(f"loop {tmp_path} --generations 1", status=1)
    assert "ledger.sqlite is missing or empty" in error
    assert "--initial nets/best.dit" in error


def test_damaged_training_checkpoint_says_that_the_loop_goes_on_without_it(
    straight, generated, tmp_path, aino_train
):
    checkpoint = generated.fit_checkpoint(1)
    checkpoint.write_bytes(b"PK half a checkpoint")
    error = aino_train(f"loop {tmp_path} --generations 1", status=1)
    assert "gen-00001.npz: not a readable checkpoint" in error
    assert "Remove the file and run the same command again; this training then starts over" in error
    checkpoint.unlink()
    aino_train(f"loop {tmp_path} --generations 1")
    assert_same_generation(open_run(tmp_path), straight)


def test_what_a_killed_writer_left_is_cleared(tmp_path):
    open_run(tmp_path).close()
    left = tmp_path / "nets" / ".gen-00001.dit.0000007b.tmp"
    left.write_bytes(b"half a network")
    open_run(tmp_path).close()
    assert not left.exists()


def test_folder_of_another_format_is_refused(tmp_path):
    open_run(tmp_path).close()
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace("format = 4", "format = 5"))
    with pytest.raises(
        ConfigError,
        match=r"config\.toml: made by another version of Aino: expected format 4, found 5",
    ):
        open_run(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_settings_that_notepad_saved_are_read(encoding, tmp_path):
    config = tmp_path / "config.toml"
    config.write_bytes("net = 'sparse-128'\r\nseed = 7\r\n".encode(encoding))
    assert read_toml(config) == {"net": "sparse-128", "seed": 7}


def test_copies_that_other_programs_put_into_a_run_are_left_alone(tmp_path):
    open_run(tmp_path).close()
    for name in (
        "gen-00001 (Jana's conflicted copy).replay",
        "gen-00001 - Copy.replay",
        "._gen-00001.replay",
    ):
        (tmp_path / "replay" / name).write_bytes(b"")
    (tmp_path / "nets" / "gen-00001 (1).dit").write_bytes(b"")
    run = open_run(tmp_path)
    run.remove_old_networks(20)
    run.close()
    assert not published_generations(tmp_path / "replay")
    assert (tmp_path / "nets" / "gen-00001 (1).dit").is_file()


def test_a_run_database_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    error = "made by a later Aino: expected a run database of version 1, found 99"
    with pytest.raises(RunError, match=error):
        Ledger(path)
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(RunError, match="ledger"):
        Ledger(path)


def test_second_loop_is_turned_away(tmp_path, aino_train):
    command = [sys.executable, "-m", "selfplay", "loop", str(tmp_path), *FLAGS]
    flags = "--games.count=16 --workers=1 --generations=1".split()
    with running([*command, *flags], cwd=ROOT) as first:
        wait_until(lambda: part_path(tmp_path / "replay", 1).is_file() or first.poll() is not None)
        assert first.poll() is None  # or the second would play on without end
        assert "another process is working in this folder" in aino_train("loop", tmp_path, status=1)
        assert first.wait(400) == 0
    run = open_run(tmp_path)
    assert run.ledger.current() == (1, Phase.DONE)
    assert len(published_games(run.replay, 1)) == 16
