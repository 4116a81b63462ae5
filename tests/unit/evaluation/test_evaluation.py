"""What every evaluator promises to search, and how evaluators and nets are found by name."""

import hashlib

import numpy as np
import pytest
from numpy.random import default_rng
from numpy.testing import assert_allclose, assert_array_equal

from engine.errors import ConfigError, NetFileError
from engine.evaluation import (
    HybridEvaluator,
    MaterialEvaluator,
    NetworkEvaluator,
    SparseEvaluator,
    make_evaluator,
)
from engine.evaluation.leaf_batches import leaves_of
from engine.files import dit_file
from engine.network import manifest as manifest_file
from engine.network import weights
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.sparse.sparse_parameters import SparseConfig
from engine.network.sparse.sparse_play import SparseNet
from engine.network.tower.tower_model import TowerConfig
from engine.network.tower.tower_play import FusedTower
from engine.network.weights import default_net_path
from engine.nn import dit
from tests.boards import random_game
from tests.unit.network.fused_tower import fused

CONFIG = TowerConfig(
    16, 1, value_channels=4, value_hidden=16, moves_left_channels=2, moves_left_hidden=8
)
LEAVES = 37  # no multiple of a chunk


def small_net():
    return fused(CONFIG.build(default_rng(1)), CONFIG)


def small_sparse_net(name="sparse-128+v128", seed=1):
    config = SparseConfig.parse(name)
    return SparseNet(SparseNetwork(config, default_rng(seed)).named_parameters(), config)


MAKERS = {
    "material": MaterialEvaluator,
    "sparse": lambda threads: SparseEvaluator(small_sparse_net(), threads),
    "network": lambda threads: NetworkEvaluator(small_net(), threads),
    "hybrid": lambda threads: HybridEvaluator(NetworkEvaluator(small_net(), threads), 0.4, threads),
}


def sample_batch(count=LEAVES):
    rng = default_rng(2)
    return leaves_of([random_game(rng, number % LEAVES) for number in range(count)])


def answers(leaves, leaf):
    outputs = (
        leaves.logits[leaf, : leaves.n_moves[leaf]],
        leaves.wdl[leaf],
        leaves.moves_left[leaf],
    )
    return [output.tobytes() for output in outputs]


@pytest.fixture(params=list(MAKERS))
def make(request):
    """make(threads): an evaluator that is closed after the test."""
    evaluators = []

    def build(threads=1):
        evaluators.append(MAKERS[request.param](threads))
        return evaluators[-1]

    yield build
    for evaluator in evaluators:
        evaluator.close()


@pytest.mark.parametrize("count", [0, 11, LEAVES])
def test_outputs_of_the_asked_for_leaves_are_probabilities(make, count):
    leaves = sample_batch()
    leaves.wdl[:] = -1
    evaluator = make(2)
    evaluator.evaluate(leaves, count)
    assert evaluator.round_size % 8 == 0
    assert np.all(leaves.wdl[count:] == -1)
    assert leaves.wdl[:count].sum(axis=1) == pytest.approx(np.ones(count), abs=1e-5)
    assert np.all(leaves.wdl[:count] >= 0)
    assert np.all(leaves.moves_left[:count] >= 0)
    for leaf in range(count):
        logits = leaves.logits[leaf, : leaves.n_moves[leaf]]
        assert np.all(np.isfinite(logits))
        assert np.ptp(logits) > 0 or len(logits) == 1


def test_a_leafs_bits_do_not_depend_on_threads_or_company(make):
    together = sample_batch()
    threaded = sample_batch()
    alone = sample_batch()
    make(1).evaluate(together, LEAVES)
    make(3).evaluate(threaded, LEAVES)
    single = make(1)
    for leaf in range(LEAVES):
        for source, target in zip(alone, alone, strict=True):
            target[0] = source[leaf]
        single.evaluate(alone, 1)
        assert answers(alone, 0) == answers(together, leaf) == answers(threaded, leaf)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_hybrid_blends_the_values_alone(weight):
    network = NetworkEvaluator(small_net())
    batches = []
    for evaluator in (network, MaterialEvaluator(), HybridEvaluator(network, weight)):
        batches.append(sample_batch())
        evaluator.evaluate(batches[-1], LEAVES)
        evaluator.close()
    network, material, hybrid = batches
    blend = (1 - weight) * network.wdl + weight * material.wdl
    assert_allclose(hybrid.wdl, blend, atol=1e-6)
    assert_array_equal(hybrid.logits, network.logits)
    assert_array_equal(hybrid.moves_left, network.moves_left)


# ---- finding nets and evaluators -----------------------------------------------------------------


