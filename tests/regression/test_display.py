"""Options of display never change a move: neither by another search nor by another choice."""

from dataclasses import replace

import chess
import pytest

from engine import Engine
from engine.evaluation import MaterialEvaluator
from engine.options import EngineOptions
from engine.search.limits import Limits
from tests.unit.search.trees import alone, search_nodes

QUIET = EngineOptions(hash_mib=8, threads=1)
ATTACK = "6k1/5ppp/8/8/3q4/5N2/5PPP/R2Q2K1 w - - 0 1"
BACK_RANK = "6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1"
ROOK_ENDING = "8/8/8/3k4/8/8/4R3/4K3 w - - 0 1"
DISPLAYS = (
    {"multi_pv": 4},
    {
        "multi_pv": 218,
        "show_wdl": True,
        "verbose_move_stats": True,
        "opponent": "none 2800 human A",
    },
)


def played(options, fen, limits, plies):
    """The moves of a game of the engine against itself, with what its trees hold; to a mate if it
    comes.
    """
    board = chess.Board(fen)
    moves = []
    with Engine(options, MaterialEvaluator()) as player:
        while len(moves) < plies and not board.is_game_over():
            player.set_position(board)
            result = player.search(limits)
            assert result.best_move == result.infos[0].pv[0]
            visits = {child.move: child.visits for child in result.children}
            # Beside a mate the other lines are searched, which the game does not see.
            moves.append(
                (result.best_move, result.ponder_move, result.infos[0].score_mate or visits)
            )
            board.push(result.best_move)
    return moves


@pytest.mark.parametrize("display", DISPLAYS)
@pytest.mark.parametrize("fen", [ATTACK, ROOK_ENDING, chess.STARTING_FEN])
def test_more_lines_choose_no_other_moves(fen, display):
    limits = Limits(nodes=300)
    assert played(replace(QUIET, **display), fen, limits, 30) == played(QUIET, fen, limits, 30)


def test_more_lines_leave_a_search_by_lc0s_rules_alone():
    """Its root is never decided, though its moves are."""
    lc0 = replace(QUIET, preset="lc0")
    with_lines, plain = (
        [(move, ponder) for move, ponder, _ in played(options, BACK_RANK, Limits(nodes=200), 6)]
        for options in (replace(lc0, multi_pv=5), lc0)
    )
    assert with_lines == plain


def test_more_lines_leave_only_the_shortest_wins_of_a_solved_ending():
    """With three lines, bishop and knight against king was drawn by the clock."""
    board = chess.Board("8/8/8/3k4/8/8/8/KBN5 w - - 0 1")
    with alone(board, MaterialEvaluator(), multi_pv=3) as player:
        search_nodes(player, 1)
        first = [child for child in search_nodes(player, 50).children if child.visits]
    assert len(first) < board.legal_moves.count()


def test_a_flag_that_has_just_fallen_is_a_clock():
    """Lines beside a mate are searched where no clock runs."""
    with alone(BACK_RANK, MaterialEvaluator(), multi_pv=3) as player:
        result = player.search(Limits(white_time_ms=0, black_time_ms=1000, nodes=400))
    assert result.nodes < 100
