"""`aino net info|convert|export` in-process, on a small random net."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.network.policy.model import SparseNetwork
from engine.network.policy.parameters import SparseConfig
from engine.network.tower.model import TowerConfig, build_tower
from engine.nn import Dense, dit
from uci.main import main

CONFIG = TowerConfig(16, 1, policy="attention", policy_planes=16, policy_depth=8, moves_left_channels=0)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A tower, beside a sparse network and one of another kind."""
    dit.save(tmp_path / "small.dit", build_tower(CONFIG, np.random.default_rng(1)), {"positions": 12345})
    dit.save(tmp_path / "sparse.dit", SparseNetwork(SparseConfig(128), np.random.default_rng(0)))
    dit.save(tmp_path / "dense.dit", Dense(3, 2, np.random.default_rng(0)))
    return tmp_path / "small.dit"


def test_info_tells_architecture_size_and_training(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["net", "info", str(net)]) == 0
    text = capsys.readouterr().out
    assert "tower 16x1 (filters x blocks), gates of 2, relu; attention policy (16 planes, keys of 8)" in text
    assert "wdl value (32 channels, 128 units); no moves left" in text
    assert f"{net.stat().st_size:,} bytes" in text
    assert "12345" in text


def test_info_of_other_networks_says_what_they_are_and_as_json(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["net", "info"]) == 0
    assert "sparse-768" in capsys.readouterr().out
    assert main(["net", "info", "--json", str(net)]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["format"] == "dit"
    model = build_tower(CONFIG, np.random.default_rng(0))
    assert info["parameters"] == sum(array.size for array in model.named_parameters().values())
    for name in ("sparse.dit", "dense.dit"):
        assert main(["net", "info", str(net.with_name(name))]) == 0
    text = capsys.readouterr().out
    assert "sparse-128" in text
    assert "neither a tower nor a sparse network: dense" in text


def test_convert_and_export_write_nets_for_lc0(net: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.chdir(net.parent)
    assert main(["net", "export", str(net)]) == 0
    assert main(["net", "convert", "small.pb.gz", "again.dit"]) == 0
    assert main(["net", "convert", "again.dit", "again.pb"]) == 0
    capsys.readouterr()
    for name in ("small.pb.gz", "again.dit", "again.pb"):
        assert main(["net", "info", name]) == 0
        text = capsys.readouterr().out
        assert "tower 16x1" in text
        assert "POLICY_ATTENTION" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["convert", "small.dit", "small.txt"], ".pb.gz"),
        (["export", "small.dit", "--out", "small.dit2"], ".pb.gz"),
        (["convert", "small.dit", "./small.dit"], "the net itself"),
        (["convert", "nowhere.pb", "there.dit"], "nowhere.pb"),
        (["export", "sparse.dit"], "found a network sparse-128; only towers and transformers can be converted"),
        (["convert", "sparse.dit", "sparse.onnx"], "sparse.dit: expected a tower, found a network sparse-128; only"),
        (["export", "dense.dit"], "expected a tower, found a model 'dense' (not the configuration"),
        (["export", "small.dit", "--out", "other.dit"], "`aino net convert small.dit other.dit` writes .dit"),
        (["info", "text.pb.gz"], "is not a net file (.dit, .pb, .pb.gz)"),
    ],
)
def test_what_cannot_be_converted_is_one_line_on_stderr(net, words, message, capsys, monkeypatch):
    monkeypatch.chdir(net.parent)
    (net.parent / "text.pb.gz").write_text("no net")
    before = sorted(net.parent.iterdir())
    assert main(["net", *words]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert sorted(net.parent.iterdir()) == before
