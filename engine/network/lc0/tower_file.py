"""Reads and writes towers in either kind of file: `.dit`, and Lc0's `.pb` and `.pb.gz`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, NetFileError
from engine.files import dit_file
from engine.network.lc0.formats import describe
from engine.network.lc0.reader import load_lc0
from engine.network.lc0.schema import is_lc0
from engine.network.lc0.writer import SUFFIXES, save_lc0
from engine.network.sparse.parameters import sparse_config_of
from engine.network.tower.model import TowerConfig, build_tower, tower_config_of
from engine.nn import dit


@dataclass(frozen=True)
class TowerFile:
    """A tower as stored in a file, with the file's metadata."""

    config: TowerConfig
    tensors: dict[str, np.ndarray]  # float32 by the names of `tower.model`
    card: dict[str, Any]  # how it was trained


def read_tower(path: str | Path) -> TowerFile:
    """Read a tower from a file of either kind. Raises NetFileError for every fault and for anything but a tower."""
    path = Path(path)
    if is_lc0(path) or path.name.endswith(SUFFIXES):
        net = load_lc0(path)
        card = {"kind": "imported", "source": path.name, "format": describe(net.format), "training": net.training}
        return TowerFile(net.config, net.tensors, card | ({"license": net.license} if net.license else {}))
    header, tensors = dit_file.load_tensors(path)
    try:
        return TowerFile(tower_config_of(header["model"]), tensors, header["card"])
    except ConfigError as error:
        if not _is_sparse(header["model"]):
            raise NetFileError(path, "a tower", str(error)) from error
        message = f"{path}: sparse nets cannot be converted to Lc0's format"
        raise NetFileError(path, "a tower", "a sparse network", message) from error


def _is_sparse(model: Any) -> bool:
    try:
        sparse_config_of(model)
    except ConfigError:
        return False
    return True


def write_tower(path: str | Path, tower: TowerFile) -> None:
    """Write a tower in the format of the suffix of `path`: .dit, .pb or .pb.gz.

    Raises ConfigError for another suffix and for what the format cannot hold, NetFileError when the file cannot be
    written.
    """
    path = Path(path)
    if path.suffix == ".dit":
        model = build_tower(tower.config, np.random.default_rng(0))
        model.load_parameters(tower.tensors)
        dit.save(path, model, tower.card)
    else:
        save_lc0(path, tower.tensors, tower.config, tower.card.get("training"), tower.card.get("license", ""))
