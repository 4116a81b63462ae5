"""Drawing sharp moments of games, on which the marks of `aino annotate` are measured."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

import chess
import chess.engine
import pytest

from uci.bench.marks import read_games
from uci.bench.moments import OPENING, Glance, drawn_games, glances, main, moment, moments

CALM = Glance(0.0, 0.0, False, 0.5)
LIMIT = chess.engine.Limit(nodes=1)


class ScriptedJudge:
    """Gives each position, by its number of moves, scores in centipawns from White's side, the best move's first."""

    def __init__(self, *scores: tuple[str, list[int]]) -> None:
        self.scores = scores

    def analyse(self, board: chess.Board, limit: object, multipv: int, game: object) -> list[Any]:
        best, values = self.scores[len(board.move_stack)]
        pov = [chess.engine.PovScore(chess.engine.Cp(cp), board.turn) for cp in values]
        return [{"score": value, "pv": [chess.Move.from_uci(best)]} for value in pov][:multipv]


def test_glance_compares_a_move_with_the_best_one() -> None:
    judge = ScriptedJudge(("e2e4", [50, -150]), ("e7e5", [300, 290]), ("d2d4", [0, 0]))
    played = [chess.Move.from_uci(text) for text in ("e2e4", "a7a6")]
    first, second = glances(judge, played, LIMIT, 0)  # type: ignore[arg-type]
    assert (first.loss, second.gap) == (0.0, 0.0)
    assert first.gap == pytest.approx(0.18, abs=0.01)
    assert second.loss == pytest.approx(0.25, abs=0.01)
    assert second.chances == pytest.approx(0.75, abs=0.01)


def test_mate_on_the_board_needs_no_judge() -> None:
    fools_mate = [chess.Move.from_uci(text) for text in ("f2f3", "e7e5", "g2g4", "d8h4")]
    scores = [(move.uci(), [0]) for move in fools_mate]
    assert glances(ScriptedJudge(*scores), fools_mate, LIMIT, 0)[-1].loss == 0.0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "glance", "found"),
    [
        (OPENING + 4, Glance(0.3, 0.0, False, 0.5), [("costliest move", OPENING + 4)]),
        (OPENING + 4, Glance(0.04, 0.0, False, 0.5), []),
        (OPENING - 1, Glance(0.3, 0.0, False, 0.5), []),
        (OPENING + 4, Glance(0.0, 0.2, False, 0.5), [("only move", OPENING + 4)]),
        (OPENING + 4, Glance(0.0, 0.2, True, 0.5), []),
        (OPENING + 4, Glance(0.0, 0.2, False, 0.1), []),
    ],
)
def test_moments_are_costly_or_lonely_moves_after_the_opening(
    at: int, glance: Glance, found: list[tuple[str, int]]
) -> None:
    seen = [CALM] * (OPENING + 12)
    seen[at] = glance
    assert list(moments(seen)) == found


def test_moments_do_not_overlap() -> None:
    seen = [CALM] * (OPENING + 12)
    seen[OPENING + 4], seen[OPENING + 6] = Glance(0.3, 0.0, False, 0.5), Glance(0.0, 0.2, False, 0.5)
    assert len(list(moments(seen))) == 1
    seen[OPENING + 8] = Glance(0.0, 0.3, False, 0.5)
    assert [ply for _, ply in moments(seen)] == [OPENING + 4, OPENING + 8]


def test_the_same_games_are_drawn_each_time_and_a_moment_begins_with_its_position(tmp_path: Path) -> None:
    there_and_back = "g1f3 g8f6 f3g1 f6g8 " * 6
    lines = [f"{2400 + number}\t2500\t1999\t1-0\t{there_and_back}" for number in range(9)]
    path = tmp_path / "games.tsv.xz"
    path.write_bytes(lzma.compress("\n".join(["welo\tbelo\tdate\tresult\tuci", *lines, "1\t2\t3\t*\te2e4"]).encode()))
    rows = drawn_games(path, 5)
    assert rows == drawn_games(path, 5)
    assert (len(rows), len(drawn_games(path, 100))) == (5, 9)
    assert drawn_games(path, 100, skip=5) == drawn_games(path, 100)[5:]
    game = moment(rows[0], 0, "only move", [chess.Move.from_uci(text) for text in there_and_back.split()], 9)
    assert game.board().fen() == "rnbqkbnr/pppppppp/8/8/8/5N2/PPPPPPPP/RNBQKB1R b KQkq - 9 5"
    assert [move.uci() for move in game.mainline_moves()] == ["g8f6", "f3g1", "f6g8"]


def test_whole_games_are_written_as_drawn_and_draws_can_be_left_out(tmp_path: Path) -> None:
    there_and_back = "g1f3 g8f6 f3g1 f6g8 " * 5
    results = ("1-0", "1/2-1/2", "0-1", "1-0")
    lines = [f"{2400 + number}\t2500\t1999\t{result}\t{there_and_back}" for number, result in enumerate(results)]
    source, out = tmp_path / "games.tsv.xz", tmp_path / "whole.pgn"
    source.write_bytes(lzma.compress("\n".join(["welo\tbelo\tdate\tresult\tuci", *lines]).encode()))
    main([str(source), "--whole", "--skip", "1", "--games", "2", "--out", str(out), "--judge", "no such engine"])
    games = list(read_games(out))
    assert [game.headers["Event"] for game in games] == ["game 1", "game 2"]
    assert [game.headers["White"] for game in games] == [row["welo"] for row in drawn_games(source, 2, skip=1)]
    assert [game.end().ply() for game in games] == [20, 20]
    decisive = drawn_games(source, 9, decisive=True)
    assert [row["welo"] for row in decisive] == [row["welo"] for row in drawn_games(source, 9) if row["welo"] != "2401"]
    assert "1/2-1/2" in {row["result"] for row in drawn_games(source, 9)}
    assert games[0].headers["Result"] == drawn_games(source, 2, skip=1)[0]["result"]
