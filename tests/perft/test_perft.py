"""Perft: counts restated from public tables in the files beside this one, the whole suites of the
data folder under the slow marker.

https://www.chessprogramming.org/Perft_Results; Chess960:
https://www.chessprogramming.org/Chess960_Perft_Results
"""

import re
from pathlib import Path

import chess
import pytest

from engine.board.fen import parse_fen
from engine.board.perft import divide, perft
from tests.boards import board_after

KIWIPETE = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"


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


@pytest.mark.parametrize(("name", "count"), [("standard.epd", 13), ("chess960.epd", 9)])
def test_perft_of_positions_from_public_tables(name, count):
    positions = list(read_suite(Path(__file__).with_name(name)))
    assert len(positions) == count
    check_suite(positions)


def test_perft_of_no_plies_is_the_position_itself():
    assert perft(chess.Board(), 0) == perft(chess.Board(), 0, bulk=False) == 1


def test_making_every_leaf_counts_the_same():
    assert perft(chess.Board(KIWIPETE), 3, bulk=False) == 97_862


def test_divide_names_each_root_move_with_its_count():
    counts = divide(chess.Board(), 3)
    assert counts.keys() == {move.uci() for move in chess.Board().legal_moves}
    for move, count in counts.items():
        assert count == perft(board_after(move), 2)


@pytest.mark.parametrize(
    ("chess960", "castling"), [(False, {"e1g1", "e1c1"}), (True, {"e1h1", "e1a1"})]
)
def test_divide_writes_castling_as_the_variant_does(chess960, castling):
    counts = divide(parse_fen(KIWIPETE, chess960), 2)
    assert castling <= set(counts)
    assert sum(counts.values()) == 2_039


# ---- the whole suites ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "depth", "every"),
    [("standard.epd", 6, 8), ("chess960.epd", 5, 12), ("tricky.perft", 99, 1)],
)
def test_suite(test_data, name, depth, every):
    """All positions below `depth`, and each so many-th at it; a mismatch is shown divided."""
    positions = list(read_suite(test_data / "perft" / name))
    assert len(positions) >= 19
    check_suite(positions, depth, every)


def check_suite(positions, depth=99, every=1):
    for number, (board, counts) in enumerate(positions):
        for ply in sorted(ply for ply in counts if ply < depth + (number % every == 0)):
            leaves = perft(board, ply)
            assert leaves == counts[ply], (
                f"{board.fen()}, depth {ply}: {leaves} of {divide(board, ply)}"
            )
