"""The value of a position is that of the calm position to which winning captures lead."""

from __future__ import annotations

import chess
import numpy as np
import pytest

from engine.board.convert import row_from_board
from engine.board.fen import parse_fen
from engine.evaluation.leaves import fill_leaf
from engine.evaluation.protocol import new_leaf_batch
from engine.evaluation.sparse import SparseEvaluator
from engine.network.sparse.inference import SparseNet, TwoTrunkModel
from engine.network.sparse.model import build_sparse
from engine.network.sparse.parameters import SparseConfig
from engine.network.sparse.value_inference import value_trunk_outputs
from engine.network.sparse.value_settling import MOST_PLIES, MOST_VALUES, settled_outputs
from engine.tactics.see import see

CONFIG = SparseConfig.parse("sparse-128+v128")


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    """Random weights whose outputs differ much between positions."""
    rng = np.random.default_rng(3)
    network = build_sparse(CONFIG, rng)
    for name, array in network.named_parameters().items():
        if name.startswith("value_trunk"):
            array *= 3
            array += rng.normal(0, 0.1, array.shape).astype(np.float32)
    return dict(network.named_parameters())


@pytest.fixture(scope="module")
def net(tensors) -> SparseNet:
    return SparseNet(tensors, CONFIG)


@pytest.fixture
def model(net) -> TwoTrunkModel:
    made = net.new_model()
    assert isinstance(made, TwoTrunkModel)
    return made


def plain(model: TwoTrunkModel, board: chess.Board) -> np.ndarray:
    """The trunk's own outputs."""
    value_trunk_outputs(model.value, row_from_board(board))
    return model.value.outputs[:4].copy()


def settled(model: TwoTrunkModel, board: chess.Board) -> np.ndarray:
    settled_outputs(model.value, model.settling, row_from_board(board))
    assert 1 <= model.settling.values[0] <= MOST_VALUES
    return model.settling.outputs[0, :4].copy()


def score(outputs: np.ndarray) -> float:
    chances = np.exp(outputs[:3].astype(np.float64))
    return float((chances[0] - chances[2]) / chances.sum())


def turned(outputs: np.ndarray) -> np.ndarray:
    """For the other side."""
    return outputs[[2, 1, 0, 3]]


def winning(board: chess.Board) -> list[chess.Move]:
    """Captures and promotions to a queen, and no others, that win material by static exchange."""
    row, found = row_from_board(board), []
    for move in board.legal_moves:
        code = move.from_square | move.to_square << 6 | ((move.promotion or 1) - 1) << 12
        forcing = board.is_capture(move) or move.promotion == chess.QUEEN
        if forcing and move.promotion in (None, chess.QUEEN) and see(row, code) > 0:
            found.append(move)
    return found


def by_reference(model: TwoTrunkModel, board: chess.Board, plies: int, seen: list[str]) -> np.ndarray:
    """Every line to its end, without a window; `seen` gains every position evaluated."""
    best = plain(model, board)
    seen.append(board.fen())
    for move in winning(board) if plies else []:
        after = board.copy(stack=False)
        after.push(move)
        found = turned(by_reference(model, after, plies - 1, seen))
        if score(found) > score(best):
            best = found
    return best


def random_boards(chess960: bool, count: int) -> list[chess.Board]:
    """Positions of random games, in which pieces hang everywhere."""
    rng, boards = np.random.default_rng(8), []
    while len(boards) < count:
        board = chess.Board.from_chess960_pos(int(rng.integers(960))) if chess960 else chess.Board()
        for _ in range(int(rng.integers(4, 90))):
            if board.is_game_over():
                break
            moves = list(board.legal_moves)
            board.push(moves[rng.integers(len(moves))])
        if any(board.legal_moves):
            boards.append(board)
    return boards


