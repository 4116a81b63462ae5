"""Perft counts, restated from public tables (https://www.chessprogramming.org/Perft_Results)."""

from __future__ import annotations

import chess
import pytest

from engine.board.perft import divide, perft

KIWIPETE = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"
COUNTS = [
    (chess.STARTING_FEN, 5, 4_865_609),
    (KIWIPETE, 4, 4_085_603),
    ("8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1", 6, 11_030_083),
    ("r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1", 5, 15_833_292),
    ("rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8", 4, 2_103_487),
    ("r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10", 4, 3_894_594),
]


@pytest.mark.parametrize(("fen", "depth", "leaves"), COUNTS)
def test_perft(fen, depth, leaves):
    assert perft(chess.Board(fen), depth) == leaves


def test_making_every_leaf_counts_the_same():
    assert perft(chess.Board(KIWIPETE), 3, bulk=False) == perft(chess.Board(KIWIPETE), 3) == 97_862


def test_divide_sums_to_perft_and_names_each_root_move():
    board = chess.Board(KIWIPETE)
    counts = divide(board, 3)
    assert sum(counts.values()) == perft(board, 3)
    assert set(counts) == {move.uci() for move in board.legal_moves}
