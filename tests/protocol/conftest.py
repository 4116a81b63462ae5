"""The engines that the `universal` tests are run against, and what each of them is known to do
otherwise.
"""

import os
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.protocol.aino_process import COMMAND, START_S, EngineProcess
from tests.protocol.fake_engine import Conversation

OTHER_ENGINE = "AINO_TEST_ENGINE"  # environment variable: the command of one more engine
# needs no net, starts fast
SMALL = ["--evaluator", "material", "--hash-mib", "16", "--config", os.devnull]
DEVIATING_S = 2.0  # What is known never to come needs no patience.
SUBJECTS = ["aino", "stockfish"] + ["other"] * (OTHER_ENGINE in os.environ)
DEVIATIONS = tomllib.loads(Path(__file__).with_name("deviations.toml").read_text())


@pytest.fixture
def talk():
    return Conversation()


@dataclass
class Subject:
    """An engine under test: `process` is shared by the tests of a module and idle between them."""

    command: list[str]
    process: EngineProcess
    greeting: list[str]  # the answer to `uci`

    @property
    def family(self):
        """The first word of the engine's name, in lower case: its table in deviations.toml."""
        name = next(line for line in self.greeting if line.startswith("id name "))
        return name.split()[2].lower()


@pytest.fixture(scope="module", params=SUBJECTS)
def subject(request):
    """Each engine in turn."""
    if request.param == "aino":
        command = [*COMMAND, *SMALL]
    elif request.param == "stockfish":
        command = [request.getfixturevalue("stockfish")]
    else:
        command = shlex.split(os.environ[OTHER_ENGINE])
    with EngineProcess(command) as process:
        process.send("uci")
        greeting = process.read_until("uciok", START_S)
        process.ready()
        yield Subject(command, process, greeting)


@pytest.fixture(autouse=True)
def known_deviation(request, monkeypatch):
    """Expects a listed deviation to be there: a line that the engine learnt must leave the list."""
    if request.node.get_closest_marker("universal") is None:
        return
    family = request.getfixturevalue("subject").family
    parameters = [
        str(value) for name, value in request.node.callspec.params.items() if name != "subject"
    ]
    key = "-".join([request.node.originalname, *parameters])
    if reason := DEVIATIONS.get(family, {}).get(key):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
        monkeypatch.setattr(request.module, "PROMPTLY_S", DEVIATING_S)
