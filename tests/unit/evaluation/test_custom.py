"""Networks of others as evaluators: planes, the places of moves, and what goes wrong with somebody
else's module.
"""

import gc
import json
import sys
import threading
import time
import weakref
from functools import partial
from types import SimpleNamespace

import chess
import numpy as np
import pytest

from engine import Engine, EngineOptions, Limits
from engine.cli.option_forms import uci_lines
from engine.errors import AinoError, ConfigError, EvaluatorError, ShapeError
from engine.evaluation import guest_thread
from engine.evaluation.custom import (
    GuestEvaluator,
    PlanesEvaluator,
    board_planes,
    legal_policy,
    load_custom,
)
from engine.evaluation.guest_thread import Guest
from engine.evaluation.leaf_batches import leaves_of
from engine.network.policy_map import INDEX_TO_UCI, POLICY_SIZE
from tests.boards import board_after
from tests.new_process import wait_until
from tests.unit.search.trees import FlatEvaluator, alone, search_nodes
from uci.loading.background import place_of

ADVICE = "g1f3"  # seen from the mover: Black's g8f6


class Advisor:
    """Always wants one move, and thinks that the mover wins."""

    batch = np.int64(4)

    def __init__(self):
        self.sizes = []

    def __call__(self, planes):
        assert planes.shape[1:] == (112, 8, 8)
        self.sizes.append(len(planes))
        logits = np.zeros((len(planes), POLICY_SIZE))
        logits[:, INDEX_TO_UCI.index(ADVICE)] = 10
        return logits, np.tile([0.6, 0.3, 0.1], (len(planes), 1))


@pytest.mark.parametrize("moves", ["", "e4"])
def test_the_move_that_a_network_wants_is_played_by_both_sides(moves):
    board = board_after(moves)
    network = Advisor()
    with alone(board, PlanesEvaluator(network)) as engine:
        result = search_nodes(engine, 40)
    assert result.best_move.uci() == ("g1f3" if board.turn else "g8f6")
    assert max(network.sizes) == Advisor.batch
    assert next(iter(legal_policy(board, network(board_planes([board]))[0][0]))) == result.best_move


def test_probabilities_of_legal_moves_follow_the_logits():
    board = chess.Board("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1")
    policy = legal_policy(board, np.random.default_rng(1).standard_normal(POLICY_SIZE))
    assert set(policy) == set(board.legal_moves)
    assert sum(policy.values()) == pytest.approx(1)
    assert list(policy.values()) == sorted(policy.values(), reverse=True)
    with pytest.raises(ShapeError, match=r"found \[1, 1858\]: .* such as logits\[0\]"):
        legal_policy(board, LOGITS)  # an IndexError


MODULE = """
import sys, threading, time
import numpy as np
made = []
class Net:
    def __init__(self):
        made.append(threading.current_thread())
    def __call__(self, planes):
        assert threading.current_thread() is made[0]
        return np.zeros((len(planes), 1858)), np.full((len(planes), 3), 1 / 3), np.full(len(planes), 12)
class Exits(Net):
    def __init__(self):
        sys.exit("no weights")
class Never(Net):
    def __init__(self):
        time.sleep(1e6)
class Zero(Net):
    batch = 0
class Property(Net):
    @property
    def batch(self):
        raise OSError("no device")
def evaluator():
    from engine.evaluation import MaterialEvaluator
    return MaterialEvaluator(1)
def number():
    return 1
def fails():
    raise RuntimeError("no weights here")
sys.path[:] = [folder for folder in sys.path if folder != sys.path[0]]
"""


def threads_of_users():
    return [thread for thread in threading.enumerate() if thread.name == "own"]


