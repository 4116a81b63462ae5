"""Labels that a run's training draws beside its games."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, RunError
from engine.network.sparse.parameters import fill_tables, new_tables, sparse_config_of
from engine.nn import dit
from selfplay.data.label_sampler import LabelRows, LabelSampler
from selfplay.data.sparse_sampler import new_sparse_batch
from selfplay.records.label_folder import LabelWriter
from selfplay.run.config import configured
from selfplay.run.folder import RunFolder
from selfplay.run.phases import run_generations
from selfplay.training.losses import LossWeights
from selfplay.training.sparse import SparsePass, loss_sums
from tests.selfplay.teachers.nets import material_labels

SETTINGS = {
    "net": "sparse-128",
    "games": {"count": 6, "visits": 4, "longest": 24, "resign_below": -1.0},
    "gate": {"pairs": 1, "visits": 4, "longest": 8},
}
FIT = {"positions": 8192, "batch_size": 64, "heldout_share": 0.2, "peak_rate": 0.004, "weight_decay": 0.1}


def value_loss(net: Path, rows: np.ndarray) -> float:
    """Mean cross entropy of a sparse network's value head on packed rows."""
    model, _ = dit.load(net)
    config = sparse_config_of(model.config())
    _, tables = new_tables(config)
    fill_tables(tables, config, model.named_parameters())
    batch = new_sparse_batch(len(rows))
    LabelSampler(LabelRows("rows", rows)).fill(np.arange(len(rows)), np.full(len(rows), -1), batch)
    forward = SparsePass(config, len(rows), 1)
    forward.positions(tables, batch, len(rows), LossWeights())
    forward.close()
    return loss_sums(forward.gradients, len(rows)).means.value


def test_labels_teach_beside_the_games(tmp_path: Path) -> None:
    chunk = material_labels(tmp_path / "labels", 3000)
    losses = []
    for name, labels in (("without", ""), ("with", str(tmp_path / "labels"))):
        fit = {**FIT, "labels": labels, "labels_share": 0.75}
        run = RunFolder(tmp_path / name, {**SETTINGS, "fit": fit})
        run.ensure_first_network()
        assert run_generations(run, 1, lambda: False)
        losses.append(value_loss(run.candidate(1), chunk.values))
        run.close()
    assert losses[1] < losses[0] - 0.1


def test_an_empty_label_folder_is_named(tmp_path: Path) -> None:
    LabelWriter(tmp_path / "labels", {}).close()
    run = RunFolder(tmp_path / "run", {**SETTINGS, "fit": {**FIT, "labels": str(tmp_path / "labels")}})
    run.ensure_first_network()
    with pytest.raises(RunError, match="labels: a label folder without a label"):
        run_generations(run, 1, lambda: False)
    run.close()


def test_towers_do_not_learn_from_label_folders() -> None:
    assert asdict(configured({"net": "sparse-128", "fit": {"labels": "labels"}}))["fit"]["labels"] == "labels"
    with pytest.raises(ConfigError, match=r"fit\.labels: .* net is 16x1"):
        configured({"net": "16x1", "fit": {"labels": "labels"}})
