"""Maps Lc0's network formats to towers and transformers; formats without a network here are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.errors import ConfigError, NetFileError
from engine.network.lc0.schema import FORMAT_NAMES, LINEAR16, format_name
from engine.network.lc0.tensor_map import count
from engine.network.lc0.transformer_map import (
    is_transformer,
    policy_encoder_sizes,
    transformer_format_of,
    transformer_of,
)
from engine.network.lc0.wire import Message
from engine.network.planes import PLANES
from engine.network.tower.model import TowerConfig
from engine.network.transformer.model import TransformerConfig

# Enumeration values in Lc0's numbering.
POLICIES = {1: "classical", 2: "convolution", 3: "attention"}
VALUES = {1: "scalar", 2: "wdl"}
ACTIVATIONS = {0: "relu", 1: "mish"}
_CLASSICAL, SE, CLASSICAL_WITH_HEADS, SE_WITH_HEADS = 1, 2, 3, 4  # network structures
CLASSICAL_INPUT = 1
_TAKEN: dict[str, tuple[int, ...]] = {
    "input": (CLASSICAL_INPUT,),
    "network": (_CLASSICAL, SE, CLASSICAL_WITH_HEADS, SE_WITH_HEADS),
    "policy": tuple(POLICIES),
    "value": tuple(VALUES),
    "moves_left": (0, 1),
    "default_activation": tuple(ACTIVATIONS),
}
_DEFAULTS = {"input": 1, "network": 1, "policy": 1, "value": 1, "moves_left": 0, "default_activation": 0}
_MIN_VERSION = {"major": 0, "minor": 21, "patch": 0}  # lc0 version that first reads the oldest heads
_MIN_MINOR_VERSIONS = {"moves_left": 23, "attention": 28, "mish": 29, "transformer": 31}


def network_of(path: str | Path, net: Message) -> TowerConfig | TransformerConfig:
    """The sizes and heads of the tower or transformer in a parsed file.

    A file without a network format has 112 planes and classical heads; so do structures 1 and 2, whatever their other
    fields say. Raises NetFileError, naming the format, for anything that is no such network.
    """
    weights = net.get("weights")
    if weights is None:
        raise NetFileError(path, "weights", "an ONNX model" if "onnx_model" in net else "none")
    encoding = net.get("format", {}).get("weights_encoding", LINEAR16)
    if encoding not in (0, LINEAR16):  # unknown: every tensor says its own
        raise NetFileError(path, "weights encoded as LINEAR16", format_name("weights_encoding", encoding))
    if is_transformer(form := net.get("format", {}).get("network_format", {}), weights):
        return transformer_of(path, form, weights)
    form = _checked_format(path, net)
    if weights.get("encoder"):
        raise NetFileError(path, "a convolutional tower", f"a transformer of {len(weights['encoder'])} encoder layers")
    try:
        return TowerConfig(
            **_trunk_sizes(path, weights),
            **_policy_sizes(path, weights, POLICIES[form["policy"]]),
            **_head_sizes(path, weights, bool(form["moves_left"])),
            activation=ACTIVATIONS[form["default_activation"]],
            value=VALUES[form["value"]],
        )
    except ConfigError as error:
        raise NetFileError(path, "a tower of a playable size", str(error)) from error


def format_of(config: TowerConfig | TransformerConfig) -> Message:
    """The "format" message of a network's file. Raises ConfigError for an activation that Lc0 lacks."""
    if isinstance(config, TransformerConfig):
        return transformer_format_of(config)
    if config.activation not in ACTIVATIONS.values():
        raise ConfigError(f"Lc0 has no towers with the activation {config.activation!r}")
    network = {
        "input": CLASSICAL_INPUT,
        "output": 2 if config.value == "wdl" else 1,
        "network": SE_WITH_HEADS if config.se_ratio else CLASSICAL_WITH_HEADS,
        "policy": _number_of(POLICIES, config.policy),
        "value": _number_of(VALUES, config.value),
        "moves_left": 1 if config.moves_left_channels else 0,
        "default_activation": _number_of(ACTIVATIONS, config.activation),
    }
    return {"weights_encoding": LINEAR16, "network_format": network}


def min_version_of(config: TowerConfig | TransformerConfig) -> Message:
    """The oldest lc0 version that can play this network."""
    if isinstance(config, TransformerConfig):
        return _MIN_VERSION | {"minor": _MIN_MINOR_VERSIONS["transformer"]}
    needs = {config.policy, config.activation, "moves_left" if config.moves_left_channels else ""}
    return _MIN_VERSION | {"minor": max(_MIN_MINOR_VERSIONS.get(need, _MIN_VERSION["minor"]) for need in needs)}


def describe(form: Message) -> dict[str, str]:
    """Lc0's names for the values of a network format."""
    return {field: format_name(field, form[field]) for field in FORMAT_NAMES if field in form}


def _number_of(table: dict[int, str], name: str) -> int:
    return next(number for number, other in table.items() if other == name)


def _checked_format(path: str | Path, net: Message) -> Message:
    form: Message = _DEFAULTS | net.get("format", {}).get("network_format", {})
    for field, taken in _TAKEN.items():
        if form[field] not in taken:
            names = " or ".join(format_name(field, number) for number in taken)
            raise NetFileError(path, names, format_name(field, form[field]))
    if form["network"] in (_CLASSICAL, SE):
        form |= {"policy": 1, "value": 1}
    return form


def _trunk_sizes(path: str | Path, weights: Message) -> dict[str, Any]:
    filters = _filters(path, weights)
    residual = weights.get("residual", [])
    gates = [count(path, block, "se.b1") for block in residual if "se" in block]
    if not gates:
        return {"filters": filters, "blocks": len(residual), "se_ratio": 0}
    hidden = gates[0]
    if not 0 < hidden <= filters or filters // (filters // hidden) != hidden or len(gates) < len(residual):
        found = f"{sorted(set(gates))} in {len(gates)} of {len(residual)} blocks"
        raise NetFileError(path, f"gates of {filters} divided by a ratio, in every block or none", found)
    return {"filters": filters, "blocks": len(residual), "se_ratio": filters // hidden}


def _policy_sizes(path: str | Path, weights: Message, policy: str) -> dict[str, Any]:
    if policy == "attention":
        planes = count(path, weights, "ip_pol_b")
        sizes = {"policy": policy, "policy_planes": planes, "policy_depth": count(path, weights, "ip2_pol_b")}
        return sizes | policy_encoder_sizes(path, weights, weights, "")
    if policy == "convolution":
        return {"policy": policy, "policy_planes": count(path, weights, "policy.biases")}
    return {"policy": policy, "policy_planes": _ratio(path, weights, "policy.weights", _filters(path, weights))}


def _head_sizes(path: str | Path, weights: Message, moves_left: bool) -> dict[str, Any]:
    filters = _filters(path, weights)
    sizes = {
        "value_channels": _ratio(path, weights, "value.weights", filters),
        "value_hidden": count(path, weights, "ip1_val_b"),
        "moves_left_channels": 0,
    }
    if moves_left:
        sizes["moves_left_channels"] = _ratio(path, weights, "moves_left.weights", filters)
        sizes["moves_left_hidden"] = count(path, weights, "ip1_mov_b")
    return sizes


def _filters(path: str | Path, weights: Message) -> int:
    return _ratio(path, weights, "input.weights", PLANES * 9)


def _ratio(path: str | Path, weights: Message, name: str, divisor: int) -> int:
    size = count(path, weights, name)
    if size == 0 or size % divisor:
        raise NetFileError(path, f"a multiple of {divisor} numbers in {name}", str(size))
    return size // divisor
