"""A search that an exception ends, wherever, leaves nothing behind that the next one could meet."""

import sys

import chess
import pytest

from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from engine.search.tactical_priors import TacticalPriors
from tests.unit.search.trees import FlatEvaluator, Tables, search_nodes

NODES = 300
# Nobody may castle, so that endgame tables are asked about captures and pawn moves.
MIDDLEGAME = chess.Board("r4rk1/1pp2ppp/p1np1n2/4p3/4P3/P1NP1N2/1PP2PPP/R4RK1 w - - 0 1")


class CtrlC:
    """Raises KeyboardInterrupt when this thread calls the n-th function of the engine, or returns
    from it.
    """

    def __init__(self, n):
        self.left = n

    def __call__(self, frame, event, argument):
        code = frame.f_code
        # What is raised while a generator expression is thrown away is lost, as Python documents.
        if (
            event in ("call", "return")
            and "/engine/" in code.co_filename
            and code.co_name != "<genexpr>"
        ):
            self.left -= 1
            if self.left == 0:
                sys.setprofile(None)
                raise KeyboardInterrupt

    def during(self, engine, limits):
        sys.setprofile(self)
        try:
            engine.search(limits, lambda infos: None)
        finally:
            sys.setprofile(None)


def outcome(result):
    return (
        result.best_move,
        result.nodes,
        [(child.move, child.visits, child.q) for child in result.children],
    )


def make(kind, threads=1, **options):
    options = EngineOptions(hash_mib=8, threads=threads, evaluator="material", seed=1, **options)
    engine = Engine(options, FlatEvaluator() if kind == "batches" else None)
    if kind == "tables":
        engine._tablebase = Tables(largest=32)
    return engine


def prepare(engine):
    """A search before, whose tree the next one keeps; returns the next one's position."""
    engine.set_position(MIDDLEGAME)
    first = search_nodes(engine, NODES)
    board = MIDDLEGAME.copy()
    board.push(first.best_move)
    board.push(first.ponder_move)
    engine.set_position(board)
    return board


@pytest.mark.parametrize("kind", ["walkers", "batches", "tables"])
def test_a_search_after_one_that_ctrl_c_ended_anywhere_is_as_good_as_new(kind):
    limits = Limits(nodes=NODES)
    step = 1
    reached = 0
    with make(kind, multi_pv=2) as fresh, make(kind, multi_pv=2) as engine:
        fresh.set_position(prepare(engine))
        # The latter from the tree before.
        expected = [outcome(fresh.search(limits)), outcome(engine.search(limits))]
        while True:
            engine.new_game()
            prepare(engine)
            try:
                CtrlC(step).during(engine, limits)
            except KeyboardInterrupt:
                reached += 1
            else:
                break
            assert outcome(engine.search(limits)) in expected, f"after {step} steps"
            step += 1 + step // 4
    assert reached > 15


@pytest.mark.parametrize("kind", ["walkers", "batches", "tables"])
def test_searches_of_several_threads_end_after_ctrl_c(kind):
    with make(kind, threads=3) as engine:
        for step in (40, 90, 150, 250, 400):
            engine.new_game()
            prepare(engine)
            with pytest.raises(KeyboardInterrupt):
                CtrlC(step).during(engine, Limits(infinite=True))
            assert engine.tree(1) == ()
            assert search_nodes(engine, NODES).nodes >= NODES


def test_a_search_after_one_that_ctrl_c_ended_in_the_tables_ends():
    limits = Limits(nodes=6000)  # Visits begin in groups below the root, of which some are left.
    with make("tables") as engine:
        engine.set_position(MIDDLEGAME)
        expected = outcome(engine.search(limits))
        for questions in (500, 1000, 1500, 1501, 1502, 1503):
            engine.new_game()
            engine._tablebase.left = questions
            with pytest.raises(KeyboardInterrupt):
                engine.search(limits)
            assert outcome(engine.search(limits)) == expected


class Listener:
    """Listens to the lines of a search."""

    def hear(self, infos):
        pass


# What fails in a search: a class and its method, and how the search makes visits.
FAILING = {
    "evaluator": (FlatEvaluator, "evaluate", "batches"),
    "question": (TacticalPriors, "answer_next", "walkers"),
    "places": (TacticalPriors, "collect", "walkers"),
    "answers": (TacticalPriors, "take_answers", "walkers"),
    "listener": (Listener, "hear", "walkers"),
}


@pytest.mark.parametrize("part", FAILING)
def test_a_failure_costs_its_search_alone(part, monkeypatch):
    owner, method, kind = FAILING[part]
    usual = getattr(owner, method)
    limits = Limits(nodes=3000)
    with make(kind) as engine:
        expected = outcome(engine.search(limits, Listener().hear))
        # how many lines are heard depends on the machine's speed
        for place in (1,) if part == "listener" else (1, 2):
            engine.new_game()
            calls_left = iter(range(1, place))

            def fail(*arguments, calls_left=calls_left):
                if next(calls_left, None) is None:
                    raise MemoryError
                return usual(*arguments)

            with monkeypatch.context() as patch:
                patch.setattr(owner, method, fail)
                with pytest.raises(MemoryError):
                    engine.search(limits, Listener().hear)
            assert outcome(engine.search(limits)) == expected


def test_ctrl_c_while_an_engine_warms_up_leaves_its_position_alone():
    with make("walkers") as engine:
        counter = CtrlC(10**9)
        engine.warm_up()
        sys.setprofile(counter)
        engine.warm_up()
        sys.setprofile(None)
        for share in (2, 3, 4):
            sys.setprofile(CtrlC((10**9 - counter.left) // share))
            with pytest.raises(KeyboardInterrupt):
                engine.warm_up()
            assert engine.board == chess.Board()
        assert search_nodes(engine, NODES).nodes == NODES


def test_ctrl_c_between_two_rehearsals_leaves_no_tree(monkeypatch):
    with make("walkers") as engine:
        expected = outcome(search_nodes(engine, NODES))
        rehearsed = []
        set_position = engine.set_position

        def interrupted(board):
            if rehearsed:
                raise KeyboardInterrupt
            rehearsed.append(board)
            set_position(board)

        monkeypatch.setattr(engine, "set_position", interrupted)
        with pytest.raises(KeyboardInterrupt):
            engine.warm_up()
        assert outcome(search_nodes(engine, NODES)) == expected
