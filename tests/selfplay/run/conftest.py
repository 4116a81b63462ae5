"""What several tests of runs begin with, made once."""

from collections.abc import Iterator

import pytest

from selfplay.run.folder import RunFolder
from selfplay.run.phases import run_generations
from selfplay.run.playing import GenerationTask
from tests.selfplay.run.crews import NUMBERS, games_here, never, open_run, tiny_task


@pytest.fixture(scope="session")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """A run with one generation to which nothing happened; tests only read it."""
    run = open_run(tmp_path_factory.mktemp("straight"))
    assert run_generations(run, 1, never)
    yield run
    run.close()


@pytest.fixture(scope="session")
def task(tmp_path_factory: pytest.TempPathFactory) -> GenerationTask:
    return tiny_task(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="session")
def expected(task: GenerationTask) -> dict[int, bytes]:
    """The games of NUMBERS as this process plays them."""
    return games_here(task, NUMBERS)
