"""Memory of fused inference: what a net and a thread take, and whether a million evaluations take more.

    python -m uci.bench.inference_memory --net 64x6 --evaluations 1000000

Resident memory is read where the system reports it (Linux); Python counts the blocks that its own objects hold.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.evaluation.protocol import LeafBatch, new_leaf_batch
from engine.evaluation.tower import NetworkEvaluator
from engine.measuring import resident_bytes
from engine.network.tower.inference import FusedTower
from engine.network.tower.model import TowerConfig, build_tower

BATCHES = (1, 5, 8, 64)  # batch sizes in positions, used in turn
MIB = 1 << 20


class Growth(NamedTuple):
    evaluations: int
    resident: int  # growth of resident memory since the first evaluations, in bytes
    blocks: int  # growth in memory blocks held by Python objects


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--net", type=TowerConfig.parse, default=TowerConfig())
    parser.add_argument("--evaluations", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    tower = FusedTower.from_model(build_tower(options.net, np.random.default_rng(0)), options.net)
    weights, space = tower.memory()
    print(f"{options.net}: weights {weights / MIB:.1f} MiB, buffers {space / MIB:.2f} MiB a thread")
    growth = measure(tower, options.evaluations)
    print(f"after {growth.evaluations:,} evaluations: {growth.resident / 1024:+.0f} KiB resident,", end=" ")
    print(f"{growth.blocks:+d} blocks of Python objects")


def measure(tower: FusedTower, evaluations: int) -> Growth:
    """Evaluates about that many positions, in batches of several sizes."""
    evaluator, leaves = NetworkEvaluator(tower), random_leaves(np.random.default_rng(1))
    _evaluate(evaluator, leaves, 10 * sum(BATCHES))
    gc.collect()
    resident, blocks = resident_bytes(), sys.getallocatedblocks()
    done = _evaluate(evaluator, leaves, evaluations)
    gc.collect()
    growth = Growth(done, resident_bytes() - resident, sys.getallocatedblocks() - blocks)
    evaluator.close()
    return growth


def _evaluate(evaluator: NetworkEvaluator, leaves: LeafBatch, evaluations: int) -> int:
    done = 0
    while done < evaluations:
        for batch in BATCHES:
            evaluator.evaluate(leaves, batch)
        done += sum(BATCHES)
    return done


def random_leaves(rng: np.random.Generator) -> LeafBatch:
    """64 leaves of random bits and 40 moves each: time and memory do not depend on the input."""
    leaves = new_leaf_batch(max(BATCHES))
    leaves.masks[:] = np.bitwise_and.reduce(rng.integers(0, 1 << 63, (4, *leaves.masks.shape), np.uint64), axis=0)
    leaves.masks[:, 109] = rng.integers(0, 100, len(leaves.masks))
    leaves.n_moves[:] = 40
    leaves.policy_index[:, :40] = rng.integers(0, 1858, (len(leaves.masks), 40))
    return leaves


if __name__ == "__main__":
    main()
