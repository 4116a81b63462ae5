"""Every field of a self-play record is stored: none comes back as another value."""

from dataclasses import fields, replace

import chess
import numpy as np
import pytest

from engine.board.convert import encode_move, row_from_board
from engine.errors import DataError
from selfplay.records.endings import Ending
from selfplay.records.game import SelfPlayRecord, decode_record, encode_record, training_game
from selfplay.records.positions import UNKNOWN_SCORE

START = chess.Board("4k3/8/8/8/8/8/4P3/4K2R w K - 3 9")
MOVES = [encode_move(START, chess.Move.from_uci(name)) for name in ("e2e4", "e1g1")]
RECORD = SelfPlayRecord(
    generation=7,
    number=123_456,
    white_points=-1,
    ending=Ending.RESIGNATION,
    start=row_from_board(START),
    moves=np.array(MOVES[:1], np.uint16),
    full=np.array([True]),
    target_counts=np.array([2], np.uint8),
    target_moves=np.array(MOVES, np.uint16),
    target_visits=np.array([41_000, 3], np.uint16),
    root_wdl=np.array([[0.25, 0.5, 0.25]], np.float16),
    target_scores=np.array([-300, 12], np.int16),
    played_through=True,
    gave_up=-1,
)
NAMES = [field.name for field in fields(SelfPlayRecord)]


@pytest.mark.parametrize("name", NAMES)
def test_a_field_comes_back_as_it_was_stored(name):
    back = getattr(decode_record(encode_record(RECORD)), name)
    np.testing.assert_array_equal(back, getattr(RECORD, name))


def test_a_record_without_scores_has_none():
    assert decode_record(encode_record(replace(RECORD, target_scores=None))).target_scores is None


@pytest.mark.parametrize("value", [60_000, -1, 1.1, np.nan])
def test_a_root_value_that_is_no_chance_is_refused(value):
    """60,000 reached the learner."""
    wrong = replace(RECORD, root_wdl=np.array([[0.25, value, 0.25]], np.float16))
    with pytest.raises(DataError, match="a root value"):
        decode_record(encode_record(wrong))


@pytest.mark.parametrize(
    "field",
    [
        {"gave_up": 5},
        {"number": -1},
        {"generation": 1 << 32},
        {"white_points": 300},  # which has no room
        {"white_points": 3},
    ],
)
def test_a_value_that_no_game_has_is_refused(field):
    """A bare ValueError or struct.error came."""
    with pytest.raises(DataError):
        decode_record(encode_record(replace(RECORD, **field)))


@pytest.mark.parametrize("scores", [None, RECORD.target_scores])
def test_scores_of_training_are_of_two_bytes(scores):
    """Where a game has none they were of eight."""
    game = training_game(replace(RECORD, target_scores=scores), 0.5)
    assert game.target_scores.dtype == np.int16
    assert (game.target_scores == (UNKNOWN_SCORE if scores is None else scores)).all()
