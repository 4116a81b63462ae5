"""A network that is not Aino's, trained by the loop: the page's own example, from nothing, for two
generations.
"""

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng
from threadpoolctl import threadpool_limits

from engine import Engine, EngineOptions, Limits
from engine.errors import ConfigError, RunError
from engine.files.dit_file import load_tensors
from engine.nn import dit
from selfplay.families.planes.custom import CustomFamily, CustomLearner, planes_batch
from selfplay.families.planes.planes_sampler import PositionSampler, new_training_batch
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import Phase
from selfplay.run.phase_games import play_numbers
from selfplay.run.phases import run_generations
from selfplay.run.workers import WorkerPool
from tests.documents.pages import ROOT
from tests.documents.workshop import custom_network
from tests.selfplay.run.crews import TINY, TINY_FLAGS, finish_generation, games_of, never, tiny_task

NET = "small_net:Small"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with the page's class in it."""
    (tmp_path / "small_net.py").write_text(custom_network("Small"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check_learning(run, generation):
    """The losses of batches fall, and those on held-out games are there."""
    first, *_, last = run.ledger.losses(generation, "train")
    assert last["policy"] < first["policy"]
    for kind in ("before", "after"):
        (scores,) = run.ledger.losses(generation, kind)
        assert 0 < scores["policy"] < 10
        assert 0 <= scores["top1"] <= 1


def test_a_training_that_was_stopped_goes_on_from_its_weights(folder):
    run = RunFolder(folder / "run", {**TINY, "net": NET, "fit": {**TINY["fit"], "positions": 960}})
    run.ensure_first_network()
    assert run_generations(run, 1, never, WorkerPool(1), until=Phase.FIT)
    calls = iter(range(100))
    assert not run_generations(run, 1, until=Phase.GATE, stop=lambda: next(calls) > 3)
    assert run.fit_checkpoint(1).is_file()
    finish_generation(run, Phase.GATE)
    assert [row["step"] for row in run.ledger.losses(1, "train")] == [10, 20, 30]
    check_learning(run, 1)


def test_a_batch_is_the_planes_with_the_policy_of_legal_moves(positions):
    plain = new_training_batch(4)
    PositionSampler(positions).fill(np.arange(4), np.zeros(4, np.uint8), plain)
    batch = planes_batch(plain)
    assert (batch.legal.sum(axis=1) == plain.n_moves).all()
    assert not batch.policy[~batch.legal].any()
    for row, count in enumerate(plain.n_moves):
        indices, shares = plain.policy_index[row, :count], plain.policy[row, :count]
        assert np.array_equal(batch.policy[row, indices], shares)
        pieces = sum(int(word).bit_count() for word in plain.masks[row, :12])
        assert batch.planes[row, :12].sum() == pieces


def test_a_class_learns_from_games_like_the_other_families(folder, games_file, aino_train):
    line = f"pretrain --data {games_file} --heldout-share 0.2 --net {NET} --batch 16 --run run"
    assert "held-out top-1" in aino_train(line, "--positions 64 --out net.dit")
    first = load_tensors("net.dit")[1]
    # goes on
    assert "held-out top-1" in aino_train(line, "--positions 128 --out more.dit")
    assert not np.array_equal(load_tensors("more.dit")[1]["wdl.weight"], first["wdl.weight"])


def test_weights_of_ones_own_begin_a_run_only_with_their_class(folder):
    path = folder / "own.dit"
    dit.save(path, CustomFamily(NET).build(default_rng(1)))
    with pytest.raises(ConfigError, match=r"name it with --net package\.module:Class"):
        RunFolder(folder / "run", {}, path)
    RunFolder(folder / "run", {"net": NET}, path).ensure_first_network()
    again = RunFolder(folder / "run", {}, path)  # a run knows its class
    assert again.config.net == NET
    again.ensure_first_network()


COUNTING = """
from threadpoolctl import threadpool_info
from small_net import Small

class Counting(Small):
    def __call__(self, planes):
        counts = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        assert set(counts) == {1}, counts
        return super().__call__(planes)
"""


def test_products_in_self_play_have_one_thread(folder):
    """Each worker's products had as many threads as the machine has processors: a tenth of the
    speed.
    """
    (folder / "counting.py").write_text(COUNTING)
    dit.save(folder / "net.dit", CustomFamily(NET).build(default_rng(1)))
    task = replace(
        tiny_task(folder, visits=4, longest=4), nets=(folder / "net.dit",), net="counting:Counting"
    )
    # where the tests have one thread themselves, too
    with threadpool_limits(limits=2, user_api="blas"):
        assert len(games_of(play_numbers, task, [0, 1])) == 2


LACKING = """class Unseeded:
    def __init__(self): pass
class Untrained:
    def __init__(self, weights=None, seed=1): pass
"""


@pytest.mark.parametrize(
    ("net", "error"),
    [
        ("smal_net:Small", "smal_net"),
        ("small_net:Smal", "small_net.*Smal"),
        ("lacking:Unseeded", "unexpected keyword argument 'seed'"),
        ("lacking:Untrained", "needs __call__, train, weights"),
    ],
)
def test_what_a_class_lacks_is_said_and_leaves_no_network(folder, net, error):
    (folder / "lacking.py").write_text(LACKING)
    with pytest.raises(ConfigError, match=error):
        RunFolder(folder / "run", {"net": net}).ensure_first_network()
    run = RunFolder(folder / "run", {"net": NET})
    run.ensure_first_network()
    assert run.best.is_file()


@pytest.mark.usefixtures("folder")
def test_a_checkpoint_of_something_else_is_refused():
    family = CustomFamily(NET)
    learner = CustomLearner(family, family.build(default_rng(1)), None, lambda step: 0.1)
    with pytest.raises(RunError, match="not that of this training"):
        learner.restore({}, {"steps": 1})


def test_the_tower_in_pytorch_learns_in_the_loop(tmp_path, aino_train, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(ROOT / "examples")
    flags = [*TINY_FLAGS, "--fit.positions=640", "--gate.accept_score=0.01"]
    aino_train("loop", tmp_path / "run", "--net=torch_network:Network", *flags, "--generations", 1)
    run = RunFolder(tmp_path / "run", {})
    first, *_, last = run.ledger.losses(1, "train")
    run.close()
    assert last["policy"] < first["policy"]
    best = str(tmp_path / "run/nets/best.dit")
    with Engine(
        EngineOptions(evaluator="torch_network:Network", weights_file=best, threads=1)
    ) as engine:
        assert engine.search(Limits(nodes=20)).best_move in engine.board.legal_moves
