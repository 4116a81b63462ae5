"""The board against python-chess: fixed seeds as a regression, and what Hypothesis finds; the long
comparison is `--hypothesis-profile long`.
"""

import random

import chess
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.board.board_comparison import (
    GameComparison,
    KeyTable,
    compare_random_game,
    plain_see,
)
from tests.unit.board.board_positions import ODD_FENS, ODD_MAKERS, chess960_start, odd_position


def test_random_games_from_fixed_seeds():
    keys = KeyTable()
    for seed in range(2):
        rng = random.Random(seed)
        compare_random_game(chess.Board(), rng, 120, keys)
        compare_random_game(chess960_start(rng), rng, 120, keys)
        for fen in ODD_FENS:
            compare_random_game(chess.Board(fen), rng, 12, keys)
        for _ in range(60):
            compare_random_game(odd_position(rng), rng, 4, keys)
    assert keys.conflicts() == 0
    assert len(keys) > 750


@settings(max_examples=60)
@given(rng=st.randoms(use_true_random=False), maker=st.sampled_from(ODD_MAKERS))
def test_positions_found_by_hypothesis(rng, maker):
    compare_random_game(odd_position(rng, [maker]), rng, 3, KeyTable(), every_child=True)


@settings(max_examples=15)
@given(rng=st.randoms(use_true_random=False))
def test_chess960_games_found_by_hypothesis(rng):
    compare_random_game(chess960_start(rng), rng, 40, KeyTable())


@pytest.mark.parametrize(
    ("fen", "move", "centipawns"),
    [
        ("4k3/8/8/3p4/8/8/8/3RK3 w - - 0 1", "d1d5", 100),
        ("4k3/8/4p3/3p4/8/8/8/3RK3 w - - 0 1", "d1d5", 100 - 500),
        (
            "3rk3/8/4p3/3p4/8/8/3R4/3RK3 w - - 0 1",
            "d2d5",
            100 - 500 + 0,
        ),  # the second rook would only lose more
        ("1k1r4/1pp4p/p7/4p3/8/P5P1/1PP4P/2K1R3 w - - 0 1", "e1e5", 100),
        ("1k1r3q/1ppn3p/p4b2/4p3/8/P2N2P1/1PP1R1BP/2K1Q3 w - - 0 1", "d3e5", 100 - 320),
        ("8/3k4/8/2pP4/8/8/8/3K4 w - c6 0 1", "d5c6", 100 - 100),
        ("2b1k3/1P6/8/8/8/8/8/4K3 w - - 0 1", "b7c8q", 330 + 950 - 100),
    ],
)
def test_known_exchanges(fen, move, centipawns):
    board = chess.Board(fen)
    assert plain_see(board, board.parse_uci(move)) == centipawns
    GameComparison(board, 1, KeyTable()).check()
