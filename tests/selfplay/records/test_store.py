"""Position sets on disk: written in pieces, mapped, complete or not there at all."""

import shutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import DataError
from selfplay.data.cache import map_set, write_set
from selfplay.records.collect import GAMES_PER_CHUNK, verified_pieces
from selfplay.records.positions import empty_set
from tests.selfplay.conftest import assert_same, games_of


def test_pieces_become_one_set(positions, tmp_path):
    write_set(
        tmp_path / "set",
        [games_of(positions, 0, 5), empty_set(), games_of(positions, 5, positions.n_games)],
    )
    assert_same(vars(map_set(tmp_path / "set")), vars(positions))
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    write_set(tmp_path / "none", [])
    assert_same(vars(map_set(tmp_path / "none")), vars(empty_set()))


def test_interrupted_writing_leaves_nothing(positions, tmp_path):
    broken = replace(games_of(positions, 0, 5), wdl=np.array(["no number"]))
    with pytest.raises(ValueError, match="no number"):
        write_set(tmp_path / "set", [broken])
    assert not list(tmp_path.iterdir())


def test_damaged_sets_are_refused(positions, tmp_path):
    folder = tmp_path / "set"
    with pytest.raises(DataError, match="set"):
        map_set(folder)
    for name, change in {
        "moves.npy": lambda data: data[:-2],
        "game_first.npy": lambda data: data[:-8] + b"\x01" * 8,
    }.items():  # fmt: skip
        write_set(folder, [positions])
        path = folder / name
        path.write_bytes(change(path.read_bytes()))
        with pytest.raises(DataError, match="set"):
            map_set(folder)
        shutil.rmtree(folder)


@pytest.mark.usefixtures("few_files")
def test_writing_holds_one_piece_in_memory(positions, tmp_path):
    size = 10 * sum(array.nbytes for array in vars(positions).values())
    write_set(tmp_path / "piece", [positions] * 10)  # imports and first calls, too
    tracemalloc.start()
    write_set(tmp_path / "set", [tmp_path / "piece"] * 60)
    mapped = map_set(tmp_path / "set")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert mapped.n_positions == 600 * positions.n_positions
    assert peak < 20 * size


def test_records_are_verified_piece_by_piece(scored_games):
    record = scored_games[0]
    n_read = 0

    def records():
        nonlocal n_read
        for _ in range(GAMES_PER_CHUNK + 3):
            n_read += 1
            yield record

    pieces = verified_pieces(records(), 0.0)
    assert next(pieces)[0].n_games == GAMES_PER_CHUNK == n_read
    assert next(pieces)[0].n_games == 3
