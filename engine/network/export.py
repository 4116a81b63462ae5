"""Networks for other programs: `.npz` for NumPy, `.onnx` for ONNX Runtime and what else reads it.

docs/own-network.md gives the layout of both, and reads an `.npz` file in forty lines.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.files.atomic import atomic_write
from engine.files.dit_file import load_tensors
from engine.network.input_formats import CLASSICAL, counter_scale
from engine.network.lc0.planes_file import read_planes
from engine.network.lc0.schema import is_lc0
from engine.network.lc0.tensor_map import with_counter_times
from engine.network.onnx_graph import onnx_graph
from engine.network.policy_map import CONV_INDEX, INDEX_TO_UCI

SUFFIXES = (".npz", ".onnx")


def export_net(source: Path, target: Path) -> None:
    """Write a net file in the format of the target's suffix.

    Raises NetFileError for a source that cannot be read, or is no tower or transformer for `.onnx`; ConfigError for
    another suffix, and for `.onnx` where the package `onnx` is missing or lacks the network's activation.
    """
    if target.suffix not in SUFFIXES:
        raise ConfigError(f"the name of an exported net ends in {' or '.join(SUFFIXES)}, not {target.name!r}")
    if target.suffix == ".onnx":
        tower = read_planes(source)
        graph = onnx_graph(_as_documented(tower.tensors, tower.config.input_format), tower.config)
        with atomic_write(target) as stream:
            stream.write(graph)
        return
    if is_lc0(source):
        tower = read_planes(source)
        model, tensors, input_format = {"tower": tower.config.describe()}, tower.tensors, tower.config.input_format
    else:
        header, tensors = load_tensors(source)
        model, input_format = header["model"], header["model"].get("input_format", CLASSICAL)
    tensors = _as_documented(tensors, input_format)
    arrays: dict[str, Any] = {"model": np.array(json.dumps(model)), **tensors}
    if "policy.conv2.weight" in tensors:
        arrays |= {"moves": np.array(INDEX_TO_UCI), "moves.place": CONV_INDEX}
    with atomic_write(target) as stream:
        np.savez(stream, **arrays)


def _as_documented(tensors: Mapping[str, np.ndarray], input_format: int) -> dict[str, np.ndarray]:
    """Return tensors that take the planes of their input format, as the page says; ours take the counter in plies."""
    return with_counter_times(1 / counter_scale(input_format), tensors)
