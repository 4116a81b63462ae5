"""A network on a device answers like the fused one; on NumPy everywhere, on a GPU where one
answers.
"""

import numpy as np
import pytest

from engine.backend import get_backend
from engine.evaluation.device import DeviceEvaluator
from engine.evaluation.tower import NetworkEvaluator
from engine.network.device_network import network_on
from engine.network.tower.tower_model import TowerConfig
from engine.network.tower.tower_play import FusedTower
from engine.network.transformer.transformer_model import TransformerConfig
from engine.network.transformer.transformer_play import FusedTransformer
from tests.unit.evaluation.test_evaluation import sample_batch
from tests.unit.network.fused_tower import random_model

CONFIGS = {
    "default": TowerConfig(16, 2, value_channels=4, value_hidden=16, moves_left_channels=2, moves_left_hidden=8),
    "scalar, classical, mish": TowerConfig(16, 1, 0, 8, 4, 16, 0, 1, "mish", policy="classical", value="scalar"),
    "attention": TowerConfig(16, 1, 4, 16, 4, 16, 2, 8, policy="attention", policy_depth=8),
    "encoder layers": TowerConfig(16, 1, 4, 16, 4, 16, 2, 8, "mish", "attention", 8, 1, 2, 8, 8),
    "transformer": TransformerConfig(16, 2, 2, 16, 24, policy_planes=8, policy_depth=8, smolgen_compressed=2,
                                     smolgen_hidden=8, smolgen_generated=4, policy_heads=("vanilla", "soft")),
    "canonical, scalar": TransformerConfig(16, 1, 2, 16, 24, input_format=4, value="scalar", moves_left_channels=0),
}  # fmt: skip


@pytest.fixture(params=CONFIGS)
def config(request):
    return CONFIGS[request.param]


def trained_tensors(config):
    """A network whose norms have seen data: their statistics differ from the initial ones."""
    rng = np.random.default_rng(3)
    if isinstance(config, TowerConfig):
        model = random_model(config, rng)
        return model.named_parameters() | model.named_buffers()
    tensors = config.build(rng).named_parameters()
    return {
        name: array + np.float32(0.1) * rng.standard_normal(array.shape, np.float32)
        for name, array in tensors.items()
    }


def fused(tensors, config):
    kind = FusedTower if isinstance(config, TowerConfig) else FusedTransformer
    return NetworkEvaluator(kind(tensors, config))


def answers(evaluator, leaves, count):
    for array in (leaves.logits, leaves.wdl, leaves.moves_left):
        array[:] = np.nan
    evaluator.evaluate(leaves, count)
    legal = np.arange(leaves.logits.shape[1]) < leaves.n_moves[:count, None]
    return [
        leaves.logits[:count][legal].copy(),
        leaves.wdl[:count].copy(),
        leaves.moves_left[:count].copy(),
    ]


def there(tensors, config, backend, dtype="float16"):
    return DeviceEvaluator(
        fused(tensors, config), lambda: network_on(tensors, config, backend, dtype), False
    )


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("backend", ["numpy", "cupy"])
def test_float32_equals_the_fused_network(config, backend, device):
    tensors = trained_tensors(config)
    leaves = sample_batch()
    evaluator = there(tensors, config, get_backend(backend), "float32")
    ours = answers(evaluator, leaves, 37)  # 3 parts, the last torn
    assert evaluator.take_news() == []
    expected = answers(fused(tensors, config), leaves, 37)
    for output, expected_output in zip(ours, expected, strict=True):
        np.testing.assert_allclose(output, expected_output, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("kind", "backend"), [("default", "numpy"), ("default", "cupy"), ("transformer", "cupy")]
)
def test_half_precision_stays_close(kind, backend, device):
    config = CONFIGS[kind]
    tensors = trained_tensors(config)
    leaves = sample_batch()
    _, half, _ = answers(there(tensors, config, get_backend(backend)), leaves, 37)
    _, full, _ = answers(there(tensors, config, get_backend(backend), "float32"), leaves, 37)
    assert np.abs(half - full).max() < 5e-3
    assert not np.array_equal(half.round(6), full.round(6))


def test_a_part_of_64x6_starts_at_most_90_kernels(device, small_parts):
    """As docs/gpu.md says."""
    config = TowerConfig(64, 6)
    evaluator = there(trained_tensors(config), config, get_backend("cupy"))
    leaves = sample_batch()
    answers(evaluator, leaves, 16)
    device.counts.clear()
    answers(evaluator, leaves, 16)
    assert device.counts["wait"] == 1
    assert 0 < device.counts["launch"] + device.counts["product"] <= 90


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("float16", 2e-3)])
def test_gpu_agrees_with_the_fused_network(config, gpu, dtype, tolerance):
    tensors = trained_tensors(config)
    leaves = sample_batch(600)
    _, wdl, _ = answers(there(tensors, config, gpu, dtype), leaves, 600)
    _, expected, _ = answers(fused(tensors, config), leaves, 600)
    assert np.abs(wdl - expected).max() < tolerance
