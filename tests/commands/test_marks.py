"""Measuring the marks of `aino annotate`: the judge's truth, the table, and the judge's memory."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import chess
import chess.engine
import chess.pgn
import pytest

from uci.bench.marks import Judge, Truth, expected, main, marks_of, rows, share_text
from uci.bench.referee import Answer, Referee


class ScriptedReferee:
    """Scores positions (by the last move, "" for the start) and restricted looks (by "not" and the move left out)."""

    def __init__(self, scores: dict[str, tuple[int, str]]) -> None:
        self.scores = scores
        self.depths: list[int | None] = []

    def look(
        self, board: chess.Board, moves: Sequence[chess.Move] = (), limit: chess.engine.Limit | None = None
    ) -> Answer:
        self.depths.append(limit.depth if limit else None)
        left_out = [move for move in board.legal_moves if moves and move not in moves]
        key = f"not {left_out[0].uci()}" if left_out else board.fen().split()[0]
        score_cp, move = self.scores.get(key, (0, next(iter(board.legal_moves)).uci()))
        return Answer(score_cp, chess.Move.from_uci(move))


def placement(*moves: str) -> str:
    board = chess.Board()
    for move in moves:
        board.push_uci(move)
    return board.fen().split()[0]


def read(text: str) -> chess.pgn.Game:
    game = chess.pgn.read_game(io.StringIO(text))
    assert game is not None
    return game


def truths(text: str, scores: dict[str, tuple[int, str]], marked: list[bool] | None = None) -> list[Truth]:
    game = read(text)
    count = len(list(game.mainline_moves()))
    return list(Judge(ScriptedReferee(scores)).truths(game, marked or [False] * count))  # type: ignore[arg-type]


def test_loss_is_what_the_score_falls_by_and_the_best_move_loses_nothing() -> None:
    scores = {placement(): (30, "e2e4"), placement("g2g4"): (120, "d7d5"), placement("g2g4", "d7d5"): (-150, "h2h3")}
    first, second = truths("1. g4 d5 *", scores)
    assert first.loss == pytest.approx(expected(30) - expected(-120))
    assert second.loss == 0.0, "it is the judge's best move"


def test_only_move_is_one_whose_best_alternative_loses_a_lot_while_the_game_is_open() -> None:
    best = {placement(): (20, "e2e4"), placement("e2e4"): (-20, "e7e5")}
    assert truths("1. e4 *", best | {"not e2e4": (-250, "a2a3")})[0].is_only_move
    assert not truths("1. e4 *", best | {"not e2e4": (-20, "a2a3")})[0].is_only_move
    lost = {placement(): (-300, "e2e4"), placement("e2e4"): (300, "e7e5"), "not e2e4": (-900, "a2a3")}
    assert not truths("1. e4 *", lost)[0].is_only_move


def test_deep_looks_are_kept_for_moves_that_need_them() -> None:
    referee = ScriptedReferee({})
    list(Judge(referee).truths(read("1. e4 e5 *"), [False, False]))  # type: ignore[arg-type]
    assert set(referee.depths) == {12}
    list(Judge(referee).truths(read("1. e4 e5 *"), [False, True]))  # type: ignore[arg-type]
    assert None in referee.depths, "the depth that was asked for"


def test_unmarked_moves_are_not_looked_at_where_only_marks_are_judged() -> None:
    scores = {placement(): (30, "e2e4"), placement("g2g4"): (120, "d7d5"), placement("g2g4", "a7a6"): (150, "h2h3")}
    referee = ScriptedReferee(scores)
    judge = Judge(referee)  # type: ignore[arg-type]
    first, second = judge.truths(read("1. g4 a6 *"), [True, False], marked_only=True)
    assert first.loss == pytest.approx(expected(30) - expected(-120))
    assert (second.loss, second.is_only_move) == (0.0, False)
    assert set(referee.depths) == {None}, "no quick look"


def test_table_of_marks_alone_has_no_recall(stockfish: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "marked.pgn"
    path.write_text("1. f3 e5 2. g4 $4 Qh4# 0-1\n")
    main([str(path), "--judge", stockfish, "--depth", "6", "--marked-only", "--json"])
    blunders = json.loads(capsys.readouterr().out.partition("\n")[2])[0]
    assert (blunders["mark"], blunders["given"], blunders["right"]) == ("??", 1, 1)
    assert not {"due", "recall"} & blunders.keys()
    answers = path.with_suffix(".judged.jsonl").read_text().splitlines()
    assert len(answers) == 2, "the positions before and after the marked move"


def test_table_counts_marks_that_are_right_and_those_that_are_missing() -> None:
    found = [Truth(0.3, False, False), Truth(0.12, False, False), Truth(0.0, True, False), Truth(0.0, True, True)]
    table = rows("a.pgn", [4, 4, 1, 0], found)
    by_mark = {row["mark"]: (row["given"], row["right"], row["due"]) for row in table}
    assert by_mark == {"??": (2, 1, 1), "? or worse": (2, 2, 2), "?! or worse": (2, 2, 2), "!": (1, 1, 1)}
    recalls = [row["recall"] for row in table]
    assert recalls == ["100% [21%, 100%]", "100% [34%, 100%]", "100% [34%, 100%]", "100% [21%, 100%]"]
    assert share_text(0, 0) == "-"
    assert share_text(18, 20) == "90% [70%, 97%]"


def test_marks_are_read_from_annotated_games() -> None:
    game = read("1. e4 $1 e5 $10 (1... c5 $4) 2. Ke2 $4 $18 *")
    assert marks_of([game]) == [1, 0, 4]


def test_referee_remembers_what_it_was_asked(stockfish: str, tmp_path: Path) -> None:
    memory = tmp_path / "judged.jsonl"
    limit = chess.engine.Limit(depth=4)
    referee = Referee(stockfish, limit, memory)
    answers = [referee.look(chess.Board()), referee.look(chess.Board(), [chess.Move.from_uci("a2a3")])]
    referee.close()
    assert answers[1].move == chess.Move.from_uci("a2a3")
    lines = [json.loads(line) for line in memory.read_text().splitlines()]
    assert len(lines) == 2
    memory.write_text("".join(json.dumps([key, [77, "h2h3"]]) + "\n" for key, _ in lines))
    again = Referee(stockfish, limit, memory)
    assert again.look(chess.Board()) == Answer(77, chess.Move.from_uci("h2h3"))
    again.close()
