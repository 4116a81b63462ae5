"""Networks of others as evaluators: planes, the places of moves, and what goes wrong with somebody else's module."""

import os
from pathlib import Path

import chess
import numpy as np
import pytest

from engine import Engine, EngineOptions, Limits
from engine.cli.option_forms import uci_lines
from engine.errors import ConfigError, ShapeError
from engine.evaluation.leaves import leaves_of
from engine.evaluation.own import PlanesEvaluator, board_planes, legal_policy, load_own
from engine.network.planes import fill_planes
from engine.network.policy_map import INDEX_TO_UCI, POLICY_SIZE
from tests.boards import board_after

GAMES = ("", "e4 c5 Nf3", "d4 d5 c4 dxc4 e4 b5", "Nf3 Nf6 Ng1 Ng8 Nf3 Nf6", "e4 e5 Nf3 Nc6 Bb5 a6 O-O")
ADVICE = "g1f3"  # seen from the mover: Black's g8f6


class Advisor:
    """Always wants one move, and thinks that the mover wins."""

    batch = 4

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert planes.shape[1:] == (112, 8, 8)
        self.sizes.append(len(planes))
        logits = np.zeros((len(planes), POLICY_SIZE))
        logits[:, INDEX_TO_UCI.index(ADVICE)] = 10
        return logits, np.tile([0.6, 0.3, 0.1], (len(planes), 1))


def test_planes_are_those_that_towers_read() -> None:
    boards = [board_after(moves) for moves in GAMES]
    expected = np.zeros((len(GAMES), 8, 8, 112), np.float32)
    fill_planes(leaves_of(boards).masks[: len(GAMES)], expected)
    assert np.array_equal(board_planes(boards), expected.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("moves", ["", "e4"])
def test_the_move_that_a_network_wants_is_played_by_both_sides(moves: str) -> None:
    board, network = board_after(moves), Advisor()
    with Engine(EngineOptions(threads=1), PlanesEvaluator(network)) as engine:
        engine.set_position(board)
        result = engine.search(Limits(nodes=40))
    assert result.best_move == (chess.Move.from_uci("g1f3") if board.turn else chess.Move.from_uci("g8f6"))
    assert max(network.sizes) <= Advisor.batch
    assert next(iter(legal_policy(board, network(board_planes([board]))[0][0]))) == result.best_move


def test_probabilities_of_legal_moves_add_up_to_one_and_follow_the_logits() -> None:
    board = chess.Board("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1")
    policy = legal_policy(board, np.random.default_rng(1).standard_normal(POLICY_SIZE))
    assert set(policy) == set(board.legal_moves)
    assert sum(policy.values()) == pytest.approx(1)
    assert list(policy.values()) == sorted(policy.values(), reverse=True)


@pytest.mark.parametrize(
    "shapes", [((1, 10), (1, 3)), ((1, 1858), (3,)), ((1, 1858),), ((1, 1858), (1, 3), (1,), (1,))]
)
def test_outputs_of_another_shape_are_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    leaves = leaves_of([chess.Board()])
    with pytest.raises(ShapeError, match=r"expected logits \[1, 1858\]"):
        PlanesEvaluator(lambda planes: [np.zeros(shape) for shape in shapes]).evaluate(leaves, 1)


MODULE = """
import numpy as np
class Net:
    def __call__(self, planes):
        return np.zeros((len(planes), 1858)), np.full((len(planes), 3), 1 / 3), np.full(len(planes), 12)
def evaluator():
    from engine.evaluation import MaterialEvaluator
    return MaterialEvaluator(1)
def number():
    return 1
def fails():
    raise RuntimeError("no weights here")
"""


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somebodys_module.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("somewhere")
def test_a_class_in_the_current_folder_is_an_evaluator() -> None:
    with Engine(EngineOptions(evaluator="somebodys_module:Net", threads=1)) as engine:
        assert engine.evaluator.name == "own"
        assert engine.search(Limits(nodes=30)).best_move in chess.Board().legal_moves
        engine.set_options(EngineOptions(evaluator="material", threads=1))
        assert engine.evaluator.name == "material"
    assert load_own("somebodys_module:evaluator").name == "material"


def test_python_chess_refused_an_engine_whose_evaluator_is_not_in_its_list() -> None:
    (line,) = [line for line in uci_lines(EngineOptions(evaluator="a.b:C")) if " Evaluator " in line]
    assert "default a.b:C" in line
    assert "var sparse var a.b:C" in line


@pytest.mark.usefixtures("somewhere")
@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("no_such_module:Net", "ModuleNotFoundError"),
        ("somebodys_module:Nothing", "AttributeError"),
        ("somebodys_module:number", "expected a callable or an Evaluator, got int"),
        ("somebodys_module:fails", "RuntimeError: no weights here"),
        (":", "ValueError"),
    ],
)
def test_what_is_no_evaluator_is_said(place: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_own(place)


@pytest.mark.skipif(os.name != "posix", reason="removes the current folder")
def test_in_a_folder_that_was_removed_nothing_is_an_evaluator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        load_own("somebodys_module:Net")
