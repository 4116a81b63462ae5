"""Networks of people in training: gradients, what batches hold, and that playing gives the same."""

import numpy as np
import pytest
from numpy.random import default_rng

from benchmarks.selfplay_speed import random_positions
from engine.board.makemove import push
from engine.errors import ConfigError
from engine.network.accumulator.flat_tables import parameter_names
from engine.network.people.people_parameters import PeopleConfig
from engine.network.people.people_policy import TEMPERATURE, PeoplePolicy
from selfplay.data.label_rows import LabelRows
from selfplay.families.people.people_family import (
    VALUE_SHARE,
    PeopleFamily,
    PeopleGradients,
    PeopleMixture,
)
from selfplay.families.people.people_sampler import PeopleSampler, new_people_batch
from selfplay.run.config import default_config
from selfplay.training.recipe import LearnerSettings

CONFIG = PeopleConfig(width=128, mixer=64, layers=2, hidden=8)
SETTINGS = LearnerSettings(32, weight_decay=0.01, threads=1)


@pytest.fixture(scope="module")
def positions():
    drawn = random_positions(default_rng(3), games=12, plies=40)
    drawn.rating[:] = default_rng(4).integers(1000, 2000, len(drawn.rating))
    return drawn


def new_network(seed=1):
    network = PeopleFamily(CONFIG).build(default_rng(seed))
    rng = default_rng(seed + 1)
    for name, array in network.params.items():
        network.params[name] = array + 0.05 * rng.standard_normal(array.shape, np.float32)
    return network


def batch_of(positions, count=32):
    batch = new_people_batch(count)
    numbers = np.linspace(0, positions.n_positions - 1, count).astype(np.int64)
    PeopleSampler(positions, CONFIG).fill(numbers, np.zeros(0), batch)
    return numbers, batch


def loss_of(source, batch, count):
    source.forward(batch, count)
    policy, value, _ = source.results.losses[:count].mean(axis=0, dtype=np.float64)
    return policy + VALUE_SHARE * value


@pytest.mark.parametrize("name", parameter_names(CONFIG).values())
def test_gradients_are_the_slopes_of_the_loss(positions, name):
    """Along a direction that agrees with the gradient, so that float32 has digits to spare."""
    _, batch = batch_of(positions)
    source = PeopleGradients(new_network(), SETTINGS)
    with source.pool:
        gradient = source.gradients(batch, (0,)).grads[name].astype(np.float64)
        rng = default_rng(5)
        direction = np.sign(gradient) * rng.random(gradient.shape)
        step = 1e-3 / max(1.0, np.abs(direction).max())
        table = source.parameters[name]
        start = source.parameters[name].copy()
        losses = []
        for side in (1, -1):
            table[...] = start + side * step * direction
            losses.append(loss_of(source, batch, 32))
    slope = (losses[0] - losses[1]) / (2 * step)
    assert slope == pytest.approx((gradient * direction).sum(), rel=0.03, abs=1e-5)


def test_playing_gives_what_training_gives(positions):
    numbers, batch = batch_of(positions)
    network = new_network()
    policy = PeoplePolicy(network.named_parameters(), CONFIG)
    source = PeopleGradients(network, SETTINGS)
    with source.pool:
        source.forward(batch, 32)
    for slot, number in enumerate(numbers):
        game = np.searchsorted(positions.game_first, number, side="right") - 1
        first = positions.game_first[game]
        stack = np.zeros((number - first + 1, 16), np.uint64)
        stack[0] = positions.starts[game]
        for ply in range(number - first):
            push(stack, ply, np.int64(positions.moves[first + ply]))
        rating = CONFIG.lowest + 100 * int(CONFIG.bands(positions.rating[number]))
        _, chances = policy.predict(stack, rating)
        logits = source.results.logits[slot, : batch.n_moves[slot]] / np.float64(TEMPERATURE)
        trained = np.exp(logits - logits.max())
        assert np.allclose(chances, trained / trained.sum(), atol=1e-5)


def test_single_positions_are_refused():
    rows = LabelRows("labels", np.zeros((4, 4), np.uint64))
    with pytest.raises(ConfigError, match="whole games"):
        PeopleMixture(CONFIG, [rows], [1.0], 64, 1)


def test_a_network_that_plays_no_games_has_no_self_play():
    with pytest.raises(ConfigError, match="plays no games"):
        default_config("people-128")
