"""The learner learns, and a run that was killed ends where one that was not does."""

import json
import math
from contextlib import closing
from dataclasses import asdict, replace

import numpy as np
import pytest
from numpy.random import default_rng
from numpy.testing import assert_allclose

from engine.errors import ConfigError, RunError
from engine.network.policy_map import HEAD_INDEX, POLICY_SIZE
from engine.network.tower.tower_model import TowerConfig
from engine.nn import dit
from selfplay.families.by_name import family_of, net_of_model
from selfplay.families.planes.planes_family import PlanesMixture, dual_head_loss
from selfplay.families.planes.planes_sampler import (
    PositionSampler,
    TrainingBatch,
    new_training_batch,
)
from selfplay.training.learner import Learner
from selfplay.training.losses import LossWeights
from selfplay.training.recipe import LearnerSettings
from tests.selfplay.conftest import assert_same, games_of
from tests.selfplay.training.learners import (
    assert_checkpoint_continues,
    assert_threads_change_nothing,
    learner_of,
    pretrain_line,
)

SETTINGS = LearnerSettings(
    batch_size=32, weight_decay=0.01, shard_size=16, threads=2, variations=0.25
)


each_family = pytest.mark.parametrize(
    "net", ["16x2", "people-16x2", "people-128", "sparse-128", "transformer-16x1x2"]
)


def small_learner(positions, net="16x2", threads=2, rate=1e-3):
    return learner_of(family_of(net), positions, replace(SETTINGS, threads=threads), rate)


@pytest.mark.parametrize(
    "net", ["16x2", pytest.param("transformer-32x2", marks=pytest.mark.slow), "sparse-128"]
)
def test_overfits_one_game(net, positions):
    game = games_of(positions, 0, 1)
    learner = small_learner(game, net, rate=3e-3)
    first = learner.step()
    for _ in range(150):
        learner.step()
    scores = learner.family.heldout(game, game.n_positions).evaluate(learner.averaged_model())
    learner.close()
    assert scores.top1 > 0.8
    assert scores.policy < first.policy - 0.5
    assert scores.value < 0.7 * first.value


@each_family
def test_checkpoint_continues_bit_for_bit(net, positions, tmp_path):
    assert_checkpoint_continues(lambda: small_learner(positions, net), tmp_path / "state.npz")


@each_family
def test_threads_do_not_change_the_result(net, positions):
    assert_threads_change_nothing(lambda threads: small_learner(positions, net, threads))


def test_checkpoints_of_other_networks_or_without_arrays_are_refused(positions):
    with closing(small_learner(positions, "16x1")) as learner:
        arrays, values = learner.state()
        rest = {name: arrays[name] for name in arrays if not name.startswith("model/")}
        with pytest.raises(RunError, match="not that of this training"):
            learner.restore(rest, values)
        with (
            closing(small_learner(positions)) as deeper,
            pytest.raises(RunError, match="architecture"),
        ):
            deeper.restore(arrays, values)


# ---- parts ---------------------------------------------------------------------------------------


def one_batch(positions, size):
    batch = new_training_batch(size)
    PositionSampler(positions).fill(np.arange(size), np.zeros(size, np.uint8), batch)
    return batch


def random_outputs(size, rng):
    return {
        "policy": rng.normal(size=(size, 8, 8, 80)).transpose(0, 3, 1, 2),
        "wdl": rng.normal(size=(size, 3)),
        "moves_left": rng.normal(size=(size, 1)),
    }


def test_loss_gradients_agree_with_differences(positions):
    batch = one_batch(positions, 3)
    rng = default_rng(3)
    outputs = random_outputs(3, rng)
    weights = LossWeights(value=0.7, moves_left=0.3)
    _, gradients = dual_head_loss(outputs, batch, weights)
    for head, output in outputs.items():
        direction = rng.normal(size=output.shape)
        ends = []
        for step in (1e-5, -1e-5):
            moved = {**outputs, head: output + step * direction}
            means = dual_head_loss(moved, batch, weights)[0].means
            ends.append(means.policy + 0.7 * means.value + 0.3 * means.moves_left)
        slope = (ends[0] - ends[1]) / 2e-5
        assert slope == pytest.approx((gradients[head] * direction).sum(), rel=1e-4), head


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("convolution", (73, 8, 8)), ("classical", (POLICY_SIZE,)), ("attention", (4288,))],
)
def test_heads_as_lc0s_networks_have_them_are_trained(positions, kind, shape):
    """A run that began with such a network failed at a scalar value and where moves left are
    missing, and trained other moves in a classical policy and in one of 73 planes."""
    batch = one_batch(positions, 3)
    rng = default_rng(4)
    outputs = {"policy": rng.normal(size=(3, *shape)), "value": rng.normal(size=(3, 1))}
    if kind == "convolution":  # as the layers leave it in memory
        outputs["policy"] = np.ascontiguousarray(outputs["policy"].transpose(0, 2, 3, 1)).transpose(
            0, 3, 1, 2
        )
    sums, gradients = dual_head_loss(outputs, batch, LossWeights())
    assert gradients.keys() == outputs.keys()
    assert sums.means.moves_left is None
    result = batch.wdl[:, :1] - batch.wdl[:, 2:]
    assert_allclose(gradients["value"], np.clip(outputs["value"] - result, -1, 1) / 3)
    expected = np.zeros((3, math.prod(shape)))
    for row, count in enumerate(batch.n_moves):
        places = HEAD_INDEX[kind][batch.policy_index[row, :count]]
        odds = np.exp(outputs["policy"][row].reshape(-1)[places])
        expected[row, places] = (odds / odds.sum() - batch.policy[row, :count]) / 3
    assert_allclose(gradients["policy"].reshape(3, -1), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("target", "unknown", "loss"),
    [("policy", 0.0, "policy"), ("wdl", 0.0, "value"), ("moves_left", -1.0, "moves_left")],
)
def test_position_without_a_target_takes_no_part_in_its_loss(positions, target, unknown, loss):
    batch = one_batch(positions, 6)
    has_target = np.arange(6) % 2 == 1
    outputs = random_outputs(6, default_rng(2))
    whole = dual_head_loss(outputs, batch, LossWeights())[0].means
    of_known = dual_head_loss(
        {name: output[has_target] for name, output in outputs.items()},
        TrainingBatch(*(array[has_target] for array in batch)),
        LossWeights(),
    )[0].means
    getattr(batch, target)[~has_target] = unknown
    sums, gradients = dual_head_loss(outputs, batch, LossWeights())
    assert np.array_equal(gradients[target].reshape(6, -1).any(axis=1), has_target)
    assert asdict(sums.means) == pytest.approx(asdict(whole) | {loss: getattr(of_known, loss)})


