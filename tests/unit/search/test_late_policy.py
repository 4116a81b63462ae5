"""Nodes that get their policy and edges at their second visit: the same tree with half the edges."""

import pytest

from engine.evaluation.material import MaterialEvaluator
from engine.evaluation.sparse import SparseEvaluator
from engine.search.report import outline
from engine.search.tree.arrays import EDGES, NODES
from tests.unit.evaluation.test_evaluation import small_sparse_net
from tests.unit.search.trees import IN_KERNEL, searched

POSITIONS = (
    "r1bq1rk1/ppp2ppp/2np1n2/2b1p3/2B1P3/2NP1N2/PPP2PPP/R1BQ1RK1 w - - 0 7",
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
)


EVALUATORS = (
    pytest.param(MaterialEvaluator(), id="material"),
    # Its search is compiled for this test alone.
    pytest.param(
        SparseEvaluator(small_sparse_net("sparse-128", 3)), id="one trunk", marks=pytest.mark.slow
    ),
    pytest.param(SparseEvaluator(small_sparse_net(seed=3)), id="two trunks"),
)


def searched_by(evaluator, fen, late):
    # The shares that these tests expect were measured with this exploration.
    params = IN_KERNEL._replace(cpuct_init=1.745, late_policy=late, draw_score=0.1)
    return searched(fen, 1500, params, 3000, evaluator=evaluator)


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("fen", POSITIONS)
def test_the_tree_is_that_of_a_policy_at_the_first_visit(evaluator, fen):
    late, early = (searched_by(evaluator, fen, late) for late in (True, False))
    assert outline(late, 1, 300) == outline(early, 1, 300)
    assert late.root().position == early.root().position
    assert late.tree.counters[NODES] == early.tree.counters[NODES]
    assert late.tree.counters[EDGES] < 0.75 * early.tree.counters[EDGES]
