"""The tower on a device answers like the fused one; on NumPy everywhere, on a GPU where one answers."""

import numpy as np
import pytest

from engine.backend import NUMPY, Backend, get_backend
from engine.errors import ConfigError
from engine.evaluation.device import DeviceEvaluator
from engine.evaluation.protocol import LeafBatch
from engine.evaluation.tower import NetworkEvaluator
from engine.network.tower.gpu import DeviceTower
from engine.network.tower.inference import FusedTower
from engine.network.tower.model import TowerConfig
from tests.strict_cupy import Device
from tests.unit.evaluation.test_evaluation import sample_batch
from tests.unit.network.fused_tower import random_model

CONFIGS = {
    "default": TowerConfig(16, 2, value_channels=4, value_hidden=16, moves_left_channels=2, moves_left_hidden=8),
    "scalar, classical, mish": TowerConfig(16, 1, 0, 8, 4, 16, 0, 1, "mish", policy="classical", value="scalar"),
    "attention": TowerConfig(16, 1, 4, 16, 4, 16, 2, 8, policy="attention", policy_depth=8),
}


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> TowerConfig:
    return CONFIGS[request.param]


def trained_tensors(config: TowerConfig) -> dict[str, np.ndarray]:
    """A tower whose norms have seen data: their statistics differ from the initial ones."""
    model = random_model(config, np.random.default_rng(3))
    return model.named_parameters() | model.named_buffers()


def answers(evaluator: object, leaves: LeafBatch, count: int) -> list[np.ndarray]:
    for array in (leaves.logits, leaves.wdl, leaves.moves_left):
        array[:] = np.nan
    evaluator.evaluate(leaves, count)  # type: ignore[attr-defined]
    legal = np.arange(leaves.logits.shape[1]) < leaves.n_moves[:count, None]
    return [leaves.logits[:count][legal].copy(), leaves.wdl[:count].copy(), leaves.moves_left[:count].copy()]


def on_device(
    tensors: dict[str, np.ndarray], config: TowerConfig, backend: Backend, dtype: str = "float16", chooses: bool = False
) -> DeviceEvaluator:
    spare = NetworkEvaluator(FusedTower(tensors, config))
    return DeviceEvaluator(spare, lambda: DeviceTower(tensors, config, backend, dtype), chooses)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("backend", ["numpy", "cupy"])
def test_float32_equals_the_fused_tower(config: TowerConfig, backend: str, device: Device) -> None:
    tensors, leaves = trained_tensors(config), sample_batch()
    evaluator = on_device(tensors, config, get_backend(backend), "float32")
    ours = answers(evaluator, leaves, 37)  # 3 parts, the last torn
    assert evaluator.take_news() == []
    expected = answers(NetworkEvaluator(FusedTower(tensors, config)), leaves, 37)
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("backend", ["numpy", "cupy"])
def test_half_precision_stays_close(backend: str, device: Device) -> None:
    config = CONFIGS["default"]
    tensors, leaves = trained_tensors(config), sample_batch()
    _, half, _ = answers(on_device(tensors, config, get_backend(backend)), leaves, 16)
    _, full, _ = answers(NetworkEvaluator(FusedTower(tensors, config)), leaves, 16)
    assert np.abs(half - full).max() < 5e-3
    assert not np.array_equal(half, full)


def test_a_part_of_64x6_waits_once_and_starts_at_most_90_kernels(device: Device, small_parts: None) -> None:
    """As docs/gpu.md says."""
    config = TowerConfig(64, 6)
    evaluator, leaves = on_device(trained_tensors(config), config, get_backend("cupy")), sample_batch()
    answers(evaluator, leaves, 16)
    counts = [device.total(kind) for kind in ("wait", "launch", "product")]
    answers(evaluator, leaves, 16)
    waits, launches, products = (device.total(kind) for kind in ("wait", "launch", "product"))
    assert evaluator.take_news() == []
    assert waits - counts[0] == 1
    assert 0 < launches + products - counts[1] - counts[2] <= 90


def test_missing_tensor_is_named(config: TowerConfig) -> None:
    tensors = trained_tensors(config)
    del tensors["trunk.input_conv.weight"]
    with pytest.raises(ConfigError, match=r"trunk\.input_conv\.weight"):
        DeviceTower(tensors, config, NUMPY)


@pytest.fixture(scope="module")
def gpu() -> Backend:
    backend = get_backend("auto")
    if backend is NUMPY:
        pytest.skip("CuPy is missing or no GPU answers")
    return backend


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("float16", 2e-3)])
def test_gpu_agrees_with_the_fused_tower(config: TowerConfig, gpu: Backend, dtype: str, tolerance: float) -> None:
    tensors, leaves = trained_tensors(config), sample_batch(600)
    _, wdl, _ = answers(on_device(tensors, config, gpu, dtype), leaves, 600)
    _, expected, _ = answers(NetworkEvaluator(FusedTower(tensors, config)), leaves, 600)
    assert np.abs(wdl - expected).max() < tolerance
