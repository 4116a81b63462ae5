"""Training the value trunk: gradients like the layers', the same result on any thread, the rest of
the net kept.
"""

import numpy as np
import pytest

from engine.errors import ConfigError
from engine.network.accumulator.flat_tables import parameter_names
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.sparse.sparse_parameters import SparseConfig
from engine.network.value.value_features import MAX_VIEW
from engine.network.value.value_gradients import from_slabs
from engine.network.value.value_model import ValueNetwork
from engine.network.value.value_parameters import VALUE_TRUNK, WEIGHT_LIMIT, ValueConfig
from engine.nn import dit, huber, softmax_cross_entropy
from selfplay.data.label_rows import LabelRows, held_out
from selfplay.data.split import Split, root_limit
from selfplay.families.by_name import family_of
from selfplay.families.value.value_family import DENSE1, ROWS, ValueHeldOut, ValueTrunkGradients
from selfplay.families.value.value_sampler import ValueSampler, new_value_batch
from selfplay.records.label_folder import LabelFolder
from selfplay.training.losses import LossWeights
from selfplay.training.recipe import LearnerSettings
from selfplay.training.source_files import TrainingData
from tests.selfplay.conftest import assert_same
from tests.selfplay.teachers.nets import material_labels
from tests.selfplay.training.learners import (
    assert_checkpoint_continues,
    assert_losses,
    assert_near,
    assert_threads_change_nothing,
    learner_of,
)
from tests.unit.network.sparse_arithmetic import value_network

