"""The plane that tells a tower of people the rating of the player to move."""

import numpy as np
import pytest
from numpy.random import default_rng

from engine.backend import NUMPY
from engine.network.device_network import planes_on
from engine.network.planes import RATING_PLANE, float_planes
from engine.network.policy_map import CONV_INDEX
from engine.network.tower.tower_model import TowerConfig
from tests.unit.network.fused_tower import fused, infer, random_model
from tests.unit.network.lc0_nets import random_masks

CONFIG = TowerConfig(
    16, 1, value_channels=4, value_hidden=16, moves_left_channels=2, moves_left_hidden=8, rated=True
)
RATINGS = {0: 0.0, 600: -2.25, 1100: -1.0, 1500: 0.0, 1900: 1.0, 2100: 1.5}  # by the plane's value


@pytest.fixture
def masks():
    masks = random_masks(len(RATINGS), default_rng(1))
    masks[:, RATING_PLANE] = list(RATINGS)
    return masks


def test_the_plane_counts_from_1500_in_units_of_400(masks):
    planes = float_planes(masks)[:, RATING_PLANE]
    assert [set(plane.flat) for plane in planes] == [{value} for value in RATINGS.values()]


def test_a_device_has_the_same_planes(masks):
    assert np.array_equal(planes_on(NUMPY, masks), float_planes(masks))


def test_fused_inference_reads_the_rating_as_the_layers_do(masks):
    model = random_model(CONFIG, default_rng(2))
    outputs = model.predict(float_planes(masks))
    logits, *_ = infer(fused(model, CONFIG), masks)
    expected = outputs["policy"].reshape(len(masks), -1)[:, CONV_INDEX]
    np.testing.assert_allclose(logits, expected, atol=1e-4)
