"""The gallery: what the networks of a run see, each without a search."""

from pathlib import Path

import chess
import numpy as np
import pytest

from benchmarks import gallery
from engine.nn import dit
from engine.options import EngineOptions
from engine.player import Engine
from selfplay.families.by_name import family_of
from tests.selfplay.report.runs import gate_result, run_with

BACK_RANK = "PuzzleId,FEN,Moves,Rating,Themes\nx,6k1/5p1p/6p1/8/8/8/8/R5K1 b - - 0 1,h7h6 a1a8,900,mateIn1 short\n"
CASTLING = '[Result "*"]\n\n1. e4 e5 2. Nf3 Nc6 3. Bc4 Bc5 4. O-O Nf6 5. d3 O-O *\n'


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two generations, the first of which was promoted, with all its networks."""
    with_gates = run_with(tmp_path / "run", [gate_result(50), gate_result(-50, accepted=False)])
    with_gates.close()
    for generation in range(2):
        network = family_of("sparse-128").build(np.random.default_rng(generation))
        dit.save(with_gates.candidate(generation), network, {"kind": "random"})
    return with_gates.path


def test_gallery_shows_what_each_network_sees(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    puzzles, games, page = tmp_path / "puzzles.csv", tmp_path / "games.pgn", tmp_path / "page.html"
    puzzles.write_text(BACK_RANK)
    games.write_text(CASTLING)
    sets = ["--puzzles", str(puzzles), "--games", str(games), "--match-games", "2", "--nodes", "2"]
    assert gallery.main([str(run), "--hours", "100", "200", *sets, "--out", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.count('class="board"') == 2 * 8 + 1, "eight positions for each network, and one game"
    assert "100 hours against nothing</b>: " in text
    assert " of 2. gen-0000" in text
    assert '<th scope="row">mateIn1</th><td>1</td>' in text
    assert '<th scope="row">castling</th><td>2</td>' in text
    assert "generation 1, " in capsys.readouterr().out
    assert gallery.main([str(run), "--hours", "100", *sets, "--out", str(page)]) == 0, "the match is there already"


def test_a_set_counts_the_policys_first_choice(run: Path) -> None:
    board = chess.Board("6k1/5p2/6pp/8/8/8/8/R5K1 w - - 0 2")
    with Engine(EngineOptions(weights_file=str(run / "nets" / "gen-00001.dit"), threads=1)) as engine:
        moves, _ = gallery._policy(engine, board)
        problems = [gallery.Problem("x", (), board.fen(), frozenset({move.move.uci()})) for move in moves]
        solved = [gallery._solved(engine, [problem]) for problem in problems if "a1a8" not in problem.best]
    assert sum(solved) == (moves[0].move.uci() != "a1a8"), "no more than the first choice, besides the mate"


@pytest.mark.parametrize(("shares", "first"), [([0.0, 0.1, 0.5, 0.9], 2), ([0.5, 0.1, 0.4], 2), ([0.3, 0.3], 0)])
def test_discovered_is_what_stays(shares: list[float], first: int) -> None:
    assert gallery._discovered(shares) == first


def test_network_that_is_gone_is_named(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "nets" / "gen-00001.dit").unlink()
    assert gallery.main([str(run), "--hours", "100", "--out", str(tmp_path / "page.html")]) == 2
    assert "gen-00001.dit: the run has not kept this network" in capsys.readouterr().err