CONFIG = SparseConfig(width=128, value=ValueConfig(128))
NET = str(CONFIG)
BATCH = 64
SPLIT = Split(root_limit(0.2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("drawn") / "labels"
    material_labels(path, 3000)
    return path


@pytest.fixture(scope="module")
def labels(folder):
    return LabelRows("labels", np.array(LabelFolder(folder).values), split=SPLIT)


def batch_of(labels, numbers):
    batch = new_value_batch(len(numbers))
    ValueSampler(labels).fill(numbers, numbers, batch)
    return batch


def small_learner(labels, threads=2, rate=1e-3):
    settings = LearnerSettings(BATCH, weight_decay=0.01, threads=threads)
    return learner_of(family_of(NET, "value"), labels, settings, rate)


def gradients_by_layers(trunk, batch, weights):
    """Losses of the learning library and gradients by plain arithmetic, in float64."""
    parameters = trunk.astype(np.float64).named_parameters()
    listed = np.arange(MAX_VIEW) < batch.n_rows[:, None, None]
    features = np.where(listed, batch.features.reshape(len(batch.features), 2, MAX_VIEW), -1)
    black = np.flatnonzero(batch.side)
    features[black] = features[black, ::-1]  # the mover's view comes first
    outputs, backward = value_network(parameters, features, batch.version)
    value, dvalue = softmax_cross_entropy(outputs[:, :3], batch.wdl)
    left = np.where(batch.moves_left >= 0, batch.moves_left, outputs[:, 3])
    length, dleft = huber(outputs[:, 3:], left[:, None])
    return [value, length], backward(
        np.concatenate([weights.value * dvalue, weights.moves_left * dleft], axis=1)
    )


def test_gradients_equal_those_of_the_layers(labels):
    weights = LossWeights(value=0.7, moves_left=0.3)
    allowed = np.flatnonzero(~held_out(labels.rows, SPLIT))
    numbers = np.concatenate([allowed[:60], allowed[::-70][:30]])
    batch = batch_of(labels, numbers)
    assert 10 < np.count_nonzero(batch.n_coming < 0) < len(numbers)  # listed anew, and as changes
    batch.moves_left[::3] = np.linspace(0, 2.5, len(batch.moves_left[::3]))
    trunk = ValueNetwork(CONFIG.value, np.random.default_rng(1))
    losses, expected = gradients_by_layers(trunk, batch, weights)
    source = ValueTrunkGradients(
        trunk, LearnerSettings(len(numbers), weight_decay=0.0, loss=weights)
    )
    source.flat_slopes[:] = 7.0  # of the step before
    _, measured, gradients = source.gradients(batch, (0, 1))
    source.close()
    assert_losses(measured, [0, *losses])
    assert gradients.keys() == set(parameter_names(CONFIG.value).values())
    assert_near(
        gradients | {name: from_slabs(gradients[name], 128) for name in (ROWS, DENSE1)}, expected
    )


def test_the_trunk_learns_its_labels(labels):
    learner = small_learner(labels, rate=3e-3)
    first = learner.step().value
    for _ in range(150):
        last = learner.step().value
    learner.close()
    assert last < 0.9 * first


def test_held_out_scores_are_those_of_the_layers(labels):
    model = SparseNetwork(CONFIG, np.random.default_rng(1))
    heldout = ValueHeldOut(labels, limit=200)
    batch = new_value_batch(200)
    ValueSampler(labels, everything=True).fill(np.arange(200), np.arange(200), batch)
    (value, *_), _ = gradients_by_layers(model.children()[VALUE_TRUNK], batch, LossWeights())
    for threads in (1, 2):
        assert heldout.evaluate(model, threads).value == pytest.approx(value, rel=1e-4)


def test_threads_do_not_change_the_result(labels):
    assert_threads_change_nothing(lambda threads: small_learner(labels, threads))


def test_checkpoint_continues_bit_for_bit(labels, tmp_path):
    assert_checkpoint_continues(lambda: small_learner(labels), tmp_path / "state.npz")


def test_rows_stay_within_what_integers_hold(labels):
    learner = small_learner(labels)
    state, values = learner.state()
    (name,) = (name for name, array in state.items() if name.endswith(ROWS) and array.max() > 0)
    state[name][:100] = 3.0
    learner.restore(state, values)
    learner.step()
    rows = learner.state()[0][name]
    assert np.abs(rows).max() < WEIGHT_LIMIT + 0.01
    assert (
        np.abs(learner.averaged_model().children()[VALUE_TRUNK].named_parameters()[ROWS]).max()
        <= WEIGHT_LIMIT
    )
    learner.close()


def test_rows_of_held_out_roots_teach_nothing(labels):
    left_out = np.flatnonzero(held_out(labels.rows, SPLIT))
    batch = batch_of(labels, left_out)
    assert len(left_out) > 5
    assert not batch.wdl.any()
    assert (batch.moves_left < 0).all()
    everything = new_value_batch(len(left_out))
    ValueSampler(labels, everything=True).fill(left_out, left_out, everything)
    np.testing.assert_allclose(everything.wdl.sum(axis=1), 1, atol=1e-5)


def test_what_has_no_value_trunk_is_refused(labels, positions):
    settings = LearnerSettings(BATCH, weight_decay=0.01)
    with pytest.raises(ConfigError, match="label folders"):
        family_of(NET, "value").batches(TrainingData((positions,), (1.0,), labels), settings, 1)
    for net in ("sparse-128", "16x2"):
        with pytest.raises(ConfigError, match="no value trunk"):
            family_of(net, "value")
    with pytest.raises(ConfigError, match="part"):
        family_of(NET, "both")


def test_pretrain_trains_one_part_after_the_other(aino_train, games_file, folder, tmp_path):
    policy, value, last = (tmp_path / name for name in ("policy.dit", "value.dit", "both.dit"))
    common = "--batch 64 --positions 640"
    games = f"--data {games_file} --heldout-share 0.2"
    aino_train(f"pretrain {games} {common} --net sparse-128 --run {tmp_path}/a --out {policy}")
    trunk = f"pretrain --net {NET} --start-from {policy} --part value --data {folder} {common}"
    for out in (value, tmp_path / "again.dit"):
        aino_train(f"{trunk} --run {tmp_path}/b --out {out}")
    again = f"pretrain --net {NET} --start-from {value} {games} {common}"
    aino_train(f"{again} --run {tmp_path}/c --out {last}")
    first, second, third = (dit.load(path)[0].named_parameters() for path in (policy, value, last))
    assert_same(dit.load(tmp_path / "again.dit")[0].named_parameters(), second)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    for name, array in second.items():
        assert np.array_equal(array, third[name]) == name.startswith(VALUE_TRUNK), name


def test_the_policy_is_not_trained_without_games(aino_train, folder, tmp_path):
    line = f"pretrain --data {folder} --net {NET} --batch 64 --positions 640 --run {tmp_path}/a"
    error = aino_train(line, f"--out {tmp_path}/net.dit", status=1)
    assert "nothing to hold out" in error
