"""Perft: counts restated from public tables here, the whole suites of the data folder under the
slow marker.

https://www.chessprogramming.org/Perft_Results; Chess960:
https://www.chessprogramming.org/Chess960_Perft_Results
"""

import re

import chess
import pytest

from engine.board.fen import parse_fen
from engine.board.perft import divide, perft
from tests.boards import board_after

KIWIPETE = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"
STANDARD = [
    (chess.STARTING_FEN, 5, 4_865_609),
    (KIWIPETE, 4, 4_085_603),
    ("8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1", 6, 11_030_083),
    ("r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1", 5, 15_833_292),
    ("rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8", 4, 2_103_487),
    ("r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10", 4, 3_894_594),
]
CHESS960 = [
    ("bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w HFhf - 2 9", 5, 8_146_062),
    ("qbbnnrkr/2pp2pp/p7/1p2pp2/8/P3PP2/1PPP1KPP/QBBNNR1R w hf - 0 9", 4, 382_958),
    ("r1k1r2q/p1ppp1pp/8/8/8/8/P1PPP1PP/R1K1R2Q w KQkq - 0 1", 4, 285_754),
    ("8/8/8/4B2b/6nN/8/5P2/2R1K2k w Q - 0 1", 4, 118_388),
    ("2r5/8/8/8/8/8/6PP/k2KR3 w K - 0 1", 4, 57_700),
    ("4r3/3k4/8/8/8/8/6PP/qR1K1R2 w KQ - 0 1", 4, 405_636),
    # the kings started on different files
    ("r2r3k/p7/3p4/8/8/P6P/8/R3K2R b KQq - 0 1", 5, 1_320_962),
]
TRICKY = [
    ("r2q1rk1/pP1p2pp/Q4n2/bbp1p3/Np6/1B3NBn/pPPP1PPP/R3K2R b KQ - 0 1", 3, 9_467),
    ("8/ppp3p1/8/8/3p4/5Q2/1ppp2K1/brk4n w - - 0 1", 4, 134_167),
    ("8/6kR/8/8/8/bq6/1rqqqqqq/K1nqnbrq b - - 0 1", 4, 50_268),
    # from here on: checks that no game leads to
    ("3R4/8/q4k2/2B5/1NK5/3b4/8/8 w - - 0 1", 3, 2_854),
    ("8/8/8/1k6/3Pp3/8/8/4KQ2 b - d3 0 1", 3, 711),
    ("1b1k4/8/8/1rPpK3/8/8/8/8 w - d6 0 1", 3, 555),
    ("rnbqk1nr/bb3p1p/1q2r3/2pPp3/3P4/7P/1PP1NpPP/R1BQKBNR w KQkq c6 0 1", 3, 2_528),
]


@pytest.mark.parametrize(("fen", "depth", "leaves"), STANDARD + TRICKY)
def test_perft_of_standard_chess(fen, depth, leaves):
    assert perft(parse_fen(fen), depth) == leaves


@pytest.mark.parametrize(("fen", "depth", "leaves"), STANDARD[:2] + CHESS960)
def test_perft_of_chess960(fen, depth, leaves):
    assert perft(parse_fen(fen, chess960=True), depth) == leaves


def test_perft_of_no_plies_is_the_position_itself():
    assert perft(chess.Board(), 0) == perft(chess.Board(), 0, bulk=False) == 1


@pytest.mark.parametrize("bulk", [False, True])
def test_making_every_leaf_counts_the_same(bulk):
    assert perft(chess.Board(KIWIPETE), 3, bulk) == 97_862


def test_divide_names_each_root_move_with_its_count():
    found = divide(chess.Board(), 3)
    assert found == {
        move.uci(): perft(board_after([move.uci()]), 2) for move in chess.Board().legal_moves
    }


@pytest.mark.parametrize(
    ("chess960", "castling"), [(False, {"e1g1", "e1c1"}), (True, {"e1h1", "e1a1"})]
)
def test_divide_writes_castling_as_the_variant_does(chess960, castling):
    counts = divide(parse_fen(KIWIPETE, chess960), 2)
    assert castling <= set(counts)
    assert sum(counts.values()) == 2_039


# ---- the whole suites ----------------------------------------------------------------------------


def read_suite(path):
    """Positions with their number of leaves by depth.

    Lines `FEN ;D1 20 ;D2 400 ...`, or `epd FEN` and below it lines `perft 1 20`. Castling is read
    as Chess960, which standard castling is a case of.
    """
    text = re.sub(r"\nperft (\d+) (\d+)", r" ;D\1 \2", path.read_text(encoding="ascii"))
    for fen, counts in re.findall(r"(?m)^(?:epd )?([^;\n]+?) *((?:;D\d+ \d+ *)+)$", text):
        pairs = re.findall(r"D(\d+) (\d+)", counts)
        yield (
            parse_fen(fen, path.name != "standard.epd"),
            {int(depth): int(count) for depth, count in pairs},
        )


OVERLONG = [pytest.mark.overlong, pytest.mark.timeout(3600)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "depth", "every"),
    [
        ("standard.epd", 6, 8),
        ("chess960.epd", 5, 12),
        ("tricky.perft", 99, 1),
        pytest.param("standard.epd", 6, 1, marks=OVERLONG),
        pytest.param("chess960.epd", 5, 1, marks=OVERLONG),
    ],
)
def test_suite(test_data, name, depth, every):
    """All positions below `depth`, and each so many-th at it; a mismatch is shown divided."""
    positions = list(read_suite(test_data / "perft" / name))
    assert len(positions) >= 19
    for number, (board, counts) in enumerate(positions):
        for ply in sorted(ply for ply in counts if ply < depth + (number % every == 0)):
            leaves = perft(board, ply)
            assert leaves == counts[ply], (
                f"{board.fen()}, depth {ply}: {leaves} of {divide(board, ply)}"
            )
