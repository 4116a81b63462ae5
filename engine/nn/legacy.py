"""Reading the `.dit` files of the `aino` 2.2.0 package, without ever unpickling.

Such a file is an uncompressed NumPy zip:
    config               int64 [n], layer sizes starting with the input
    activation           text, of the hidden layers
    output_activation    text, of the last layer; meaningless in a file with several heads
    is_multi_head        bool
    layer_{i}_w          float32 [in, out]        weights, trunk first, then the heads
    layer_{i}_b          float32 [1, out]         biases
    heads_config         a pickled object array, only with several heads; never read. The biases give the sizes of
                         the heads, whose outputs stay raw.

That package computes sigmoid and tanh as named and ReLU for every other name, even "softmax". The model built here
does the same, so its outputs equal those of the old one.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import NetFileError
from engine.files.archive import read_arrays
from engine.nn.layer import Layer
from engine.nn.layers import Activation, Dense, MultiHead, Sequential

LEGACY_MAGIC = b"PK\x03\x04"

LayerWeights = list[tuple[np.ndarray, np.ndarray]]  # (w [in, out], b [1, out]) of every layer


def is_legacy(path: str | Path) -> bool:
    """Return whether the file starts like a zip; False for an unreadable file."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(LEGACY_MAGIC)) == LEGACY_MAGIC
    except OSError:
        return False


def load_legacy(path: str | Path) -> tuple[Layer, dict[str, Any]]:
    """Read an `aino` 2.2.0 file; return (model, header), with the header in the form of a new file.

    One head gives a Sequential of "layer0", "activation0", ...; several give a MultiHead of "head0", "head1", ..., with
    raw outputs. Raises NetFileError for every fault.
    """
    path = Path(path)
    members = read_arrays(path, "a .dit file, or one of the package aino 2.2.0", skip={"heads_config"})  # a pickle
    sizes, multi_head = _sizes(path, members), bool(_scalar(path, members, "is_multi_head", "b"))
    hidden = _computed_as(_scalar(path, members, "activation", "U"))
    weights = _weights(path, members)
    trunk_layers = len(sizes) - (1 if multi_head else 2)
    _check_chain(path, sizes, weights, trunk_layers, multi_head)
    if multi_head:
        trunk = _chain(weights[:trunk_layers], [hidden] * trunk_layers)
        ends = {f"head{i}": _chain([one], ["identity"]) for i, one in enumerate(weights[trunk_layers:])}
        model: Layer = MultiHead(trunk, ends)
    else:
        output = _computed_as(_scalar(path, members, "output_activation", "U"))
        model = _chain(weights, [hidden] * trunk_layers + [output])
    provenance = {"backend": "numpy", "device": "unknown", "versions": {"aino": "2.2.0"}}
    header = {"model": model.config(), "tensors": [], "provenance": provenance, "card": {}, "configuration": {}}
    return model, header


# ---- what the arrays mean -----------------------------------------------------------------------------------------


def _scalar(path: Path, members: dict[str, np.ndarray], name: str, kind: str) -> Any:
    value = members.get(name)
    if value is None or value.shape != () or value.dtype.kind != kind:
        raise NetFileError(path, f"{name}, one value", "nothing" if value is None else f"{value.dtype} {value.shape}")
    return value.item()


def _sizes(path: Path, members: dict[str, np.ndarray]) -> list[int]:
    config = members.get("config")
    if config is None or config.ndim != 1 or config.dtype.kind != "i" or len(config) < 2 or config.min() < 1:
        raise NetFileError(path, "config, two or more layer sizes", str(config)[:60])
    return [int(size) for size in config]


def _weights(path: Path, members: dict[str, np.ndarray]) -> LayerWeights:
    weights: LayerWeights = []
    while f"layer_{len(weights)}_w" in members:
        prefix = f"layer_{len(weights)}"
        w, b = members[f"{prefix}_w"], members.get(f"{prefix}_b")
        if b is None or w.ndim != 2 or b.shape != (1, w.shape[1]) or w.dtype.kind != "f" or b.dtype.kind != "f":
            raise NetFileError(path, f"{prefix}_w [in, out] and {prefix}_b [1, out]", f"{w.shape}, {b!r:.40}")
        if not (np.isfinite(w).all() and np.isfinite(b).all()):
            raise NetFileError(path, f"finite numbers in {prefix}", "infinity or NaN")
        weights.append((w, b))
    known = {f"layer_{number}_{kind}" for number in range(len(weights)) for kind in "wb"}
    stray = [name for name in members if name.startswith("layer_") and name not in known]
    if not weights or stray:
        raise NetFileError(path, "layer_0_w, layer_1_w, ... without a gap", f"{len(weights)} layers, then {stray[:3]}")
    return weights


def _check_chain(path: Path, sizes: list[int], weights: LayerWeights, trunk_layers: int, multi_head: bool) -> None:
    expected = list(itertools.pairwise(sizes))
    if multi_head:
        expected += [(sizes[-1], b.shape[1]) for _, b in weights[trunk_layers:]]
    found = [w.shape for w, _ in weights]
    if found != expected or len(weights) == trunk_layers:
        raise NetFileError(path, f"weights of shapes {expected}", str(found))


def _computed_as(name: str) -> str:
    """Return what that package computes for an activation called `name`."""
    return name if name in ("sigmoid", "tanh") else "relu"


def _chain(weights: LayerWeights, activations: list[str]) -> Sequential:
    """Chain dense layers with these weights, each followed by its activation."""
    layers: dict[str, Layer] = {}
    for number, ((w, b), name) in enumerate(zip(weights, activations, strict=True)):
        dense = Dense(w.shape[0], w.shape[1], np.random.default_rng(0))
        dense.params = {"weight": np.array(w.T, np.float32, order="C"), "bias": np.array(b[0], np.float32)}
        layers |= {f"layer{number}": dense, f"activation{number}": Activation(name)}
    return Sequential(**layers)
