"""What kernels of the search are told."""

from dataclasses import replace
from typing import get_type_hints

import chess
import pytest

from engine import EngineOptions
from engine.search.tree.arrays import ROOT
from engine.search.tree.params import LC0, SearchParams, params_of
from tests.unit.search.trees import IN_KERNEL, alone, searched


@pytest.mark.parametrize(
    ("evaluator", "own"), [("material", (0.0, 0.0, False)), ("sparse", (0.7, 0.09, True))]
)
def test_parameters_are_those_measured_with_the_evaluator(evaluator, own):
    with alone(evaluator=evaluator) as engine:
        assert own_parameters(engine) == own
        engine.set_options(replace(engine.options, cpuct_deviation=0.3))
        assert own_parameters(engine) == (0.3, *own[1:])
        engine.set_options(replace(engine.options, preset="lc0"))
        assert own_parameters(engine) == (0.0, 0.0, False)


def own_parameters(engine):
    params = engine._params()
    return params.cpuct_deviation, params.tempo, params.fpu_linear


def test_a_value_counts_less_the_tempo_of_the_side_to_move():
    plain, search = (
        searched(chess.STARTING_FEN, 1, IN_KERNEL._replace(mate_moves=1, tempo=tempo))
        for tempo in (0.0, 0.1)
    )
    value = -plain.tree.value_sum[ROOT]
    assert -search.tree.value_sum[ROOT] == pytest.approx(value - 0.1 * (1.0 - value * value))


@pytest.mark.parametrize("params", [SearchParams(), LC0, params_of(EngineOptions())])
def test_every_parameter_has_the_type_that_is_compiled(params):
    """`draw_score` was 0 until somebody set it, and 0.0 from then on: 16 of the 62 CPU seconds of a
    first start.
    """
    kinds = {name: type(value) for name, value in params._asdict().items()}
    assert kinds == get_type_hints(SearchParams)
