"""Fused inference keeps its promise that a position's bits depend on nothing else; that it answers
like the layers it is made from, test_lc0_kinds.py shows.
"""

import gc
import os
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng

from engine.errors import ConfigError, ShapeError
from engine.evaluation.protocol import new_leaf_batch
from engine.evaluation.tower import NetworkEvaluator
from engine.network.fused import multiply as multiply_module
from engine.network.fused.multiply import Rows, packed
from engine.network.tower.tower_model import TowerConfig
from engine.network.tower.tower_play import FusedTower
from tests.unit.network.fused_tower import (
    assert_bits_depend_on_the_position_alone,
    fused,
    random_model,
    untrained,
)
from tests.unit.network.lc0_nets import random_masks

MIB = 1 << 20
BATCHES = (1, 5, 8, 64)  # positions at once, used in turn
ROUNDS = 60_000 // sum(BATCHES)
SMALL = TowerConfig(
    16, 2, value_channels=4, value_hidden=16, moves_left_channels=3, moves_left_hidden=8
)
CONFIGS = {
    "small": SMALL,
    "no gate": replace(SMALL, se_ratio=0),
    "odd channels": replace(SMALL, filters=20, se_ratio=5),
    "no blocks": replace(SMALL, blocks=0),
    "default sizes": TowerConfig(32, 1),
    "scalar value": replace(SMALL, value="scalar"),
    "classical policy": replace(SMALL, policy="classical", policy_planes=5),
    "attention policy": replace(SMALL, policy="attention", policy_planes=24, policy_depth=20),
    "mish, odd channels, no gate": replace(SMALL, filters=20, se_ratio=0, activation="mish"),
    "mish, classical policy": replace(
        SMALL, activation="mish", policy="classical", policy_planes=8
    ),
    "mish, attention policy": replace(
        SMALL, activation="mish", policy="attention", policy_planes=32, blocks=0
    ),
}


@pytest.mark.parametrize("config", [TowerConfig(32, 2), TowerConfig(128, 1), *CONFIGS.values()])
def test_a_positions_bits_depend_on_nothing_but_the_position(config):
    rng = default_rng(4)
    masks = random_masks(20, rng)
    tower = fused(random_model(config, rng), config)
    assert_bits_depend_on_the_position_alone(tower, masks, rng)


@pytest.mark.plain
@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("columns", [16, 48, 80, 112, 128])
def test_blocks_of_any_width_hold_the_same_product(monkeypatch, lanes, columns):
    # 4 where registers hold sixteen floats, else 1.
    monkeypatch.setattr(multiply_module, "BLOCK_LANES", lanes)
    for name in ("multiply", "_columns_of_4", "_columns_of_1"):
        monkeypatch.setattr(multiply_module, name, getattr(multiply_module, name).py_func)
    rng = default_rng(12)
    a = rng.normal(size=(8, 3)).astype(np.float32)
    b = rng.normal(size=(3, columns)).astype(np.float32)
    rows, to = Rows(0, 3), Rows(0, columns)
    out = np.full((8, columns), np.nan, np.float32)
    multiply_module.multiply(
        a.reshape(-1), rows, 3, packed(b), 0, columns, out.reshape(-1), to, 2, 0
    )
    np.testing.assert_allclose(out, a @ b, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "missing", "error", "message"),
    [
        (SMALL, "policy.conv2.bias", ConfigError, r"policy\.conv2\.bias"),
        (
            replace(SMALL, filters=24),
            None,
            ShapeError,
            r"policy\.conv2\.weight: expected shape \(80, 24, 3, 3\), found \(80, 16, ",
        ),
        (replace(SMALL, activation="tanh"), None, ConfigError, "relu and mish, not 'tanh'"),
    ],
)
def test_folding_names_what_does_not_fit(config, missing, error, message):
    model = SMALL.build(default_rng(0))
    tensors = {**model.named_parameters(), **model.named_buffers()}
    tensors.pop(missing, None)
    with pytest.raises(error, match=message):
        FusedTower(tensors, config)


SLOW_KINDS = [
    pytest.param(kind, marks=pytest.mark.slow)
    for kind in ("default sizes", "mish, classical policy")
]


@pytest.mark.parametrize("kind", ["attention policy", *SLOW_KINDS])
def test_evaluations_allocate_nothing(kind):
    tower = fused(CONFIGS[kind].build(default_rng(0)), CONFIGS[kind])
    leaves = new_leaf_batch(max(BATCHES))
    leaves.masks[:] = random_masks(len(leaves.masks), default_rng(1))
    leaves.n_moves[:] = 40
    with closing(NetworkEvaluator(tower)) as evaluator:
        held = [held_after(evaluator, leaves, rounds) for rounds in (10, ROUNDS, ROUNDS)]
    # Other threads allocate now and then; a leak shows each time.
    blocks, resident = np.diff(held, axis=0).min(axis=0)
    assert blocks < 2000  # Python fills its free lists; one a batch would be 3,000.
    assert resident < MIB


def resident_bytes():
    """Bytes of memory that the process holds; 0 outside Linux, where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def held_after(evaluator, leaves, rounds):
    """What so many rounds of batches leave behind: blocks of memory that Python holds, and resident
    bytes.
    """
    for batch in BATCHES * rounds:
        evaluator.evaluate(leaves, batch)
    gc.collect()
    return sys.getallocatedblocks(), resident_bytes()


@pytest.mark.parametrize(("net", "weights", "buffers"), [("64x6", 11, 1.5), ("128x10", 66, 2.3)])
def test_memory_is_what_the_documentation_says(net, weights, buffers):
    tower = untrained(net, 0)
    assert bytes_of(tower.weights) / MIB == pytest.approx(weights, abs=0.5)
    assert bytes_of(tower.new_space()) / MIB == pytest.approx(buffers, abs=0.05)


def bytes_of(part):
    return sum(map(bytes_of, part)) if isinstance(part, tuple) else getattr(part, "nbytes", 0)
