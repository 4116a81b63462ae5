"""Engines for the regression tests: one an evaluator, kept for the whole run because nothing is
learnt between searches.
"""

import chess
import pytest

from engine import Engine
from engine.errors import NetFileError
from engine.evaluation import HybridEvaluator, MaterialEvaluator, NetworkEvaluator, make_evaluator
from engine.network.weights import load_network
from engine.options import EngineOptions
from tests.unit.network.fused_tower import untrained
from tests.unit.search.trees import search_nodes


def _shipped_net():
    try:
        return load_network()
    except NetFileError as error:
        pytest.skip(f"no shipped net: {error}")


EVALUATORS = {
    "material": MaterialEvaluator,
    "untrained network": lambda: NetworkEvaluator(untrained("16x2", 7)),
    "untrained hybrid": lambda: HybridEvaluator(NetworkEvaluator(untrained("16x2", 7))),
    "network": lambda: NetworkEvaluator(_shipped_net()),
    "hybrid": lambda: HybridEvaluator(NetworkEvaluator(_shipped_net())),
    "sparse": lambda: make_evaluator("sparse"),
}


@pytest.fixture(scope="session", params=list(EVALUATORS))
def search(request):
    """search(board, nodes): what a search from a fresh tree finds, once for every evaluator."""
    yield from _searcher(request.param)


@pytest.fixture(scope="session")
def search_material():
    """The same for the evaluator that needs no net."""
    yield from _searcher("material")


def _searcher(name):
    evaluator = EVALUATORS[name]()
    with Engine(EngineOptions(hash_mib=32, threads=1), evaluator=evaluator) as engine:

        def search(board, nodes):
            engine.new_game()
            engine.set_position(board)
            return search_nodes(engine, nodes)

        yield search
    evaluator.close()


@pytest.fixture(params=[False, True], ids=["as played", "colours mirrored"])
def seen(request):
    """seen(board, move): both as they were played, or with the colours exchanged."""
    if not request.param:
        return lambda board, move: (board, move)

    def mirrored(board, move):
        squares = chess.square_mirror(move.from_square), chess.square_mirror(move.to_square)
        return board.mirror(), chess.Move(*squares, move.promotion)

    return mirrored
