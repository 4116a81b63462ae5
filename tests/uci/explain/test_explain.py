"""`aino explain`: what is observed and shown, with the real engine on few nodes."""

import re

import chess
import pytest

from engine.board.notation import board_after
from engine.options import EngineOptions
from engine.pages.board import Arrow, board_svg, describe_board
from engine.player import Engine
from tests.unit.search.trees import search_nodes
from uci.explain.insight import find_threat, wins
from uci.explain.observe import observe_search, schedule
from uci.main import main

OPTIONS = EngineOptions(evaluator="material", threads=1, hash_mib=16)
FAST = "--evaluator material --threads 1 --hash-mib 16".split()
# White threatens Qxf7 mate; Black is to move.
SCHOLAR = "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR b KQkq - 3 3"
ROOKS = "4k3/8/8/8/8/8/4r3/R3K3 w Q - 0 1"


@pytest.fixture(scope="module")
def engine():
    with Engine(OPTIONS) as engine:
        yield engine


def test_a_schedule_grows_to_its_end():
    counts = schedule(500)
    assert counts[0] == 1
    assert counts[-1] == 500
    assert counts == sorted(set(counts))
    assert schedule(1) == [1]


def test_observation_ends_with_a_mate(engine):
    observation = observe_search(engine, chess.Board("6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1"), 5000)
    assert observation.snapshots[-1].nodes < 100
    assert observation.evaluation.text == "#1"


def test_observation_goes_from_the_policy_to_the_result(engine):
    seen = []
    observation = observe_search(engine, chess.Board(SCHOLAR), 200, seen.append)
    assert seen[: len(schedule(200))] == schedule(200)
    first, last = observation.snapshots[0], observation.snapshots[-1]
    assert sum(child.prior for child in first.moves.values()) == pytest.approx(1, abs=1e-4)
    move = observation.result.children[0].move
    assert first.share(move) is None
    assert last.share(move) == max(last.share(candidate) or 0 for candidate in last.moves)
    assert 0 < (last.expected(move) or 0) < 1
    assert last.nodes == 200
    assert observation.decided_at <= 200


@pytest.mark.parametrize("count", [1, 2, 6])
def test_the_move_that_the_policy_likes_best_is_among_the_leading(engine, count):
    observation = observe_search(engine, chess.Board(SCHOLAR), 200)
    leading = observation.leading_moves(count)
    assert len(leading) == count
    assert max(observation.result.children, key=lambda child: child.prior) in leading


def test_the_page_says_what_analysis_says_after_as_many_nodes():
    """It stopped by the clock, and its search in many steps found other values, at times another
    move.
    """
    with Engine(EngineOptions(threads=1, hash_mib=16, analyse_mode=True)) as engine:
        for fen in (SCHOLAR, "2rq1rk1/1b2bppp/p2ppn2/1p6/3NPP2/1BN1B3/PPP3PP/R2Q1RK1 w - - 0 14"):
            observation = observe_search(engine, chess.Board(fen), 5000)
            engine.new_game()
            engine.set_position(chess.Board(fen))
            analysis = search_nodes(engine, 5000)
            assert observation.result.best_move == analysis.best_move
            assert observation.result.infos[0].pv == analysis.infos[0].pv
            assert observation.result.infos[0].wdl == analysis.infos[0].wdl


def test_tree_holds_legal_lines_with_visits_that_add_up(engine):
    board = chess.Board(SCHOLAR)
    observation = observe_search(engine, board, 300)

    def check(position, branches, visits):
        assert sum(branch.visits for branch in branches) <= visits
        depth = 0
        for branch in branches:
            assert position.is_legal(branch.move)
            after = board_after(position, branch.move)
            depth = max(depth, 1 + check(after, branch.replies, branch.visits))
        return depth

    assert check(board, observation.tree, 300) >= 2
    best = observation.tree[0]
    assert best.q == pytest.approx(observation.snapshots[-1].moves[best.move].q)


def test_threat_is_what_the_opponent_would_do(engine):
    threat = find_threat(engine, chess.Board(SCHOLAR), 200)
    assert threat.board.san(threat.line[0]) == "Qxf7#"
    assert threat.evaluation.text == "#-1"
    assert threat.evaluation.expected == 0.0
    assert find_threat(engine, chess.Board(ROOKS), 10) is None, "the side in check cannot pass"


def test_captures_that_gain_are_listed():
    board = chess.Board("4k3/8/3p4/4r3/3P4/5N2/8/4K3 w - - 0 1")
    assert wins(board) == ["dxe5 (+5.0)", "Nxe5 (+2.8)"]


def test_a_board_is_drawn():
    board = chess.Board("4k3/8/8/8/8/8/4P3/4K2R w K - 0 1")
    arrows = [Arrow(chess.E2, chess.E4, "better")]
    text = board_svg(board, arrows=arrows, label='a "<quoted>" label')
    assert text.count("<use ") == 4
    assert 'class="arrow better"' in text
    assert "&lt;quoted&gt;" in text
    assert describe_board(board) == "White: Ke1 Rh1 e2. Black: Ke8. White to move"


def test_a_board_is_turned_for_black():
    kings = chess.Board("4k3/8/8/8/8/8/8/K7 w - - 0 1")
    assert '<use href="#white-king" x="0" y="315"/>' in board_svg(kings, label="")
    assert '<use href="#white-king" x="315" y="0"/>' in board_svg(
        kings, perspective=chess.BLACK, label=""
    )


def test_page_of_a_position_loads_nothing(tmp_path, capsys):
    path = tmp_path / "page.html"
    flags = "--nodes 150 --threads 1 --hash-mib 16 --out".split()
    assert main(["explain", SCHOLAR, *flags, str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert "Qxf7#" in text
    assert "the evaluator <i>sparse</i>" in text
    assert not re.findall(r"(?:src|href)=\"(?!#|data:,)([^\"]*)\"|url\((?!#)", text)
    assert f"wrote {path}" in capsys.readouterr().out


def test_a_page_of_a_side_in_check_says_that_it_cannot_pass(tmp_path):
    (mine := tmp_path / "page.html").write_text("<p>mine")
    assert main(["explain", ROOKS, "--nodes", "20", "--out", str(mine), *FAST]) == 0
    assert mine.read_text() == "<p>mine", "what began with an angle bracket was replaced"
    text = (tmp_path / "page-2.html").read_text(encoding="utf-8")
    assert "is in check and cannot pass" in text
