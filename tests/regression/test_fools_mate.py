"""The Fool's Mate: the first engine of this lineage lost to it in four moves. No evaluator may lose to it, whatever its
net believes.
"""

import chess
import numpy as np
import pytest

from engine import Engine
from engine.board.convert import encode_move, row_from_board
from engine.board.layout import KEY
from engine.evaluation.protocol import LeafBatch
from engine.options import EngineOptions
from engine.search.limits import Limits
from tests.boards import board_after
from tests.stand_ins import StandIn

NODES = (100, 400, 1600)
BLUNDERS = (("f3 e5", "g4"), ("g4 e5", "f3"))
POLICY_TEMPERATURE = EngineOptions().policy_temperature


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize(("moves", "blunder"), BLUNDERS)
def test_white_never_lets_the_fools_mate_happen(play, seen, moves, blunder, nodes):
    board = board_after(moves)
    board, refused = seen(board, board.parse_san(blunder))
    assert play(board, nodes) != refused


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("moves", ["f3 e5 g4", "g4 e5 f3"])
def test_black_gives_the_fools_mate(play, seen, moves, nodes):
    board = board_after(moves)
    board, mate = seen(board, board.parse_san("Qh4#"))
    assert play(board, nodes) == mate


class Deluded(StandIn):
    """A network stand-in that gives one move 0.9 of the policy and thinks the position after it is nearly won."""

    round_size = 16

    def __init__(self, board: chess.Board, move: chess.Move) -> None:
        self.key, self.code = int(row_from_board(board)[KEY]), encode_move(board, move)
        after = board.copy()
        after.push(move)
        self.key_after = int(row_from_board(after)[KEY])

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        for leaf in range(count):
            n = int(leaves.n_moves[leaf])
            leaves.logits[leaf, :n] = 0
            leaves.wdl[leaf] = 0.3, 0.4, 0.3
            leaves.moves_left[leaf] = 60
            if leaves.rows[leaf, KEY] == self.key:
                favourite = leaves.moves[leaf, :n] == self.code
                leaves.logits[leaf, :n][favourite] = POLICY_TEMPERATURE * np.log(9.0 * (n - 1))
            elif leaves.rows[leaf, KEY] == self.key_after:
                leaves.wdl[leaf] = 0.02, 0.03, 0.95


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize(("moves", "blunder"), BLUNDERS)
def test_a_net_that_loves_the_blunder_does_not_play_it(seen, moves, blunder, nodes):
    board = board_after(moves)
    board, refused = seen(board, board.parse_san(blunder))
    with Engine(EngineOptions(hash_mib=16, threads=1), evaluator=Deluded(board, refused)) as engine:
        engine.set_position(board)
        result = engine.search(Limits(nodes=nodes))
    tempted = next(child for child in result.children if child.move == refused)
    assert tempted.prior == pytest.approx(0.9, abs=0.01)
    assert tempted.mate == -1
    assert result.best_move != refused


@pytest.mark.parametrize("nodes", NODES)
def test_a_net_that_overlooks_the_mate_still_gives_it(seen, nodes):
    board = board_after("f3 e5 g4")
    favourite = seen(board, board.parse_san("Ke7"))[1]
    board, mate = seen(board, board.parse_san("Qh4#"))
    with Engine(EngineOptions(hash_mib=16, threads=1), evaluator=Deluded(board, favourite)) as engine:
        engine.set_position(board)
        assert engine.search(Limits(nodes=nodes)).best_move == mate
