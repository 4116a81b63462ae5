"""The kernels of all towers and transformers are those of a few small ones, whatever their parts
and sizes.
"""

from dataclasses import replace

import numpy as np
import pytest

from engine import Engine, EngineOptions, Limits
from engine.network.lc0.planes_file import write_planes
from engine.network.lc0.reader import PlanesFile
from engine.network.tower.tower_model import TowerConfig
from engine.network.transformer.transformer_model import TransformerConfig
from engine.network.weightless import write_stand_ins
from tests.compile_events import CompileLog

OPTIONS = EngineOptions(hash_mib=4, threads=1)
TOWER = TowerConfig(24, 3)
BODY = TransformerConfig.parse("transformer-48x2x3")
DENSE = replace(BODY, embedding="dense", embedding_planes=24, embedding_hidden=40)
NO_SMOLGEN = {"smolgen_compressed": 0, "smolgen_hidden": 0, "smolgen_generated": 0}
ENCODER = {
    "policy_layers": 2, "policy_attention_heads": 2, "policy_attention_inner": 8, "policy_attention_hidden": 24,
}  # fmt: skip
OTHERS = {
    "tower": TOWER,
    "tower without gates": replace(TOWER, se_ratio=0),
    "tower with mish and scalar value": replace(TOWER, activation="mish", value="scalar"),
    "tower without moves left": replace(TOWER, moves_left_channels=0),
    "classical": replace(TOWER, policy="classical"),
    "attention": replace(TOWER, policy="attention"),
    "attention with an encoder and mish": replace(
        TOWER, policy="attention", activation="mish", **ENCODER
    ),
    "tower of format 5": replace(TOWER, input_format=5),
    "transformer": BODY,
    "relu and a gate": replace(BODY, activation="relu", feed_activation="squared_relu", gate=True),
    "no smolgen, format 4": replace(BODY, **NO_SMOLGEN, input_format=4),
    "several heads": replace(BODY, policy_heads=("vanilla", "soft"), value_heads=("winner", "q")),
    "scalar without moves left": replace(BODY, value="scalar", moves_left_channels=0),
    "dense": DENSE,
    "dense with a gate, format 5": replace(
        DENSE, gate=True, input_format=5, feed_activation="selu"
    ),
    "dense with a policy encoder": replace(DENSE, **NO_SMOLGEN, **ENCODER),
}


@pytest.fixture(scope="module")
def _prepared(tmp_path_factory):
    """As the compiler prepares, in this process."""
    for path in write_stand_ins(tmp_path_factory.mktemp("stand-ins")):
        for evaluator in ("network", "hybrid"):
            with Engine(replace(OPTIONS, weights_file=str(path), evaluator=evaluator)) as engine:
                engine.warm_up()


@pytest.mark.usefixtures("_prepared")
@pytest.mark.parametrize("name", OTHERS)
def test_the_first_move_of_any_size_of_network_compiles_nothing(name, tmp_path):
    config = OTHERS[name]
    model = config.build(np.random.default_rng(7))
    path = tmp_path / (
        "net.dit" if config.input_format == 1 or isinstance(config, TransformerConfig) else "net.pb"
    )
    write_planes(path, PlanesFile(config, model.named_parameters() | model.named_buffers(), {}))
    with CompileLog() as log:
        for evaluator in ("network", "hybrid")[name not in ("tower", "transformer") :]:
            with Engine(replace(OPTIONS, weights_file=str(path), evaluator=evaluator)) as engine:
                assert engine.search(Limits(nodes=20)).best_move is not None
    assert [compilation.name for compilation in log.compilations if compilation.ours] == []
