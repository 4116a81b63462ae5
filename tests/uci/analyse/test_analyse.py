"""`aino analyse`, with the real engine on few nodes and with scripted lines."""

import io
import json
import sys
from dataclasses import replace

import chess
import pytest
from rich.console import Console

from engine.search.result import RootMove, SearchInfo, SearchResult
from tests.boards import board_after
from uci.analyse.analyse import as_table, searched_lines
from uci.main import main
from uci.web.snapshot import lines_of

FAST = "--evaluator material --threads 1 --hash-mib 16 --nodes 60".split()
MATE_NEXT = "6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1"
MATED = "R5k1/5ppp/8/8/8/8/5PPP/6K1 b - - 1 1"


def info(rank, move, score_cp=34, mate=None):
    return SearchInfo(
        depth=3, seldepth=9, time_ms=1500, nodes=1234, nps=822, hashfull=15, multipv=rank, score_cp=score_cp,
        score_mate=mate, wdl=(450, 300, 250), pv=[chess.Move.from_uci(move)],
    )  # fmt: skip


def shown(board, infos, width=240):
    output = io.StringIO()
    Console(file=output, width=width, force_terminal=True, color_system=None).print(
        as_table(board, infos)
    )
    return output.getvalue()


def test_lines_are_shown_from_white():
    text = shown(board_after("e4"), [info(1, "e7e5"), info(2, "c7c5", mate=-2)])
    assert "1.  -0.34  25/30/45  1...e5" in text
    assert "2.     #2   100/0/0  1...c5" in text
    assert "depth 3/9, 1,234 nodes in 1.5 s, 822 nodes/s" in text


@pytest.mark.parametrize("width", [40, 60, 200])
def test_table_fits_the_terminal(width):
    line = info(1, "e2e4")
    line.pv[:] = board_after("e4 e5 Nf3 Nc6 Bb5 a6 Ba4 Nf6").move_stack
    text = shown(chess.Board(), [line], width)
    assert all(len(row) <= width for row in text.splitlines())
    assert "Ba4" in text


def test_moves_never_tried_are_left_out():
    children = [
        RootMove(chess.Move.from_uci(text), visits, prior=0.1, q=0.0, draw=0.0, mate=None)
        for text, visits in (("e2e4", 5), ("d2d4", 0))
    ]
    infos = [info(1, "e2e4"), info(2, "d2d4")]
    result = SearchResult(children[0].move, None, infos, children, nodes=5, time_ms=1)
    assert searched_lines(result) == infos[:1]


def test_a_line_to_a_mate_is_shown_whole():
    board = chess.Board()
    line = info(1, "g1f3", mate=-11)
    line.pv[:] = board_after("Nf3 Nf6 Ng1 Ng8 " * 5).move_stack
    assert shown(board, [line]).splitlines()[1].rstrip().endswith("10. Ng1 Ng8")
    whole = lines_of(board, [line], 1)["lines"][0]["moves"]
    assert len(whole) == 20
    cut = lines_of(board, [replace(line, score_mate=None)], 1)["lines"][0]["moves"]
    assert len(cut) == 12


BATCH = f"# mates\n\n{MATE_NEXT}\n8/8/8 w - - 0 1\n  \nno position\n# the last one\n{MATED}\n"


@pytest.mark.parametrize("first", ["", "no position, and without a slash\n"])
def test_json_is_one_object_a_line_and_a_bad_one_does_not_end_a_batch(first, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(first + BATCH))
    assert main(["analyse", "-", "--json", *FAST, "--multi-pv", "2"]) == 1
    output = capsys.readouterr()
    assert output.err == ""
    answers = list(map(json.loads, output.out.splitlines()))
    mate, over = (answer for answer in answers if "fen" in answer)
    assert mate["fen"] == MATE_NEXT
    assert over["fen"] == MATED
    assert [line["rank"] for line in mate["lines"]] == [1, 2]
    assert all(sum(line["wdl"]) == 1000 for line in mate["lines"])
    line = mate["lines"][0]
    assert line["moves"] == [mate["best_move"]]
    assert line["san"] == "1. Ra8#"
    assert line["mate"] == 1
    assert line["score_cp"] is None
    assert over["best_move"] is None
    assert over["lines"] == []
    assert over["side_to_move"] == "black"
    refusals = [answer for answer in answers if "fen" not in answer]
    begin = len(first.splitlines())
    assert [refusal["line"] for refusal in refusals] == [1] * begin + [begin + 4, begin + 6]
    assert all(set(refusal) == {"line", "error"} and refusal["error"] for refusal in refusals)
    assert "3 ranks" in refusals[-2]["error"]


def test_bad_line_of_a_batch_for_people_is_told_beside_the_others(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(BATCH))
    assert main(["analyse", "-", *FAST]) == 1
    output = capsys.readouterr()
    assert all(words in output.out for words in ("white to move", "1. Ra8#", "#1"))
    assert "\x1b" not in output.out
    assert "the game is over: 1-0, checkmate" in output.out
    assert [line.partition(":")[0] for line in output.err.splitlines()] == ["line 4", "line 6"]


def test_a_ply_of_a_game_is_analysed(capsys, tmp_path):
    path = tmp_path / "game.pgn"
    path.write_text("1. f3 e5 2. g4 Qh4# 0-1")
    assert main(["analyse", str(path), "--ply", "3", *FAST]) == 0
    output = capsys.readouterr().out
    assert "after 2. g4 (ply 3), black to move" in output
    assert "2...Qh4#" in output
