"""No position that a network is scored on was trained on, whichever source it comes from.

Positions in 32 bytes: there and back, and nothing unreachable comes back.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from engine.board.convert import board_from_row, row_from_board
from engine.board.fen import check_playable, parse_fen
from engine.board.layout import DOUBLE_PUSH, EN_PASSANT, FULLMOVE, MAX_MOVES, ROW_WORDS
from engine.board.movegen import generate
from engine.native.jit import kernel
from selfplay.data.label_rows import LabelRows
from selfplay.data.split import (
    Split,
    game_keys,
    held_out_games,
    limit_for,
    position_keys,
    roots_of,
    unseen,
    without_held_out,
)
from selfplay.families.policy.sparse_sampler import LabelSampler, new_sparse_batch
from selfplay.records.label_folder import LabelFolder, fields_of, keys_of_rows
from selfplay.records.packed import pack_row, unpack_row
from selfplay.records.positions import PositionSet
from selfplay.run.config import default_config
from selfplay.training.source_files import Source, SourceFiles, load_training_data
from tests.selfplay.conftest import games_of
from tests.selfplay.teachers.nets import random_positions


@kernel()
def pack_rows(rows, packed):
    for i in range(len(rows)):
        pack_row(
            rows[i],
            np.int64(i % 4001 - 2000),
            np.int64(i),
            np.int64(i % 256),
            np.int64(i % 256),
            packed[i],
        )


@kernel()
def unpack_rows(packed, rows, good):
    for i in range(len(packed)):
        good[i] = unpack_row(packed[i], rows[i])


def unpacked(packed):
    rows, good = np.zeros((len(packed), ROW_WORDS), np.uint64), np.zeros(len(packed), np.bool_)
    unpack_rows(packed, rows, good)
    return rows, good


def packed_rows(rows):
    packed = np.zeros((len(rows), 4), np.uint64)
    pack_rows(rows, packed)
    return packed


def test_packed_positions_come_back_whole():
    rows = np.concatenate([random_positions(3000, 1), random_positions(3000, 2, chess960=True)])
    assert rows[:, EN_PASSANT].any()
    rows[:, FULLMOVE], rows[:, DOUBLE_PUSH] = 1, rows[:, EN_PASSANT]
    packed = packed_rows(rows)
    packed[:, 3] |= np.uint64(7 << 61 | 7 << 45)  # spare bits
    back, good = unpacked(packed)
    assert good.all()
    assert_array_equal(back, rows)


def test_facts_beside_a_packed_position_come_back():
    fields = fields_of(packed_rows(random_positions(500, 3)))
    numbers = np.arange(500)
    expected = {"score": numbers - 2000, "root": numbers, "plies_left": numbers % 256}
    for name, values in (expected | {"kind": numbers % 256}).items():
        assert_array_equal(fields[name], values, err_msg=name)


def test_positions_that_no_game_reaches_are_refused():
    row = row_from_board(parse_fen("r3k2r/8/8/3pP3/8/8/8/R3K2R w KQkq d6 0 1"))
    whole = packed_rows(row[None])
    damages = {
        "33 pieces": (0, 0x1FFFFFFFF),
        "an unknown piece": (1, 0xF),
        "no piece where one is": (0, 1),
        "en passant on an empty file": (3, 6 << 41),
        "en passant on file 9": (3, 9 << 41),
    }
    assert unpacked(whole)[1].all()
    for name, (word, value) in damages.items():
        damaged = whole.copy()
        damaged[0, word] = value
        assert not unpacked(damaged)[1].any(), name


def test_whatever_comes_back_from_random_bits_can_be_played():
    rng = np.random.default_rng(5)
    packed = np.repeat(packed_rows(random_positions(2000, 7)), 50, axis=0)
    flips = np.uint64(1) << rng.integers(0, 64, packed.shape).astype(np.uint64)
    packed ^= np.where(rng.random(packed.shape) < 0.4, flips, np.uint64(0))
    rows, good = unpacked(packed)
    assert 0.05 < good.mean() < 0.95
    legal = np.zeros(MAX_MOVES, np.uint16)
    for row in rows[good][:3000]:
        check_playable(board_from_row(row, chess960=True))
        assert generate(row, legal) <= MAX_MOVES


SHARE = 0.25


def trained_rows(labels):
    """The rows that teach something."""
    count = labels.n_usable
    batch = new_sparse_batch(count)
    LabelSampler(labels).fill(np.arange(count), np.full(count, -1), batch)
    return np.ascontiguousarray(labels.rows[batch.wdl.any(axis=1)])


@pytest.fixture
def data(tmp_path, games_file, aino_train, material_net_file):
    """Labelled games, and labels sampled around them."""
    folder = tmp_path / "labels"
    line = f"teach --teacher {material_net_file} --data {games_file} --out {folder}"
    aino_train(
        line,
        "--count 6000 --chunk-rows 3000 --filter-mib 1 --mixture games=1 siblings=1 detours=0.2",
    )
    files = SourceFiles((Source(games_file), Source(folder)), heldout_share=SHARE)
    return load_training_data(files, None, print)


def test_labels_around_held_out_games_teach_nothing(data):
    assert isinstance(data.heldout, PositionSet)
    roots = roots_of(game_keys(data.heldout))
    scored = position_keys(data.heldout)[data.heldout.usable]
    assert data.heldout.n_games >= 2
    assert len(scored) > 40
    labels = [part for part in data.sets if isinstance(part, LabelRows)]
    assert len(labels) == 2
    for part in labels:
        assert np.isin(fields_of(part.rows)["root"], roots).mean() > SHARE / 2
        rows = trained_rows(part)
        assert len(rows) > len(part.rows) / 4
        assert not np.isin(fields_of(rows)["root"], roots).any()
        assert not np.isin(keys_of_rows(rows, ""), scored).any()


def test_a_position_of_two_roots_is_on_one_side(data):
    labels = next(part for part in data.sets if isinstance(part, LabelRows))
    rows = np.array(labels.rows)
    fields_of(rows)["root"] = 2**16 - 1  # all sampled from games that are not held out
    assert np.isin(keys_of_rows(rows, ""), labels.split.keys).any()
    trained = trained_rows(LabelRows("labels", rows, split=labels.split))
    assert len(trained) > len(rows) / 2
    assert not np.isin(keys_of_rows(trained, ""), labels.split.keys).any()


def test_positions_that_training_games_contain_are_not_scored(positions):
    limit = limit_for([positions], SHARE)
    training = without_held_out(positions, limit)
    heldout, split = unseen(held_out_games(positions, limit), [training], limit)
    scored = position_keys(heldout)[heldout.usable]
    first = position_keys(heldout)[heldout.game_first[:-1]]
    assert not np.isin(first, scored).any()  # every game has the start position
    assert not np.isin(scored, position_keys(training)[training.usable]).any()
    assert_array_equal(np.unique(scored), split.keys)


def test_a_larger_share_holds_out_the_games_of_a_smaller_one(positions):
    few, many = (
        set(game_keys(held_out_games(positions, limit_for([positions], share))).tolist())
        for share in (0.01, 0.5)
    )
    assert len(few) == 1
    assert few < many


def test_every_training_holds_out_the_same_games():
    """`loop` scored on games that `pretrain` learned from."""
    shares = {default_config(net).fit.heldout_share for net in ("16x1", "sparse-128")}
    assert shares == {SourceFiles().heldout_share}


def test_a_single_game_is_trained_on(positions):
    game = games_of(positions, 0, 1)
    limit = limit_for([game], 0.9)
    assert without_held_out(game, limit).usable.all()
    assert held_out_games(game, limit).n_games == 0


def test_label_rows_alone_are_split(tmp_path, games_file, aino_train, material_net_file):
    folder = tmp_path / "labels"
    line = f"teach --teacher {material_net_file} --data {games_file} --out {folder}"
    aino_train(line, "--count 3000 --chunk-rows 3000 --filter-mib 1 --mixture detours=1")
    data = load_training_data(SourceFiles((Source(folder),), heldout_share=SHARE), None, print)
    trained = data.sets[0]
    assert isinstance(data.heldout, LabelRows)
    assert isinstance(trained, LabelRows)
    assert 100 < data.heldout.n_usable < 2900
    assert not np.isin(
        keys_of_rows(trained_rows(trained), ""), keys_of_rows(data.heldout.rows, "")
    ).any()
    assert len(LabelFolder(folder).values) == trained.n_usable
    assert trained.split != Split()