@pytest.fixture
def somewhere(tmp_path, monkeypatch):
    (tmp_path / "somebodys_module.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "somebodys_module", raising=False)


@pytest.mark.usefixtures("somewhere")
def test_a_class_in_the_current_folder_is_an_evaluator():
    before = threads_of_users()
    with Engine(EngineOptions(evaluator="somebodys_module:Net", threads=1)) as engine:
        assert engine.evaluator.name == "own"
        assert search_nodes(engine, 30).best_move in chess.Board().legal_moves
        assert len(sys.modules["somebodys_module"].made) == 1
        engine.set_options(EngineOptions(evaluator="material", threads=1))
        assert engine.evaluator.name == "material"
    assert load_custom("somebodys_module:evaluator").name == "material"
    wait_until(lambda: threads_of_users() == before)


def test_an_evaluator_of_ones_own_is_in_the_list_of_the_option():
    (line,) = [
        line for line in uci_lines(EngineOptions(evaluator="a.b:C")) if " Evaluator " in line
    ]
    assert "default a.b:C" in line
    assert "var sparse var a.b:C" in line


@pytest.mark.usefixtures("somewhere")
@pytest.mark.parametrize(
    ("place", "message"),
    [
        (
            "no_such_module:Net",
            r"ModuleNotFoundError: .* \(docs/own-network.md says what is expected\)",
        ),
        ("somebodys_module.py:number", "ModuleNotFoundError: .*somebodys_module"),
        ("somebodys_module:Number", "AttributeError: .*'Number'"),
        ("somebodys_module:number", "expected a callable or an Evaluator, got int"),
        ("somebodys_module:fails", "RuntimeError: no weights here"),
        ("somebodys_module:Exits", "SystemExit: no weights"),
        ("somebodys_module:Zero", "batch is 0"),
        ("somebodys_module:Property", "no device"),
    ],
)
def test_what_is_no_evaluator_is_said_and_leaves_no_thread(place, message):
    before = threads_of_users()
    with pytest.raises(AinoError, match=message) as caught:
        Engine(EngineOptions(evaluator=place))
    assert caught.value.option == "evaluator"
    wait_until(lambda: threads_of_users() == before)


# ---- networks that are wrong ---------------------------------------------------------------------


LOGITS = np.zeros((1, POLICY_SIZE))


def answering(logits=0.0, wdl=(0.2, 0.5, 0.3), plies=None, kind=np.float32):
    """A network that says the same of every position."""

    def network(planes):
        outputs = [
            np.full((len(planes), POLICY_SIZE), logits, kind),
            np.tile(np.array(wdl, kind), (len(planes), 1)),
        ]
        return outputs if plies is None else [*outputs, np.full(len(planes), plies, kind)]

    return network


@pytest.mark.parametrize("batch", [0, -3, "32", 32.0, None, True, np.float32(4)])
def test_a_batch_that_is_no_number_of_positions_is_refused(batch):
    network = answering()
    network.batch = batch
    with pytest.raises(ConfigError, match=r"batch is .*expected a whole number of at least 1"):
        PlanesEvaluator(network)


# What a network answers, and what is said of it.
WRONG = {
    "a chance that is no number": (answering(wdl=(np.nan, 0.5, 0.5)), "chances"),
    "chances that do not add up": (answering(wdl=(0.2, 0.2, 0.2)), "chances"),
    "logits in place of chances": (answering(wdl=(3.1, -0.4, 1.7)), "chances"),
    "a logit that is no number": (answering(logits=np.nan), "logits"),
    "a logit beyond float32": (answering(logits=1e300, kind=np.float64), "logits"),
    "plies that are no number": (answering(plies=np.nan), "plies left"),
    "nothing": (lambda planes: None, "NoneType: expected logits"),
    "lists of all lengths": (lambda planes: [[0.0, [1.0]], [0.3]], "list: expected"),
    "a dictionary": (lambda planes: dict.fromkeys(("policy", "wdl")), "dict: expected"),
    "complex numbers": (answering(kind=complex), "list: expected"),
    "too few logits": (lambda planes: (np.zeros((1, 10)), np.zeros((1, 3))), "expected logits"),
    "four outputs": (lambda planes: (LOGITS, np.zeros((1, 3)), [0], [0]), "expected logits"),
    "an end": (lambda planes: sys.exit(3), "SystemExit"),
    "an error": (lambda planes: 1 / 0, "ZeroDivisionError"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_answer_that_cannot_be_used_is_refused(case):
    network, words = WRONG[case]
    with pytest.raises(AinoError, match=words):
        PlanesEvaluator(network).evaluate(leaves_of([chess.Board()]), 1)


def test_a_wrong_answer_ends_one_search_alone():
    network = SimpleNamespace(answer=answering(wdl=(0.2, 0.2, 0.2)))
    evaluator = PlanesEvaluator(lambda planes: network.answer(planes), Guest("somebodys:Net"))
    with alone(evaluator=evaluator) as engine:
        engine._owns_evaluator = True  # With a cache, as by its name.
        engine._prepare()
        with pytest.raises(EvaluatorError, match="somebodys:Net"):
            search_nodes(engine, 40)
        network.answer = answering()
        result = search_nodes(engine, 40)
        assert result.nodes == 40
        assert sum(result.infos[0].wdl) == pytest.approx(1000, abs=1)


@pytest.mark.parametrize(
    "network",
    [
        answering(kind=np.float64),
        answering(wdl=(0.3333, 0.3333, 0.3333)),
        answering(plies=-0.25),  # As a regression may say of a mate.
        answering(logits=-np.inf),
        lambda planes: [np.zeros((POLICY_SIZE, 1)).T, np.full((3, 1), 1 / 3).T],
        lambda planes: [[[0] * POLICY_SIZE], [(0, 1, 0)]],
    ],
)
def test_numbers_in_other_forms_are_taken(network):
    leaves = leaves_of([chess.Board()])
    PlanesEvaluator(network).evaluate(leaves, 1)
    assert leaves.moves_left[0] >= 0.0


def test_an_evaluator_of_a_library_is_checked_too():
    class Wrong(FlatEvaluator):
        def evaluate(self, leaves, count):
            super().evaluate(leaves, count)
            leaves.wdl[:count] = (0.0, -1.0, 2.0)

    with alone(evaluator=Wrong()) as engine, pytest.raises(EvaluatorError, match="stand-in"):
        search_nodes(engine, 40)
    evaluator = SimpleNamespace(round_size=0, needs_planes=False)
    with pytest.raises(ConfigError, match="round_size is 0"):
        GuestEvaluator(evaluator, Guest("own"))


@pytest.mark.parametrize(
    "limits", [Limits(infinite=True), Limits(movetime_ms=20), Limits(ponder=True)]
)
def test_a_network_that_never_answers_ends_its_search_alone(limits, monkeypatch):
    monkeypatch.setattr(guest_thread, "PATIENCE_S", 0.1)
    answer = threading.Event()

    def slow(planes):
        answer.wait()
        return answering()(planes)

    with alone(evaluator=PlanesEvaluator(slow)) as engine:
        job = engine.start(limits)
        if limits.movetime_ms is None:
            time.sleep(0.2)
            assert not job.done()
            job.stop()
        with pytest.raises(EvaluatorError, match="has not answered"):
            job.result(120)
        answer.set()
        assert search_nodes(engine, 40).nodes == 40


def test_a_slow_network_gets_as_much_time_again_as_it_took_before(monkeypatch):
    monkeypatch.setattr(guest_thread, "PATIENCE_S", 0.01)
    guest = Guest("slow")
    guest.ask(lambda: time.sleep(1.2))
    guest.is_over = lambda: True
    guest.ask(lambda: time.sleep(0.05))
    with pytest.raises(EvaluatorError, match="slow has not answered"):
        guest.ask(lambda: time.sleep(30))


@pytest.mark.usefixtures("somewhere")
def test_a_class_that_is_never_made_is_given_up(monkeypatch):
    monkeypatch.setattr(guest_thread, "LONGEST_START_S", 0.1)
    monkeypatch.setattr(guest_thread, "PATIENCE_S", 0.1)
    with pytest.raises(EvaluatorError, match="somebodys_module:Never has not answered"):
        load_custom("somebodys_module:Never")


@pytest.mark.parametrize("is_given_up", [False, True])
def test_a_thread_that_waits_keeps_nothing_alive(is_given_up):
    """The last error and its traceback, or the last order, stayed alive until the next one."""

    def fails(mine):
        raise ValueError(len(mine))

    held = {1, 2, 3}
    gone = threading.Event()
    weakref.finalize(held, gone.set)
    guest = Guest("own")
    begin = threading.Event()
    guest._order(begin.wait)
    order = guest._order(partial(fails, held))
    if is_given_up:
        order.cancel()
    begin.set()
    del held, order
    wait_until(lambda: gc.collect() is None or gone.is_set())
    guest.end()


@pytest.mark.usefixtures("somewhere")
def test_kernels_are_compiled_without_somebodys_code():
    options = EngineOptions(evaluator="somebodys_module:Net", weights_file="somebodys.dit")
    choice = place_of(options, "own").choice
    assert "somebodys" not in choice
    assert load_custom(json.loads(choice)["evaluator"]).name == "own"
    network = Advisor()
    with alone(evaluator=PlanesEvaluator(network)) as engine:
        engine.warm_up()
        assert not network.sizes
        search_nodes(engine, 10)
        assert network.sizes