@pytest.fixture
def net_folder(tmp_path, monkeypatch):
    """A folder like the package `weights`, with one net in it."""
    dit.save(tmp_path / "small.dit", CONFIG.build(default_rng(1)))
    digest = hashlib.sha256((tmp_path / "small.dit").read_bytes()).hexdigest()
    (tmp_path / "MANIFEST.toml").write_text(
        f'default = "small"\n[[net]]\nname = "small"\nfile = "small.dit"\nsha256 = "{digest}"\n',
        encoding="utf-8",
    )
    for module in (weights, manifest_file):
        monkeypatch.setattr(module, "SHIPPED", tmp_path)
    return tmp_path


def test_the_net_that_learned_alone_goes_by_its_name(net_folder):
    with pytest.raises(
        NetFileError, match=r"zero: expected a net zero-\*\.dit in .*MANIFEST\.toml"
    ):
        weights.load_net("zero")
    (net_folder / "small.dit").rename(net_folder / "zero-small.dit")
    text = (net_folder / "MANIFEST.toml").read_text().replace("small.dit", "zero-small.dit")
    (net_folder / "MANIFEST.toml").write_text(text + "hours = 12\n")
    assert isinstance(weights.load_net("zero"), FusedTower)
    assert make_evaluator("auto", "zero").name == "hybrid"
    assert manifest_file.learned_alone()["hours"] == 12
    (net_folder / "zero-small.dit").write_bytes(b"x")
    with pytest.raises(NetFileError, match="expected sha256"):
        weights.load_net("zero")


def test_each_evaluator_takes_the_shipped_net_of_its_family():
    names = {name: make_evaluator(name).name for name in ("auto", "sparse", "network", "hybrid")}
    assert names == {"auto": "sparse", "sparse": "sparse", "network": "network", "hybrid": "hybrid"}


def manifest(text):
    return lambda folder: (folder / "MANIFEST.toml").write_text(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (manifest("default = ["), "expected a TOML file"),
        (manifest('default = "other"'), "default 'other' among no nets"),
        (manifest('[[net]]\nname = "x"'), "tables without them"),
        (
            manifest('[[net]]\nname = "x"\nfile = "y"\nsha256 = ""\nhours = "many"'),
            "expected a number as hours of x, found 'many'",
        ),
        (lambda folder: (folder / "small.dit").unlink(), "expected a net file"),
        (lambda folder: (folder / "small.dit").write_bytes(b"x"), "expected sha256"),
    ],
)
def test_a_faulty_net_folder_says_what_is_wrong(net_folder, change, message):
    change(net_folder)
    with pytest.raises(NetFileError, match=message):
        default_net_path()


def test_the_net_that_the_manifest_names_is_read_once(net_folder, monkeypatch):
    read = []
    monkeypatch.setattr(
        weights, "load_tensors", lambda path: read.append(path) or dit_file.load_tensors(path)
    )
    assert isinstance(weights.load_net(default_net_path()), FusedTower)
    assert read == [net_folder / "small.dit"]


@pytest.mark.parametrize(
    ("name", "file", "expected"),
    [
        ("network", "small.dit", "network"),
        ("hybrid", "small.dit", "hybrid"),
        ("auto", "small.dit", "hybrid"),
        ("network", "sparse.dit", "sparse"),
        ("sparse", "sparse.dit", "sparse"),
        ("auto", "sparse.dit", "sparse"),
        ("hybrid", "sparse.dit", "expected a tower"),
        ("sparse", "small.dit", "expected a sparse network"),
    ],
)
def test_evaluators_are_made_by_name_and_family(net_folder, name, file, expected):
    network = SparseNetwork(SparseConfig(128), default_rng(1))
    dit.save(net_folder / "sparse.dit", network, dtype="float16")
    if expected.startswith("expected"):
        with pytest.raises(NetFileError, match=expected):
            make_evaluator(name, net_folder / file)
    else:
        evaluator = make_evaluator(name, net_folder / file)
        assert evaluator.name == expected
        evaluator.close()


def test_a_net_in_the_folder_of_nobody_is_an_error():
    with pytest.raises(NetFileError, match=r"nowhere\.dit"):
        make_evaluator("auto", "~nobody-of-that-name/nowhere.dit")


def test_an_unknown_evaluator_is_an_error():
    with pytest.raises(ConfigError, match="'oracle': expected one of auto, network, material"):
        make_evaluator("oracle", None)


def test_hybrid_refuses_a_weight_that_is_no_share():
    with pytest.raises(ConfigError, match=r"1\.5"):
        HybridEvaluator(NetworkEvaluator(small_net()), 1.5)


@pytest.mark.parametrize("name", ["auto", "network", "hybrid", "sparse"])
def test_a_shipped_net_that_cannot_be_loaded_is_an_error(net_folder, name):
    (net_folder / "MANIFEST.toml").unlink()
    with pytest.raises(NetFileError) as caught:
        make_evaluator(name, "<default>")
    assert caught.value.option == "weights_file"
