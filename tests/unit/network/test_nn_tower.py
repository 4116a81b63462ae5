"""The tower: configuration, shapes, and its pass in training."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.errors import ConfigError
from engine.network.tower.model import TowerConfig, build_tower, tower_config_of
from engine.nn import Dense

SMALL = TowerConfig(filters=16, blocks=2)


def planes(batch: int, seed: int = 1) -> np.ndarray:
    bits = np.random.default_rng(seed).random((batch, 8, 8, 112)) < 0.1
    return bits.astype(np.float32).transpose(0, 3, 1, 2)


def test_sizes_are_read_from_text() -> None:
    assert TowerConfig.parse("64x6") == TowerConfig(filters=64, blocks=6)
    assert str(TowerConfig.parse("128x10")) == "128x10"


@pytest.mark.parametrize("text", ["", "64", "x6", "64x", "64x6x8", "-64x6", "64 x 6", "0x6", "99999x1"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        TowerConfig.parse(text)


@pytest.mark.parametrize(
    ("heads", "shapes"),
    [
        ({}, {"policy": (3, 80, 8, 8), "wdl": (3, 3), "moves_left": (3, 1)}),
        ({"policy": "classical", "value": "scalar", "moves_left_channels": 0}, {"policy": (3, 1858), "value": (3, 1)}),
        ({"policy": "attention", "value": "scalar", "moves_left_channels": 0}, {"policy": (3, 4288), "value": (3, 1)}),
    ],
)
def test_outputs_have_the_documented_shapes(heads: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    outputs, _ = build_tower(replace(SMALL, **heads), np.random.default_rng(0)).forward(planes(3))
    assert {name: array.shape for name, array in outputs.items()} == shapes
    assert np.abs(outputs.get("value", np.zeros(1))).max() < 1


@pytest.mark.parametrize(
    "sizes",
    [{"policy": "conv"}, {"value": "both"}, {"policy_planes": 72}, {"moves_left_channels": -1}, {"blocks": 5000}],
)
def test_heads_and_sizes_that_do_not_exist_are_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(SMALL, **sizes)


def test_another_model_is_no_tower() -> None:
    with pytest.raises(ConfigError, match="not the configuration of a tower"):
        tower_config_of(Dense(2, 2, np.random.default_rng(0)).config())


def test_the_fifty_move_plane_starts_with_small_weights() -> None:
    weight = build_tower(SMALL, np.random.default_rng(0)).named_parameters()["trunk.input_conv.weight"]
    assert float(np.abs(weight[:, 109]).mean()) * 99 == pytest.approx(float(np.abs(weight[:, 108]).mean()), rel=0.3)
