"""Endings that are drawn from labelled games."""

from importlib.resources import files
from pathlib import Path

import chess
import pytest

from engine.errors import DataError
from selfplay.data.drawn_positions import DRAWN_CP, PIECES, WON_CP, draw_endings, is_ending
from selfplay.matches.opening_book import load_book

KPK = chess.Board("8/8/8/4k3/8/8/4P3/4K3 w - - 0 1")
FEWER, MORE = "4k3/8/8/8/8/8/3PP3/4K3 w - - 0 1", "4k3/pppp4/8/8/8/8/3PP3/4K3 w - - 0 1"


def teacher_file(folder: Path, *games: str) -> Path:
    path = folder / "part.txt"
    path.write_text("".join(f"{game}\n" for game in games))
    return path


def test_won_is_better_by_a_margin_and_held_by_one_quiet_move() -> None:
    board = chess.Board(FEWER)
    assert is_ending(board, [("e2e4", 220)], "won")
    assert not is_ending(board, [("e2e4", 219)], "won")
    assert not is_ending(board, [("e2e4", 701)], "won")
    assert is_ending(board, [("e2e4", -30), ("e2e3", -220)], "held")
    assert not is_ending(board, [("e2e4", -30), ("e2e3", -219)], "held")
    assert not is_ending(board, [("e2e4", -31), ("e2e3", -400)], "held")
    assert not is_ending(board, [("e2e4", 0)], "held"), "the only move holds by itself"
    assert not is_ending(KPK, [("e2e4", 300)], "won"), "the tables of the rules know three pieces"
    capture = chess.Board("4k3/8/8/8/8/3p4/3PP3/4K3 w - - 0 1")
    assert not is_ending(capture, [("e2d3", 0), ("e1f1", -400)], "held")
    check = chess.Board("4k3/8/8/8/8/8/3Pr3/4K3 w - - 0 1")
    assert not is_ending(check, [("e1e2", 300)], "won")


def test_the_judge_decides_what_the_labels_propose(tmp_path: Path) -> None:
    path = teacher_file(
        tmp_path, f"{FEWER}|1-0|e2e4:e2e4=300,e2e3=200", f"{MORE}|0-1|e2e4:e2e3=250,e2e4=240;a7a5:a7a5=-9"
    )
    asked = []

    def judge(fen: str) -> list[tuple[str, int]]:
        asked.append(fen)
        return [("e2e3", 500 if fen == FEWER else 100)]

    drawn = draw_endings([path], "won", 1, 1, judge)
    assert next(drawn) == (chess.Board(FEWER), 500)
    with pytest.raises(DataError, match="only 1 won endings found, expected 2"):
        list(draw_endings([path], "won", 2, 1, judge))
    assert set(asked) == {FEWER, MORE}


def test_every_number_of_pieces_has_its_turn(tmp_path: Path) -> None:
    lines = [f"8/8/4k3/8/8/{square}/3PP3/4K3 w - - 0 1|1-0|e1d1:e1d1=300" for square in ("P7", "1P6", "2P5", "5P2")]
    path = teacher_file(tmp_path, *lines, f"{MORE}|1-0|e2e4:e2e4=250")
    drawn = list(draw_endings([path], "won", 2, 1, lambda fen: [("e2e4", 300)]))
    assert [len(board.piece_map()) for board, _ in drawn] == [5, 8]


def test_labels_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"part\.txt:1: not a teacher label line"):
        list(draw_endings([teacher_file(tmp_path, "nonsense")], "won", 1, 1, lambda fen: []))


@pytest.mark.parametrize(("kind", "count"), [("won", 400), ("held", 168)])
def test_shipped_endings_are_distinct_and_within_their_bounds(kind: str, count: int) -> None:
    boards = [chess.Board(opening) for opening in load_book(Path(f"endings-{kind}"))]
    path = Path(str(files("selfplay") / "sets" / f"endings-{kind}.epd"))
    scores = [int(line.split(" ce ")[1].rstrip(";")) for line in path.read_text().splitlines() if line]
    assert len({board.epd() for board in boards}) == len(scores) == count
    assert all(len(board.piece_map()) in PIECES and not board.is_check() for board in boards)
    low, high = WON_CP if kind == "won" else (-DRAWN_CP, DRAWN_CP)
    assert all(low <= score <= high for score in scores)
