"""Finds and loads nets: shipped nets through `manifest.py`, any other by its path."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import ConfigError, NetFileError, ShapeError
from engine.files.dit_file import load_tensors
from engine.native.aligned_arrays import release_freed_memory
from engine.network.lc0.schema import is_lc0
from engine.network.manifest import LEARNED_ALONE, MANIFEST, SHIPPED, learned_alone, read_manifest
from engine.network.outputs import Tensors
from engine.network.planes import FIFTY_MOVE_PLANE, PLANES
from engine.network.sparse.sparse_parameters import sparse_config_of
from engine.network.sparse.sparse_play import SparseNet

# A sparse network is loaded without the tower's modules, which need the learning library.
if TYPE_CHECKING:
    from engine.network.families import PlanesConfig
    from engine.network.fused.ready_network import Fused
    from engine.network.lc0.reader import PlanesFile

DEFAULT_NET = "<default>"
TRIALS = 2  # random inputs that a net must answer with finite numbers before it is used


def load_net(path: str | Path | None = None) -> Fused | SparseNet:
    """Load a net of any family, ready to play; errors as for `load_planes`.

    None, "" and "<default>" stand for the shipped net to play with, whatever its family, and "zero"
    for the one that learned alone.
    """
    chosen = chosen_path(path, "default")
    if is_lc0(chosen):
        return load_network(chosen)
    header, tensors = load_tensors(chosen)
    try:
        config = sparse_config_of(header["model"])
    except ConfigError:
        from engine.network.families import planes_config

        return _fused(chosen, tensors, planes_config(chosen, header))
    try:
        return SparseNet(tensors, config)
    except (ConfigError, ShapeError) as error:
        raise NetFileError(chosen, "a sparse network", str(error)) from error


def load_network(path: str | Path | None = None) -> Fused:
    """Load a tower or transformer, ready to play; `path` and errors as for `load_planes`."""
    chosen = chosen_path(path, "default_tower")
    net = load_planes(chosen)
    return _fused(chosen, net.tensors, net.config)


def load_planes(path: str | Path | None = None) -> PlanesFile:
    """Read a tower or transformer with the heads that play.

    None, "" and "<default>" stand for the shipped tower. Raises NetFileError when the file is
    missing, damaged, not a tower, or differs from its manifest entry.
    """
    from engine.network.lc0.planes_file import read_planes

    return read_planes(chosen_path(path, "default_tower"), to_play=True)


def _fused(path: Path, tensors: Tensors, config: PlanesConfig) -> Fused:
    try:
        # Its layers go before those to play with are made.
        if not _answers_in_numbers(tensors, config):
            raise NetFileError(path, "finite answers", "infinity or NaN: its weights are too large")
        release_freed_memory()
        network = fused_network(tensors, config)
    except (ConfigError, ShapeError) as error:
        raise NetFileError(path, "a tower that fused inference can play", str(error)) from error
    release_freed_memory()
    return network


def fused_network(tensors: Tensors, config: PlanesConfig) -> Fused:
    """Return a tower or transformer ready to play; errors as of its class."""
    from engine.network.tower.tower_model import TowerConfig
    from engine.network.tower.tower_play import FusedTower
    from engine.network.transformer.transformer_play import FusedTransformer

    if isinstance(config, TowerConfig):
        return FusedTower(tensors, config)
    return FusedTransformer(tensors, config)


def _answers_in_numbers(tensors: Tensors, config: PlanesConfig) -> bool:
    """Whether float32 holds all outputs for TRIALS seeded random inputs, in which one square in
    eight is set.

    The layers give them, those of towers in float64: kernels may not be compiled yet, which takes
    seconds.
    """
    from engine.network.fused.given_tensors import layers_with
    from engine.network.tower.tower_model import TowerConfig

    layers = layers_with(tensors, config)
    if isinstance(config, TowerConfig):
        layers = layers.astype(np.float64)
    boards = (np.random.default_rng(1).random((TRIALS, PLANES, 8, 8)) < 1 / 8).astype(np.float64)
    boards[:, FIFTY_MOVE_PLANE] = 0.0
    with np.errstate(all="ignore"):
        outputs = layers.predict(boards, 1)
    return all(
        bool((np.abs(output) <= np.finfo(np.float32).max).all()) for output in outputs.values()
    )


def is_default(path: str | Path | None) -> bool:
    """Whether a path stands for a shipped net."""
    return path in (None, "", DEFAULT_NET)


def chosen_path(path: str | Path | None, entry: str) -> Path:
    """Where a net lies; `path` as for `load_net`, with the manifest's `entry` as default. Raises
    NetFileError.
    """
    if str(path) == LEARNED_ALONE:
        if (net := learned_alone()) is None:
            raise NetFileError(
                LEARNED_ALONE, f"a net {LEARNED_ALONE}-*.dit in {SHIPPED / MANIFEST}", "none"
            )
        return _verified(net)
    if is_default(path):
        return default_net_path(entry)
    return Path(os.path.expanduser(str(path)))


def default_net_path(entry: str = "default") -> Path:
    """Find the file of the net that the manifest's `entry` names, its checksum verified.

    Raises NetFileError when the manifest is missing or unreadable, names no such net, or describes
    a different file.
    """
    manifest = read_manifest()
    name = manifest.get(entry)
    net = next((net for net in manifest["net"] if net["name"] == name), None)
    if net is None:
        names = ", ".join(net["name"] for net in manifest["net"]) or "no nets"
        raise NetFileError(
            SHIPPED / MANIFEST,
            f"a {entry} that is one of its nets",
            f"{entry} {name!r} among {names}",
        )
    return _verified(net)


def _verified(net: Mapping[str, Any]) -> Path:
    path = SHIPPED / net["file"]
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise NetFileError(path, "a net file", error.strerror or str(error)) from error
    if digest != net["sha256"]:
        raise NetFileError(path, f"sha256 {net['sha256']}", f"sha256 {digest}")
    return path
