"""A limited level wins what people of its rating win, and plays on as before otherwise."""

import chess
import pytest

from engine.options import EngineOptions
from engine.search.levels import finishes, plan_for
from engine.search.limits import Limits
from engine.search.move_choice import SearchRequest
from engine.tactics.solved_endings import probe
from tests.boards import random_positions
from tests.regression.test_endings import best_defence
from tests.unit.search.trees import alone, search_nodes

MOST_ELO = 2700


@pytest.mark.parametrize(("elo", "letters"), [(500, "KQk"), (500, "KRRk"), (1600, "KRk")])
def test_levels_win_what_people_win(elo, letters):
    """Of rook against king, levels up to 1600 had won none of seven."""
    positions = random_positions(letters, 40, seed=elo)
    boards = [board for board in positions if board.turn and probe(board)[0] > 0]
    with alone(limit_strength=True, elo=elo, seed=1) as player:
        for board in boards[:3]:
            start = board.fen()
            while not board.is_game_over(claim_draw=True):
                player.set_position(board)
                board.push(search_nodes(player, 400).best_move)
                if not board.is_game_over():
                    board.push(best_defence(board, lambda left: probe(left, to_mate=True)[1]))
            assert board.is_checkmate(), f"{start}: {board.fen()}"


@pytest.mark.parametrize(
    ("fen", "elo"),
    [
        ("8/8/3k4/8/8/3K4/3Q4/8 w - - 0 1", 500),
        ("8/3p4/3k4/8/8/3K4/3Q4/8 w - - 0 1", 500),
        ("8/8/3k4/8/8/3K4/3R4/8 w - - 0 1", 1000),
        ("8/8/3k4/8/8/3K4/3PP3/8 w - - 0 1", 1000),
        ("8/8/3k4/8/8/3K4/3BB3/8 w - - 0 1", 1800),
        ("8/8/3k4/8/8/3K4/3NB3/8 w - - 0 1", 2200),
        ("8/8/3k4/8/8/3K4/3P4/8 w - - 0 1", MOST_ELO + 1),
        ("8/3p4/3k4/8/8/3K4/3R4/8 w - - 0 1", MOST_ELO + 1),
        ("8/3r4/3k4/8/8/3K4/3Q4/8 w - - 0 1", MOST_ELO + 1),
        (chess.STARTING_FEN, MOST_ELO + 1),
    ],
)
def test_an_ending_is_finished_from_the_rating_on_at_which_people_do(fen, elo):
    board = chess.Board(fen)
    assert [finishes(board, rating) for rating in (elo - 1, elo)] == [False, elo <= MOST_ELO]


def test_levels_play_their_measured_plans_elsewhere():
    board = chess.Board("4k3/pppp4/8/8/8/8/PPPP4/R3K2r w Q - 0 1")
    for rating in (500, 950, 1455, 2210):
        options = EngineOptions(limit_strength=True, elo=rating)
        orders = [
            SearchRequest(board, limits, options, None, 0.0)
            for limits in (Limits(nodes=5), Limits(infinite=True))
        ]
        assert [order.strength for order in orders] == [plan_for(rating), None]
