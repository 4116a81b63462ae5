"""Playing the games of a task: the same games in any company, in batches and inside the kernel."""

import pickle
from dataclasses import replace

import pytest

from engine.search.tree.params import SearchParams
from selfplay.games.game_settings import GameSettings, SearchSettings
from selfplay.games.seats import game_params
from selfplay.matches.opening_book import OpeningRows, load_openings
from selfplay.run.config import configured
from selfplay.run.phase_games import GenerationTask
from tests.selfplay.run.crews import games_here, network_file, tiny_task

SETTINGS = GameSettings(
    visits=12, fast_visits=6, full_share=0.5, concurrent=3, longest=24, temperature_plies=8
)
NUMBERS = [0, 1, 2, 3, 7]


@pytest.fixture(scope="module", params=["sparse-128", "8x1"])
def task(request, tmp_path_factory):
    """A generation of small games of a random network of each family."""
    net = network_file(tmp_path_factory.mktemp("net") / "net.dit", request.param)
    openings = OpeningRows(load_openings()[:20])
    return GenerationTask(3, 1, SETTINGS, (net,), openings)


def test_games_do_not_depend_on_company_or_process(task):
    together = games_here(task, NUMBERS)
    assert sorted(together) == NUMBERS
    assert len(set(together.values())) == len(NUMBERS)
    assert games_here(task, reversed(NUMBERS)) == together
    elsewhere = pickle.loads(pickle.dumps(task))
    assert games_here(elsewhere, [3]) == {3: together[3]}


def test_constants_of_the_search_are_those_of_the_options(tmp_path):
    assert game_params(SearchSettings()) == SearchParams(mate_moves=1)
    task = tiny_task(tmp_path, visits=16, longest=12)
    wide = replace(task, search=SearchSettings(cpuct_init=20.0, fpu_reduction=0.0))
    assert games_here(task, [0]) == games_here(replace(task, search=SearchSettings()), [0])
    assert games_here(wide, [0]) != games_here(task, [0])
    assert configured({"search": {"cpuct_init": 2}}).search.cpuct_init == 2.0
