"""The tower: configuration, names, shapes, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import ConfigError
from engine.network.tower.model import TowerConfig, build_tower, tower_config_of
from engine.nn import Adam, Dense, MultiHead, huber, mse, softmax_cross_entropy
from engine.nn.dit import load, save

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


def test_outputs_have_the_documented_shapes() -> None:
    outputs, _ = build_tower(SMALL, np.random.default_rng(0)).forward(planes(3))
    assert {name: array.shape for name, array in outputs.items()} == {
        "policy": (3, 80, 8, 8),
        "wdl": (3, 3),
        "moves_left": (3, 1),
    }


def test_other_heads_have_the_documented_outputs() -> None:
    configs = {
        (3, 1858): replace(SMALL, policy="classical", value="scalar"),
        (3, 4288): replace(SMALL, policy="attention", value="scalar"),
    }
    for shape, config in configs.items():
        outputs, _ = build_tower(replace(config, moves_left_channels=0), np.random.default_rng(0)).forward(planes(3))
        assert {name: array.shape for name, array in outputs.items()} == {"policy": shape, "value": (3, 1)}
        assert np.abs(outputs["value"]).max() < 1


@pytest.mark.parametrize(
    "sizes",
    [{"policy": "conv"}, {"value": "both"}, {"policy_planes": 72}, {"moves_left_channels": -1}, {"blocks": 5000}],
)
def test_heads_and_sizes_that_do_not_exist_are_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(SMALL, **sizes)


def test_parameters_have_the_documented_names_and_shapes() -> None:
    model = build_tower(SMALL, np.random.default_rng(0))
    shapes = {name: array.shape for name, array in model.named_parameters().items()}
    assert shapes["trunk.input_conv.weight"] == (16, 112, 3, 3)
    assert shapes["trunk.block1.conv2.weight"] == (16, 16, 3, 3)
    assert shapes["trunk.block0.se.squeeze.weight"] == (2, 16)
    assert shapes["trunk.block0.se.excite.weight"] == (32, 2)
    assert shapes["policy.conv2.bias"] == (80,)
    assert shapes["wdl.dense1.weight"] == (128, 32 * 64)
    assert shapes["moves_left.dense2.weight"] == (1, 64)
    assert len(shapes) == 3 + 2 * 10 + 5 + 2 * 7
    assert len(model.named_buffers()) == 2 * (1 + 2 * 2 + 1 + 2)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        TowerConfig(16, 0, 0),
        TowerConfig(32, 1, 0),
        TowerConfig(8, 1, 4, 73, 4, 8, 2, 4, "mish"),
        TowerConfig(16, 1, policy="classical", policy_planes=3, value="scalar"),
        TowerConfig(16, 1, policy="attention", policy_planes=20, policy_depth=12, moves_left_channels=0),
    ],
)
def test_the_configuration_is_found_again_in_the_model(config: TowerConfig) -> None:
    model = build_tower(config, np.random.default_rng(0))
    found = tower_config_of(model.config())
    assert build_tower(found, np.random.default_rng(0)).config() == model.config()
    assert (found.filters, found.blocks, found.activation) == (config.filters, config.blocks, config.activation)
    assert (found.policy, found.value) == (config.policy, config.value)
    assert bool(found.moves_left_channels) == bool(config.moves_left_channels)


def test_another_model_is_no_tower() -> None:
    with pytest.raises(ConfigError, match="not the configuration of a tower"):
        tower_config_of(Dense(2, 2, np.random.default_rng(0)).config())


def test_the_fifty_move_plane_starts_with_small_weights() -> None:
    weight = build_tower(SMALL, np.random.default_rng(0)).named_parameters()["trunk.input_conv.weight"]
    assert float(np.abs(weight[:, 109]).mean()) * 99 == pytest.approx(float(np.abs(weight[:, 108]).mean()), rel=0.3)


def test_native_training_pass_agrees_with_float64() -> None:
    model = build_tower(SMALL, np.random.default_rng(0))
    double = model.astype(np.float64)
    x, rng = planes(6), np.random.default_rng(2)
    outputs, backward = model.forward(x, training=True)
    expected, expected_backward = double.forward(x.astype(np.float64), training=True)
    weights = {name: rng.standard_normal(array.shape) for name, array in expected.items()}
    for name, array in expected.items():
        assert np.abs(outputs[name] - array).max() < 1e-4 * np.abs(array).max()
    _, grads = backward({name: array.astype(np.float32) for name, array in weights.items()})
    _, expected_grads = expected_backward(weights)
    for name, gradient in expected_grads.items():
        assert np.linalg.norm(grads[name] - gradient) < 2e-3 * np.linalg.norm(gradient) + 1e-4, name


def fit(model: MultiHead, steps: int) -> float:
    """Learn four random positions by heart; returns the share of moves known."""
    x, rng = planes(4, seed=3), np.random.default_rng(4)
    moves, results, plies = rng.integers(0, 1858, 4), rng.integers(0, 3, 4), rng.random((4, 1))
    optimizer = Adam()
    known = 0.0
    for _ in range(steps):
        outputs, backward = model.forward(x, training=True)
        policy = outputs["policy"]
        _, dpolicy = softmax_cross_entropy(policy.reshape(4, -1), moves)
        grads_of = {"policy": dpolicy.reshape(policy.shape)}
        if "wdl" in outputs:
            _, grads_of["wdl"] = softmax_cross_entropy(outputs["wdl"], results)
            judged = outputs["wdl"].argmax(axis=1) == results
        else:
            _, grads_of["value"] = mse(outputs["value"], 0.8 * (1.0 - results[:, None]))
            judged = np.rint(1 - outputs["value"][:, 0] / 0.8) == results
        if "moves_left" in outputs:
            _, grads_of["moves_left"] = huber(outputs["moves_left"], plies)
        _, grads = backward(grads_of)
        optimizer.step(model.named_parameters(), grads, 3e-3)
        known = float(((policy.reshape(4, -1).argmax(axis=1) == moves) & judged).mean())
    return known


TRAINABLE = {
    "relu": TowerConfig(16, 1),
    "mish": TowerConfig(16, 1, activation="mish"),
    "classical": TowerConfig(16, 1, policy="classical", policy_planes=4, value="scalar"),
    "attention": TowerConfig(16, 1, policy="attention", policy_planes=16, policy_depth=8, moves_left_channels=0),
}


@pytest.mark.parametrize("config", TRAINABLE.values(), ids=list(TRAINABLE))
def test_a_small_tower_learns_positions_by_heart(config: TowerConfig) -> None:
    model = build_tower(config, np.random.default_rng(0))
    assert fit(model, 1) < 1
    assert fit(model, 40) == 1


def test_a_tower_survives_the_trip_through_a_file(tmp_path: Path) -> None:
    model = build_tower(SMALL, np.random.default_rng(0))
    fit(model, 2)
    save(tmp_path / "net.dit", model)
    loaded, header = load(tmp_path / "net.dit")
    assert tower_config_of(header["model"]) == SMALL
    x = planes(3)
    before, after = model.forward(x)[0], loaded.forward(x)[0]
    for name in before:
        assert np.array_equal(before[name], after[name]), name
