"""What kernels of the search are told."""

from typing import get_type_hints

import pytest

from engine.options import EngineOptions
from engine.search.tree.params import LC0, SearchParams, params_of


@pytest.mark.parametrize("params", [SearchParams(), LC0, params_of(EngineOptions())], ids=["own", "lc0", "options"])
def test_an_integer_among_the_parameters_had_the_whole_search_compiled_twice(params: SearchParams) -> None:
    """`draw_score` was 0 until somebody set it, and 0.0 from then on: 16 of the 62 CPU seconds of a first start."""
    kinds = {name: type(value) for name, value in params._asdict().items()}
    assert kinds == get_type_hints(SearchParams)
