"""Positions in 32 bytes: there and back, and nothing unreachable comes back."""

import numpy as np

from engine.board.convert import board_from_row, row_from_board
from engine.board.fen import check_playable, parse_fen
from engine.board.layout import DOUBLE_PUSH, EN_PASSANT, FULLMOVE, MAX_MOVES, ROW_WORDS
from engine.board.movegen import generate
from engine.native.jit import kernel
from selfplay.records.label_folder import fields_of
from selfplay.records.packed import pack_row, unpack_row
from tests.selfplay.teachers.nets import random_positions


@kernel()
def pack_rows(rows, packed):
    for i in range(len(rows)):
        pack_row(rows[i], np.int64(i % 4001 - 2000), np.int64(i), np.int64(i % 256), np.int64(i % 256), packed[i])


@kernel()
def unpack_rows(packed, rows, good):
    for i in range(len(packed)):
        good[i] = unpack_row(packed[i], rows[i])


def unpacked(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, good = np.zeros((len(packed), ROW_WORDS), np.uint64), np.zeros(len(packed), np.bool_)
    unpack_rows(packed, rows, good)
    return rows, good


def packed_rows(rows: np.ndarray) -> np.ndarray:
    packed = np.zeros((len(rows), 4), np.uint64)
    pack_rows(rows, packed)
    return packed


def test_positions_and_labels_come_back_whole_whatever_the_spare_bits() -> None:
    rows = np.concatenate([random_positions(3000, 1), random_positions(3000, 2, chess960=True)])
    assert rows[:, EN_PASSANT].any()
    rows[:, FULLMOVE], rows[:, DOUBLE_PUSH] = 1, rows[:, EN_PASSANT]
    back, good = unpacked(packed_rows(rows))
    assert good.all()
    np.testing.assert_array_equal(back, rows)
    rows = random_positions(500, 3)
    fields = fields_of(packed_rows(rows))
    numbers = np.arange(500)
    np.testing.assert_array_equal(fields["score"], numbers - 2000)
    np.testing.assert_array_equal(fields["root"], numbers)
    np.testing.assert_array_equal(fields["plies_left"], numbers % 256)
    np.testing.assert_array_equal(fields["kind"], numbers % 256)
    packed = packed_rows(random_positions(500, 6))
    plain, _ = unpacked(packed)
    packed[:, 3] |= np.uint64(7 << 61 | 7 << 45)
    back, good = unpacked(packed)
    assert good.all()
    np.testing.assert_array_equal(back, plain)


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
