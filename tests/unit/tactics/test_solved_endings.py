"""Endings of four pieces, solved, agree with endgame tables and with the books, and are played to
the mate.
"""

import threading
from concurrent.futures import Future
from functools import partial

import chess
import chess.syzygy
import numpy as np
import pytest

from engine.evaluation.tablebase import Tablebase, good_moves
from engine.search.job import SearchJob
from engine.search.limits import Limits
from engine.tactics import solved_endings
from engine.tactics.solved_endings import LONG, probe, solve
from tests.boards import random_positions
from tests.unit.search.trees import alone, search_nodes
from tests.unit.tactics.test_mates import after_each

# One of each kind: sliders and knights, two pieces against a bare king, and a piece on each side.
ENDINGS = "KQk KRk KBBk KBNk KNNk KQRk KQkr KQkn KQkq KRkn KRkb KNkn".split()


@pytest.mark.parametrize("letters", ENDINGS)
def test_results_are_those_of_the_tables(letters, tables):
    for number, board in enumerate(random_positions(letters, 80, seed=sum(map(ord, letters)))):
        board = board.mirror() if number % 3 == 0 else board
        wdl, dtz = probe(board)
        assert wdl == tables.probe_wdl(board), board.fen()
        # Syzygy's may be one too few or too many.
        assert abs(dtz - tables.probe_dtz(board)) <= 1, board.fen()


@pytest.mark.parametrize(("pieces", "moves"), [("R", 16), ("BN", 33), ("Rn", 40)])
def test_the_longest_mates_are_as_long_as_the_books_say(pieces, moves):
    assert solve(pieces, to_mate=True).longest == moves


@pytest.mark.parametrize("letters", "KQQk KRRk KBNk KQkr KQkq KRkn KRkb".split())
def test_each_distance_to_mate_follows_from_those_after_the_moves(letters):
    for board in random_positions(letters, 40, seed=5):
        result, plies = to_mate(board)
        after = [to_mate(position) for position in after_each(board)]
        assert result == max(-following for following, _ in after), board.fen()
        ways = [abs(length) for following, length in after if following == -result]
        if result:
            assert abs(plies) == 1 + (min(ways) if result > 0 else max(ways)), board.fen()


def to_mate(board):
    is_drawn = board.is_game_over() and not board.is_checkmate()
    return (0, 0) if is_drawn else probe(board, to_mate=True)


@pytest.mark.parametrize("letters", ["KQQk", "KRRk", "KBNk"])
def test_the_shortest_mate_is_played_without_giving_material_away(letters):
    """A capture ended the count, so that giving a queen away was the shortest way; in 14 of 60 the
    best-ranked one.
    """
    tables = Tablebase("")
    with alone(evaluator="material") as player:
        for board in random_positions(letters, 20, seed=8):
            result, plies = to_mate(board)
            if board.turn == chess.WHITE and result > 0:
                ranks = tables.ranks(board, Future.result)
                player.set_position(board)
                move = search_nodes(player, 20).best_move
                assert move in good_moves(ranks)
                board.push(move)
                assert board.is_checkmate() or abs(to_mate(board)[1]) == plies - 1, board.fen()


@pytest.mark.parametrize(
    ("fen", "result"),
    [
        ("7k/5K2/6Q1/8/8/8/8/8 b - - 0 1", (0, 0)),  # Stalemate.
        ("7k/6Q1/6K1/8/8/8/8/8 b - - 0 1", (-2, 0)),  # Mate.
        ("k7/8/8/8/8/8/8/KR5r w - - 0 1", (2, 1)),  # The rook takes the other one.
        ("4k3/8/8/8/8/8/8/4K2R w K - 0 1", None),
        ("4k3/8/8/8/8/8/3QQQ2/4K3 w - - 0 1", None),
    ],
)
def test_positions_with_a_result_of_their_own(fen, result):
    assert probe(chess.Board(fen)) == result


@pytest.mark.parametrize(
    ("options", "limits", "patience_s"),
    [
        ({}, Limits(nodes=5), LONG),
        ({}, Limits(movetime_ms=110), 0.05),  # Half of what the overhead of 10 ms leaves.
        ({}, Limits(movetime_ms=25), 0.0),
        ({"limit_strength": True}, Limits(nodes=5), 0.0),
        ({"preset": "lc0"}, Limits(nodes=5), 0.0),
        ({"analyse_mode": True, "limit_strength": True}, Limits(nodes=5), LONG),
    ],
)
def test_an_ending_is_waited_for_as_long_as_the_search_may(
    options, limits, patience_s, monkeypatch
):
    patiences = set()
    monkeypatch.setattr(
        SearchJob,
        "wait_for",
        lambda job, work, patience_s: patiences.add(patience_s) or work.result(),
    )
    fen = "8/8/8/3k4/8/8/8/KBN5 w - - 0 1"
    with alone(fen, "material", move_overhead_ms=10, **options) as player:
        player.search(limits)
    assert patiences == {patience_s} - {0.0}


def test_moves_in_a_long_game_are_ranked_without_copies_of_all_its_moves(monkeypatch):
    """Each took a millisecond: games were lost on time."""
    board = chess.Board("8/8/8/3k4/3n4/8/8/KR2B3 w - - 0 1")
    for move in ("a1a2", "d5c5", "a2a1", "c5d5") * 40 + ("e1c3", "d5e5", "c3d4", "e5f5"):
        board.push_uci(move)
    copied = []

    def copy(board, *, stack=True, usual=chess.Board.copy):
        after = usual(board, stack=stack)
        copied.append(len(after.move_stack))
        return after

    monkeypatch.setattr(chess.Board, "copy", copy)
    assert len(Tablebase("").ranks(board, Future.result)) == board.legal_moves.count()
    assert max(copied) == board.halfmove_clock == 1


def test_a_short_patience_finds_an_ending_solved_the_next_time(monkeypatch):
    begun = threading.Event()
    board = chess.Board("8/8/8/3k4/8/8/8/KRB5 w - - 0 1")
    solving = solved_endings.solve

    def slow(*pieces):
        assert begun.wait(120)
        return solving(*pieces)

    monkeypatch.setattr(solved_endings, "solve", slow)
    shortly = partial(Future.result, timeout=0.01)
    assert probe(board, shortly) is None
    with alone(board, "material") as player:
        job = player.start(Limits(infinite=True))
        player.stop()
        assert job.result(10).best_move, "it heard a stop once the ending was solved"
    begun.set()
    assert probe(board) == (2, probe(board, shortly)[1])


def test_the_word_drawn_in_the_module_is_that_of_three_mates():
    solution = solve("Q")
    takes_moves = np.bitwise_or.reduce(solution.moves[:, 2, 2, 9])
    assert int(solution.lost[2, 2, 9] & ~takes_moves) == 0x103
