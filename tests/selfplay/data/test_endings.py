"""Endings that are drawn from labelled games."""

import sys
from importlib.resources import files
from pathlib import Path

import chess
import pytest

from engine.errors import DataError
from selfplay.commands.openings import Judgements
from selfplay.data.sampled_positions import DRAWN_CP, PIECES, WON_CP, is_ending, sample_endings
from selfplay.interrupt import StopFlag
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

    drawn = sample_endings([path], "won", 1, 1, judge)
    assert next(drawn) == (chess.Board(FEWER), 500)
    with pytest.raises(DataError, match="only 1 won endings found, expected 2"):
        list(sample_endings([path], "won", 2, 1, judge))
    assert set(asked) == {FEWER, MORE}


def test_every_number_of_pieces_has_its_turn(tmp_path: Path) -> None:
    lines = [f"8/8/4k3/8/8/{square}/3PP3/4K3 w - - 0 1|1-0|e1d1:e1d1=300" for square in ("P7", "1P6", "2P5", "5P2")]
    path = teacher_file(tmp_path, *lines, f"{MORE}|1-0|e2e4:e2e4=250")
    drawn = list(sample_endings([path], "won", 2, 1, lambda fen: [("e2e4", 300)]))
    assert [len(board.piece_map()) for board, _ in drawn] == [5, 8]


def test_labels_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"part\.txt:1: not a teacher label line"):
        list(sample_endings([teacher_file(tmp_path, "nonsense")], "won", 1, 1, lambda fen: []))


@pytest.mark.parametrize(("kind", "count"), [("won", 400), ("held", 168)])
def test_shipped_endings_are_distinct_and_within_their_bounds(kind: str, count: int) -> None:
    boards = [chess.Board(opening) for opening in load_book(Path(f"endings-{kind}"))]
    path = Path(str(files("selfplay") / "sets" / f"endings-{kind}.epd"))
    scores = [int(line.split(" ce ")[1].rstrip(";")) for line in path.read_text().splitlines() if line]
    assert len({board.epd() for board in boards}) == len(scores) == count
    assert all(len(board.piece_map()) in PIECES and not board.is_check() for board in boards)
    low, high = WON_CP if kind == "won" else (-DRAWN_CP, DRAWN_CP)
    assert all(low <= score <= high for score in scores)


# ---- the command --------------------------------------------------------------------------------------------------

ENDINGS = [f"8/8/4k3/8/8/{square}/3PP3/4K3 w - - 0 1|1-0|e1d1:e1d1=300" for square in ("P7", "1P6", "2P5", "5P2")]


@pytest.fixture
def judge(tmp_path: Path) -> str:
    """A UCI engine that calls every position won, and notes that it was asked."""
    script = tmp_path / "judge.py"
    script.write_text(
        "import sys\n"
        "for line in sys.stdin:\n"
        "    word = line.split()[0]\n"
        "    if word == 'position': position = line\n"
        "    if word == 'go' and 'fen' in position: open('asked', 'a').write(position)\n"
        "    if word == 'go': print('info depth 1 score cp 300 pv e1d1\\nbestmove e1d1', flush=True)\n"
        "    if word == 'uci': print('uciok', flush=True)\n"
        "    if word == 'isready': print('readyok', flush=True)\n"
        "    if word == 'quit': break\n"
    )
    return f"{sys.executable} {script}"


def test_fewer_endings_than_asked_for_were_thrown_away(tmp_path, judge, aino_train, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["openings", "--data", teacher_file(tmp_path, *ENDINGS), "--endings", "won", "--engine", judge]
    told = aino_train(*words, "--count", 9, "--out", tmp_path / "won.epd")
    assert "only 4 won endings found, expected 9" in told
    assert len((tmp_path / "won.epd").read_text().splitlines()) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"asked", "judge.py", "part.txt", "won.epd"}
    nothing = teacher_file(tmp_path, ENDINGS[0].replace("=300", "=0"))
    told = aino_train(*words[:2], nothing, *words[3:], "--count", 9, "--out", tmp_path / "none.epd", status=1)
    assert "only 0 won endings" in told


def test_ctrl_c_threw_hours_of_judgements_away(tmp_path, judge, aino_train, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["openings", "--data", teacher_file(tmp_path, *ENDINGS), "--endings", "won", "--engine", judge]
    words += ["--count", 4, "--out", tmp_path / "won.epd"]
    judged, add = [], Judgements.add
    with monkeypatch.context() as patch:
        patch.setattr(Judgements, "add", lambda *given: (judged.append(given), add(*given)))
        patch.setattr(StopFlag, "is_set", lambda flag: len(judged) >= 2)
        told = aino_train(*words, status=130)
    assert "2 positions" in told
    assert "the same command continues" in told
    first = (tmp_path / "won.epd").read_text().splitlines()
    assert len(first) == 2
    with (tmp_path / "won.epd.judged").open("a") as stream:
        stream.write('["8/8')  # and a kill while it wrote
    aino_train(*words)
    assert len((tmp_path / "asked").read_text().splitlines()) == 4, "nothing was asked twice"
    assert (tmp_path / "won.epd").read_text().splitlines()[:2] == first
    assert not (tmp_path / "won.epd.judged").exists()


def test_judgements_of_another_engine_are_not_used(tmp_path: Path) -> None:
    out = tmp_path / "won.epd"
    judged = Judgements(out, {"nodes": 1})
    judged.add("fen", [("e1d1", 5)])
    for nodes, known in ((1, {"fen": [("e1d1", 5)]}), (2, {})):
        judged = Judgements(out, {"nodes": nodes})
        assert judged.known == known
