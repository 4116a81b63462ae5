"""Names and sizes of networks, and which of them are refused."""

from functools import partial

import numpy as np
import pytest
from numpy.random import default_rng

from engine import nn
from engine.errors import ConfigError
from engine.network.families import planes_config_of
from engine.network.fused.given_tensors import layers_with
from engine.network.lc0.reader import load_lc0
from engine.network.people.people_parameters import PeopleConfig
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.sparse.sparse_parameters import SparseConfig, sparse_config_of
from engine.network.tower.tower_model import TowerConfig, tower_config_of
from engine.network.transformer.transformer_model import TransformerConfig
from engine.nn import dit
from selfplay.families.by_name import net_of_model
from tests.unit.network.lc0_kept import network_file

NAMES = [
    *((TowerConfig, name) for name in ("64x6", "people-64x6")),
    (TransformerConfig, "transformer-32x2x4"),
    *((SparseConfig, name) for name in ("sparse-128+v128", "sparse-256+v512", "sparse-768")),
]
OTHER_NAMES = [
    *((TowerConfig, text) for text in ("", "64", "64x6x8", "-64x6", "64 x 6", "0x6", "99999x1")),
    *((TransformerConfig, f"transformer-{sizes}") for sizes in ("0x2", "32", "32x2x5x1", "30x2x4")),
    *((SparseConfig, text) for text in ("sparse", "sparse-100", "sparse-0", "768", "sparse-99999")),
    *((SparseConfig, f"sparse-768+{text}") for text in ("", "256", "v100", "v256k8")),
]
OTHER_SIZES = [
    *((TowerConfig, size) for size in (
        {"policy": "conv"}, {"value": "both"}, {"policy_planes": 72}, {"moves_left_channels": -1}, {"blocks": 5000},
    )),
    *((TransformerConfig, size) for size in (
        {"width": 1.5}, {"layers": "2"}, {"gate": "no"}, {"value_hidden": None}, {"activation": ["mish"]},
        {"policy_heads": ("soft",)}, {"value_heads": ("winner", "other")},
    )),
    *((PeopleConfig, size) for size in (
        {"width": 100}, {"mixer": 16}, {"layers": 99}, {"lowest": 1150}, {"lowest": 100, "highest": 4900},
    )),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), NAMES)
def test_a_name_tells_the_sizes(kind, text):
    assert str(kind.parse(text)) == text


@pytest.mark.parametrize(
    "refused",
    [
        *(partial(kind.parse, text) for kind, text in OTHER_NAMES),
        *(partial(kind, **size) for kind, size in OTHER_SIZES),
        partial(tower_config_of, nn.Dense(2, 2, default_rng(0)).config()),
        partial(planes_config_of, {"layer": "transformer", "depth": 2}),
    ],
)
def test_other_names_and_sizes_are_refused(refused):
    with pytest.raises(ConfigError, match=r"expected|is written|not the configuration"):
        refused()


@pytest.mark.parametrize(
    ("model", "config_of", "config"),
    [
        (SparseNetwork(config, default_rng(1)), sparse_config_of, config)
        for config in map(SparseConfig.parse, ("sparse-128", "sparse-128+v256"))
    ]
    + [
        (config.build(default_rng(1)), planes_config_of, config)
        for config in (
            TowerConfig.parse("people-16x1"),
            TransformerConfig(16, 1, 1, 16, 16, value_heads=("winner", "q")),
        )
    ],
)
def test_a_file_tells_the_sizes_of_its_network(tmp_path, model, config_of, config):
    dit.save(tmp_path / "net.dit", model)
    assert config_of(dit.load(tmp_path / "net.dit")[0].config()) == config


def test_the_fifty_move_plane_starts_with_small_weights():
    tower = TowerConfig(16, 2).build(default_rng(0))
    weight = np.abs(tower.named_parameters()["trunk.input_conv.weight"])
    assert weight[:, 109].mean() * 99 == pytest.approx(weight[:, 108].mean(), rel=0.3)


def test_networks_of_other_input_formats_are_not_trained_on_classical_planes(tmp_path):
    """A run began with one, and trained it on planes that it does not know."""
    path = tmp_path / "net.pb"
    path.write_bytes(network_file("canonical"))
    net = load_lc0(path)
    with pytest.raises(ConfigError, match="input format 1, of which training data are, not 3"):
        net_of_model(layers_with(net.tensors, net.config))


def test_encoders_whose_smolgen_has_its_usual_sizes_are_built():
    """A missing size was a KeyError."""
    smolgen = {"places": 4, "compressed": 1, "hidden": 2}
    sizes = {"features": 4, "heads": 2, "hidden": 4, "smolgen": smolgen}
    encoder = nn.Encoder(1, sizes, default_rng(1))
    assert encoder.params["table"].shape == (16, 256)
    assert encoder.forward(np.zeros((2, 4, 4), np.float32))[0].shape == (2, 4, 4)
