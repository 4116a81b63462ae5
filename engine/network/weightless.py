"""Small networks that need, all together, every kernel of towers and transformers.

Kernels depend on few of a network's parts and on none of its sizes. So the kernels for all of Lc0's
networks are compiled once, for these, which take no memory and no time to load.
"""

from pathlib import Path

import numpy as np

from engine.network.families import PlanesConfig
from engine.network.input_formats import CANONICAL, CLASSICAL
from engine.network.lc0.planes_file import write_planes
from engine.network.lc0.reader import PlanesFile
from engine.network.tower.tower_model import TowerConfig
from engine.network.transformer.transformer_model import TransformerConfig

STAND_INS: tuple[PlanesConfig, ...] = (
    TowerConfig(16, 1),
    TowerConfig(16, 1, activation="mish", policy="classical"),
    TowerConfig(
        16,
        1,
        policy="attention",
        policy_layers=1,
        policy_attention_heads=1,
        policy_attention_inner=16,
        policy_attention_hidden=16,
        input_format=CANONICAL,
    ),
    TransformerConfig.parse("transformer-16x1"),
    TransformerConfig(
        16, 1, 1, 16, 16, embedding="dense", embedding_planes=16, embedding_hidden=16
    ),
)


def write_stand_ins(folder: Path) -> list[Path]:
    """Write the stand-ins with random weights to new files in the folder, and return their paths."""
    paths = []
    for number, config in enumerate(STAND_INS):
        suffix = ".dit" if config.input_format == CLASSICAL else ".pb"
        path = folder / f"{number}{suffix}"
        model = config.build(np.random.default_rng(number))
        write_planes(path, PlanesFile(config, model.named_parameters() | model.named_buffers(), {}))
        paths.append(path)
    return paths
