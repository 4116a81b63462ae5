"""Writes the named tensors of a tower to one of Lc0's files, with batch norm folded in.

A tensor has 65,535 steps between its smallest and its largest number, so numbers that are small
beside the others lose precision: variances, or the weights of quiet channels after folding. The
writer tries two ways to store a convolution and keeps the one that loses less:

    scaled      batch norm folded, every channel divided by its largest weight; the factors, rounded first so that they
                are stored exactly, become the gammas of a batch norm that does nothing else
    as trained  weights and batch norm unchanged; a tower read from such a file is written back without loss

Rounding errors carry over from tap to tap of a filter, so their sum stays below half a step: a
constant plane, above all the fifty-move counter, sees only that sum.
"""

import gzip
from pathlib import Path

import numpy as np

from engine.errors import ConfigError, NetFileError
from engine.files.atomic import atomic_write
from engine.files.wire import Message, encode
from engine.network.families import PlanesConfig
from engine.network.fused.given_tensors import layers_with
from engine.network.fused.network_sizes import NORM_EPSILON
from engine.network.input_formats import counter_scale
from engine.network.lc0.formats import format_of, min_version_of
from engine.network.lc0.reader import PlanesFile
from engine.network.lc0.schema import MAGIC, MAX_STEP, NET, SUFFIXES, TRAINING
from engine.network.lc0.tensor_map import (
    NORM,
    ConvTensors,
    places_of,
    put,
    stored_tensors,
    with_counter_times,
)
from engine.network.outputs import Tensors, policy_name
from engine.network.tower.tower_model import TowerConfig
from engine.nn.norm_folding import fold_norm

Folded = tuple[np.ndarray, np.ndarray]  # weight and bias of a convolution

TINY = 1e-20  # replaces the largest weight of a channel whose weights are all zero


def save_lc0(path: Path, tower: PlanesFile) -> None:
    """Write a `.pb` or, packed, a `.pb.gz` file.

    Of the card's "training", fields of Lc0's TrainingParams such as training_steps are kept. Raises
    ConfigError for another suffix, a tensor that is missing or an activation that Lc0 lacks,
    ShapeError for a tensor that does not fit, NetFileError for numbers that are not finite or when
    the file cannot be written.
    """
    if not path.name.endswith(SUFFIXES):
        raise ConfigError(
            f"the name of a net for Lc0 ends in {' or '.join(SUFFIXES)}, not {path.name!r}"
        )
    names = {field.name for field in TRAINING.values()}
    training = tower.card.get("training") or {}
    net: Message = {
        "magic": MAGIC,
        "min_version": min_version_of(tower.config),
        "format": format_of(tower.config),
        "training_params": {name: value for name, value in training.items() if name in names},
        "weights": _weights(path, tower.tensors, tower.config),
    }
    if license := tower.card.get("license"):
        net["license"] = license
    data = encode(net, NET)
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    try:
        with atomic_write(path) as file:
            file.write(data)
    except OSError as error:
        raise NetFileError(path, "a place to write the net to", str(error)) from error


def _weights(path: Path, trained: Tensors, config: PlanesConfig) -> Message:
    weights: Message = {}
    scaled = with_counter_times(1 / counter_scale(config.input_format), trained)
    model = layers_with(scaled, config).astype(np.float64)
    tensors = model.named_parameters() | model.named_buffers()
    by_name = (not isinstance(config, TowerConfig),) * 2  # transformers have all heads by name
    for row in stored_tensors(config, by_name):
        if isinstance(row, ConvTensors):
            put(weights, row.block, _block(path, tensors, row))
        else:
            layer, _ = _quantised(path, row.name, tensors[row.name] * row.scale)
            put(weights, row.places[0], layer)
    if not isinstance(config, TowerConfig):
        weights["headcount"] = config.heads
    if config.policy_layers:
        for head in config.policy_heads:
            promotion = places_of(f"{policy_name(head)}.moves.promotion", by_name)[0]
            place = promotion.replace("ip4_pol_w", "pol_headcount")
            put(weights, place, config.policy_attention_heads)
    return weights


def _block(path: Path, tensors: Tensors, row: ConvTensors) -> Message:
    """Return a convolution with its bias, or with a batch norm that holds the channels' factors and
    offsets.
    """
    parts = {"weights": tensors[f"{row.conv}.weight"]}
    if not row.norm:
        return _stored(path, row.conv, parts | {"biases": tensors[f"{row.conv}.bias"]})[0]
    parts |= {field: tensors[f"{row.norm}.{name}"] for field, name in NORM.items()}
    target = _folded(parts)
    ways = [_stored(path, row.conv, way) for way in (_scaled(*target), parts)]
    return min(ways, key=lambda way: _distance(_folded(way[1]), target))[0]


def _folded(parts: Tensors) -> Folded:
    """Fold the batch norm of a ConvBlock."""
    gammas, betas, means, variances = (
        parts[f"bn_{name}"] for name in ("gammas", "betas", "means", "stddivs")
    )
    return fold_norm(parts["weights"], gammas, betas, means, variances, NORM_EPSILON)


def _scaled(weight: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    largest = np.maximum(np.abs(weight).max(axis=(1, 2, 3)), TINY)
    high = float(np.float32(largest.max()))
    low = float(np.float32(max(largest.min(), high / MAX_STEP)))
    step = (high - low) / MAX_STEP or 1.0
    factors = low + step * np.clip(np.ceil((largest - low) / step), 0, MAX_STEP)
    return {
        "weights": weight / factors[:, None, None, None],
        "bn_gammas": factors,
        "bn_betas": bias,
        "bn_means": np.zeros_like(bias),
        "bn_stddivs": np.full_like(bias, 1 - NORM_EPSILON),
    }


def _stored(path: Path, name: str, parts: Tensors) -> tuple[Message, dict[str, np.ndarray]]:
    """Return a ConvBlock, and the numbers that it encodes."""
    block: Message = {}
    numbers = {}
    for field, part in parts.items():
        block[field], numbers[field] = _quantised(path, name, part)
    return block, numbers


def _distance(stored: Folded, exact: Folded) -> float:
    """Error of the weights, relative to the largest of their channel, and of the biases."""
    largest = np.maximum(np.abs(exact[0]).max(axis=(1, 2, 3)), TINY)
    off = np.abs(stored[0] - exact[0]).max(axis=(1, 2, 3)) / largest
    return float(off.max() + np.abs(stored[1] - exact[1]).max())


def _quantised(path: Path, name: str, tensor: np.ndarray) -> tuple[Message, np.ndarray]:
    """(Lc0's Layer, the numbers it encodes): 16-bit steps from the smallest number to the largest.

    A single number counts from 0.
    """
    if not np.isfinite(tensor).all():
        raise NetFileError(path, f"finite numbers to save in {name}", "infinity or NaN")
    low = 0.0
    if tensor.size > 1:
        low = float(np.float32(tensor.min()))
    high = float(np.float32(tensor.max()))
    step = (high - low) / MAX_STEP or 1.0
    taps = tensor[..., None]
    if tensor.ndim == 4:
        taps = tensor.reshape(*tensor.shape[:2], -1)
    params, error = np.zeros(taps.shape, "<u2"), np.zeros(taps.shape[:-1])
    for tap in range(taps.shape[-1]):
        steps = (taps[..., tap] - low) / step + error
        params[..., tap] = np.clip(np.rint(steps), 0, MAX_STEP)
        error = steps - params[..., tap]
    numbers = (low + step * params).reshape(tensor.shape)
    return {"min_val": low, "max_val": high, "params": params.tobytes()}, numbers