@pytest.mark.parametrize("chess960", [False, True])
def test_it_finds_what_a_search_of_all_lines_finds(model, chess960):
    lines = bounded = improved = full = 0
    for board in random_boards(chess960, 250):
        seen: list[str] = []
        expected = by_reference(model, board, MOST_PLIES, seen)
        found = settled(model, board)
        full += model.settling.values[0] == MOST_VALUES
        if len(seen) <= MOST_VALUES:
            assert found.tobytes() == expected.tobytes(), board.fen()
            lines += len(seen) > 2
        else:
            assert score(found) >= score(plain(model, board))
            bounded += 1
        improved += score(found) > score(plain(model, board))
    assert min(lines, bounded, improved) > 10
    assert full > 0


@pytest.mark.parametrize(
    ("fen", "move"),
    [
        ("4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1", "e4d5"),
        ("4k3/8/8/4p3/3Q4/8/8/4K3 b - - 0 1", "e5d4"),
        ("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 2", "e5d6"),  # en passant
        ("8/P6k/8/8/8/8/8/4K3 w - - 0 1", "a7a8q"),
        ("nn5k/P7/8/8/8/8/8/4K3 w - - 0 1", "a7b8q"),
        ("4k3/8/8/8/8/8/3q4/4K3 w - - 0 1", "e1d2"),  # out of check
        ("4k3/8/8/8/8/8/5rPP/R5KR w Q - 0 1", "g1f2"),  # Chess960: castling is no capture
    ],
)
def test_a_capture_that_wins_is_played_if_its_position_is_better(model, fen, move):
    board = chess.Board(fen, chess960=True)
    assert [one.uci() for one in winning(board)] == [move]
    before = plain(model, board)
    board.push_uci(move)
    after = turned(plain(model, board))
    board.pop()
    expected = max(before, after, key=score)
    np.testing.assert_array_equal(settled(model, board), expected)
    assert model.settling.values[0] == 2


@pytest.mark.parametrize(
    "fen",
    [
        chess.STARTING_FEN,
        "4k3/2p5/3p4/8/4N3/8/8/4K3 w - - 0 1",  # a defended pawn
        "4k3/2p5/3n4/8/4N3/8/8/4K3 w - - 0 1",  # a knight for a knight wins nothing
        "7k/8/8/8/8/4b3/3P4/2K5 b - - 0 1",  # a bishop for a pawn
    ],
)
def test_a_position_without_a_winning_capture_keeps_its_own_outputs(model, fen):
    board = chess.Board(fen)
    assert not winning(board)
    np.testing.assert_array_equal(settled(model, board), plain(model, board))
    assert model.settling.values[0] == 1


def test_a_second_thread_and_another_order_give_the_same_bits(net, model):
    rows = [row_from_board(board) for board in random_boards(False, 40)]
    other = net.new_model()
    assert isinstance(other, TwoTrunkModel)
    there = [settled(model, chess.Board(chess.STARTING_FEN))]
    for row in rows:
        settled_outputs(model.value, model.settling, row)
        there.append(model.settling.outputs[0, :4].copy())
    for row, expected in reversed(list(zip(rows, there[1:], strict=True))):
        settled_outputs(other.value, other.settling, row)
        assert other.settling.outputs[0, :4].tobytes() == expected.tobytes()


def value_of(net: SparseNet, board: chess.Board) -> float:
    """Q by an evaluator."""
    leaves = new_leaf_batch(1)
    fill_leaf(leaves, 0, row_from_board(board)[None])
    evaluator = SparseEvaluator(net)
    evaluator.evaluate(leaves, 1)
    evaluator.close()
    return float(leaves.wdl[0, 0] - leaves.wdl[0, 2])


def test_an_evaluator_takes_the_mean_of_the_settled_value_and_the_other_trunks(tensors, net, model):
    board = parse_fen("4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1")
    other = value_of(SparseNet(tensors, SparseConfig.parse("sparse-128")), board)
    found = score(settled(model, board))
    assert abs(found - score(plain(model, board))) > 0.01
    assert value_of(net, board) == pytest.approx((found + other) / 2, abs=1e-6)
