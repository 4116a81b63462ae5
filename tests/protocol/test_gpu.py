"""A GPU that fails costs nothing but its speed: the same network plays on, with the same Hash, and
one line says so.
"""

import threading

import numpy as np
import pytest

from engine.backend import get_backend
from engine.evaluation.device import DeviceEvaluator
from engine.network.tower.tower_model import TowerConfig
from engine.nn import dit
from engine.options import EngineOptions
from engine.player import Engine
from tests.boards import board_after
from tests.protocol.fake_engine import Conversation
from tests.strict_cupy import CUDARuntimeError
from tests.unit.network.fused_tower import random_model
from tests.unit.search.trees import search_nodes

pytestmark = pytest.mark.usefixtures("small_parts")
LOST = CUDARuntimeError("cudaErrorLaunchFailure: unspecified launch failure")
PLAYS, INSTEAD = "; the network plays with Backend numpy", "; using Backend auto"
MOVES = "position startpos moves e2e4 e7e5"


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "small.dit"
    dit.save(path, random_model(TowerConfig(16, 1), np.random.default_rng(7)))
    return path


def warm_engine(options):
    engine = Engine(options)
    engine.warm_up()
    return engine


@pytest.fixture
def talk(net):
    """A conversation on the small tower, with another Hash than usual."""
    conversation = Conversation(warm_engine)
    conversation.say(f"setoption name WeightsFile value {net}", "setoption name Hash value 9")
    conversation.say("setoption name Threads value 1", "setoption name TacticalNodes value 0")
    yield conversation
    if conversation.engine is not None:
        conversation.engine.close()


def about_gpu(talk):
    return [text for text in talk.infos() if not text.startswith("loading the engine")]


def plays_on(talk, net):
    """The user's network and Hash are in use, and find what the processor finds."""
    options = EngineOptions(
        backend="numpy", weights_file=str(net), hash_mib=9, threads=1, tactical_nodes=0.0
    )
    seen = talk.engine.options
    assert seen.weights_file == options.weights_file
    assert seen.hash_mib == options.hash_mib
    assert not any("search failed" in text for text in talk.infos())
    count = len(talk.answers("bestmove"))
    talk.say("ucinewgame", MOVES, "go nodes 200")
    move = talk.wait_for("bestmove", count + 1)[-1].split()[1]
    with Engine(options) as processor:
        processor.set_position(board_after("e4 e5"))
        assert move == str(search_nodes(processor, 200).best_move)


# Which backend is asked for, whether the check of the device succeeds, and how the lines begin and
# end that are said.
LOADS = {
    "checked": (
        "auto",
        False,
        [("a GPU answers, but a stand-in failed while it was checked", PLAYS)],
    ),
    "loading": ("auto", True, [("", "; the same network plays on with Backend numpy")]),
    "named": (
        "cupy",
        False,
        [("backend 'cupy' needs the cupy package and a GPU that computes", INSTEAD), ("", PLAYS)],
    ),
}


@pytest.mark.parametrize("when", LOADS)
def test_a_device_that_fails_at_load_leaves_the_network_to_the_processor(when, device, talk, net):
    backend, passes, expected = LOADS[when]
    if passes:
        get_backend("cupy")
    device.fail("wait", LOST, after=3 * passes)
    talk.say(f"setoption name Backend value {backend}", "isready")
    news = about_gpu(talk)
    for line, (begin, end) in zip(news, expected, strict=True):
        assert line.startswith(begin)
        assert line.endswith(end)
    assert when == "named" or str(LOST) in news[0]
    plays_on(talk, net)


def test_device_that_fails_in_the_middle_of_a_game_costs_one_line(device, talk, net):
    talk.say("setoption name Backend value cupy", "isready")
    talk.say(MOVES, "go nodes 60")
    talk.wait_for("bestmove")
    assert not about_gpu(talk)
    talk.say("ucinewgame")
    device.fail("wait", LOST, after=1)
    talk.say(MOVES, "go nodes 60")
    talk.wait_for("bestmove", 2)
    (line,) = about_gpu(talk)
    assert line.startswith("a stand-in failed while positions were evaluated")
    assert line.endswith("; the same network plays on with Backend numpy")
    assert str(LOST) in line
    tree = talk.engine._search
    assert tree.visits >= 60
    plays_on(talk, net)
    assert talk.engine._search is tree
    assert talk.engine._visits.most_leaves == 64  # batches of the processor's size from now on


def test_answers_that_are_no_numbers_cost_one_line(device, talk, net):
    talk.say("setoption name Backend value cupy", "isready")
    network = talk.engine.evaluator._network
    network._tower._parameters["wdl.dense2.bias"] *= float("nan")
    device.null.synchronize()
    talk.say(MOVES, "go nodes 60")
    talk.wait_for("bestmove")
    (line,) = about_gpu(talk)
    assert "expected chances of win, draw and loss" in line
    assert line.endswith("; the same network plays on with Backend numpy")
    plays_on(talk, net)


@pytest.mark.parametrize(
    ("device_s", "processor_s", "begin"),
    [
        (0.002, 0.03, "a stand-in plays (Backend cupy): 20 positions in 2.0 ms, the processor takes 30"),
        (0.03, 0.002, "a stand-in takes 30 ms for 20 positions, the processor 2; the same network plays on"),
    ],
)  # fmt: skip
def test_auto_takes_the_faster_device(device_s, processor_s, begin, device, talk, net, monkeypatch):
    def seconds(self, evaluate, *_):
        evaluate(*_[:1], 1)
        return device_s if "_fly" in repr(evaluate) else processor_s

    monkeypatch.setattr(DeviceEvaluator, "_seconds", seconds)
    talk.say("isready")
    (line,) = about_gpu(talk)
    assert line.startswith(begin)
    device.counts.clear()
    plays_on(talk, net)
    assert (device.counts["product"] > 0) == (device_s < processor_s)


@pytest.mark.parametrize("fails", [False, True])
def test_the_tree_gathers_while_another_thread_waits_for_the_device(
    fails, device, talk, monkeypatch
):
    monkeypatch.setattr("engine.search.batches.BATCHED_VISITS_PER_LEAF", 1)
    threads = []
    fly = DeviceEvaluator._fly

    def noted(self, *given):
        threads.append(threading.current_thread().name)
        fly(self, *given)

    talk.say("setoption name Threads value 2", "setoption name Backend value cupy", "isready")
    monkeypatch.setattr(DeviceEvaluator, "_fly", noted)
    if fails:
        device.fail("product", LOST, after=120)
    talk.say(MOVES, "go nodes 300")
    talk.wait_for("bestmove")
    assert talk.engine._search.visits >= 300
    assert len(about_gpu(talk)) == int(fails)
    assert any(name.startswith("evaluate") for name in threads), threads
