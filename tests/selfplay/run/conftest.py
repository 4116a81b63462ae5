"""What several tests of runs begin with, made once."""

import shutil

import pytest

from selfplay.run.ledger import Ledger, Phase
from tests.selfplay.run.crews import NUMBERS, finish_generation, games_here, open_run, tiny_task


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    """Closes the run databases that the test has opened."""
    opened = []
    open_file = Ledger.__init__

    def remembered(ledger, path, is_copy=False):
        open_file(ledger, path, is_copy)
        opened.append(ledger)

    monkeypatch.setattr(Ledger, "__init__", remembered)
    yield
    for ledger in opened:
        ledger.close()


@pytest.fixture(scope="session")
def straight(tmp_path_factory):
    """A run with one generation to which nothing happened; tests only read it."""
    run = open_run(tmp_path_factory.mktemp("straight"))
    finish_generation(run)
    yield run
    run.close()


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    """The folder of a run whose first games are played and not yet learned from."""
    run = open_run(tmp_path_factory.mktemp("played"))
    finish_generation(run, Phase.FIT)
    run.close()
    return run.path


@pytest.fixture
def generated(played, tmp_path):
    """The test's own copy of that run."""
    shutil.copytree(played, tmp_path, dirs_exist_ok=True)
    return open_run(tmp_path)


@pytest.fixture
def finished(straight, tmp_path):
    """The test's own copy of the run with one generation."""
    shutil.copytree(straight.path, tmp_path, dirs_exist_ok=True)
    return open_run(tmp_path)


@pytest.fixture(scope="session")
def task(tmp_path_factory):
    return tiny_task(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="session")
def expected(task):
    """The games of NUMBERS as this process plays them."""
    return games_here(task, NUMBERS)