def test_losses_of_shards_with_few_targets_are_those_of_the_batch(positions):
    class HalfTimed(PlanesMixture):
        def batch(self, step, run=map):
            batch = super().batch(step, run)
            batch.moves_left[5:] = -1.0
            return batch

    losses = []
    for shard_size in (8, 32):
        settings = replace(SETTINGS, shard_size=shard_size)
        model = TowerConfig.parse("16x1").build(default_rng(1))
        # shards differ in nothing but targets
        model.heads["moves_left"].layers["dense2"].params["weight"][...] = 0.0
        batches = HalfTimed([positions], [1.0], 32, seed=7)
        learner = Learner(family_of(net_of_model(model)), model, batches, settings, 0.0, "numpy")
        losses.append(learner.step().moves_left)
        learner.close()
    assert losses[0] == pytest.approx(losses[1])
    assert losses[0] > 0


@pytest.mark.parametrize(
    "shares", [[math.nan, 1.0], [1.0, math.inf], [-1.0, 2.0], [0.0, 0.0], [1e308, 1e308]]
)
def test_shares_that_are_no_weights_or_have_no_positions_are_refused(shares, positions):
    with pytest.raises(ConfigError, match="with a positive sum"):
        PlanesMixture([positions, positions], shares, 8, seed=1)
    empty = games_of(positions, 0, 0)
    with pytest.raises(ConfigError, match="no usable positions"):
        PlanesMixture([positions, empty], [1.0, 1.0], 8, seed=1)


@each_family
def test_held_out_scores_do_not_depend_on_threads(net, positions):
    family = family_of(net)
    model = family.build(default_rng(4))
    heldout = family.heldout(positions, positions.n_positions)
    assert heldout.evaluate(model, 1) == heldout.evaluate(model, 2)


# ---- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "flags"),
    [("16x1", "--batch 32"), ("sparse-128", "--batch 64 --storage float16")],
)
def test_pretrain_of_a_finished_run_writes_its_network(
    net, flags, aino_train, games_file, tmp_path
):
    run = tmp_path / "run"
    line = f"pretrain --data {games_file} --heldout-share 0.2 --net {net} {flags} --positions 320 --run {run}"
    assert "held out" in aino_train(line, f"--out {tmp_path}/net.dit")
    model, header = dit.load(tmp_path / "net.dit")
    assert header["card"]["positions"] == 320
    assert header["card"]["data"] == {"PGN games": ["part1.pgn"]}
    assert str(tmp_path) not in (tmp_path / "net.dit").read_bytes().decode("latin-1")
    log = (run / "log.jsonl").read_text()
    assert json.loads(log.splitlines()[-1])["progress"] == 1.0
    assert "100% of the training is done" in aino_train("report", run)
    assert "top-1" in (run / "report.html").read_text()
    # The same command finds the run finished and writes the same network.
    aino_train(line, f"--out {tmp_path}/again.dit")
    assert_same(model.named_parameters(), dit.load(tmp_path / "again.dit")[0].named_parameters())
    assert (run / "log.jsonl").read_text() == log, "the end was logged once more"


def test_pretrain_can_be_prolonged_with_other_threads(aino_train, games_file, tmp_path):
    aino_train(pretrain_line(tmp_path, games_file, 64))
    error = aino_train(pretrain_line(tmp_path, games_file, 64), "--rate 0.1", status=1)
    assert "other peak_rate" in error
    aino_train(pretrain_line(tmp_path, games_file, 96), "--threads 1")
    assert dit.load(tmp_path / "net.dit")[1]["card"]["positions"] == 96


def test_pretrain_starts_from_a_network(aino_train, games_file, tmp_path):
    dit.save(tmp_path / "first.dit", first := family_of("16x1").build(default_rng(1)))
    line = pretrain_line(tmp_path, games_file, 32)
    aino_train(line, f"--rate 1e-9 --start-from {tmp_path}/first.dit")
    ours = dit.load(tmp_path / "net.dit")[0].named_parameters()
    began = first.named_parameters()
    assert all(np.allclose(ours[name], value, atol=1e-6) for name, value in began.items())
