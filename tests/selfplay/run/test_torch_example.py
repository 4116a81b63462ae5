"""The example in PyTorch learns in the loop and plays, where PyTorch is installed."""

import sys

import numpy as np
import pytest

from engine import Engine, EngineOptions, Limits
from selfplay.run.folder import RunFolder
from tests.documents.pages import ROOT
from tests.selfplay.run.crews import TINY_FLAGS

NET = "torch_network:Network"


def test_the_tower_in_pytorch_learns_in_the_loop_and_plays(tmp_path, aino_train, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(ROOT / "examples")
    flags = [*TINY_FLAGS, "--fit.positions=640", "--gate.accept_score=0.01"]
    told = aino_train("loop", tmp_path / "run", f"--net={NET}", *flags, "--generations", 1)
    assert f"aino play --evaluator {NET} --weights-file" in told
    run = RunFolder(tmp_path / "run", {})
    first, *_, last = run.ledger.losses(1, "train")
    run.close()
    assert last["policy"] < first["policy"]
    best = str(tmp_path / "run/nets/best.dit")
    with Engine(EngineOptions(evaluator=NET, weights_file=best, threads=1)) as engine:
        assert engine.search(Limits(nodes=20)).best_move in engine.board.legal_moves
    made = sys.modules["torch_network"].Network
    planes = np.zeros((3, 112, 8, 8), np.float32)
    one, other = (made(weights=made(seed=seed).weights())(planes)[0] for seed in (1, 1))
    assert np.array_equal(one, other)
