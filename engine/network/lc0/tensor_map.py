"""Where Lc0's files hold each tensor of a tower: one table for reading and writing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import NetFileError
from engine.network.lc0.schema import FLOAT32
from engine.network.lc0.wire import Message
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.planes import PLANES
from engine.network.policy_map import POLICY_SIZE
from engine.network.tower.model import SQUARES, TowerConfig

NORM = {"bn_gammas": "gamma", "bn_betas": "beta", "bn_means": "running_mean", "bn_stddivs": "running_variance"}
"""Our names of what is in a ConvBlock beside weights and biases; bn_stddivs are variances, in spite of the name."""


class ConvTensors(NamedTuple):
    """A convolution with the bias of `conv` or, if `norm` is not "", a batch norm."""

    block: str  # dotted name of Lc0's ConvBlock
    conv: str
    norm: str
    shape: tuple[int, int, int, int]


class Plain(NamedTuple):
    """A tensor that is no convolution's; the file's numbers are `scale` times as large."""

    layer: str  # dotted name of Lc0's Layer
    name: str
    shape: tuple[int, ...]
    scale: float = 1.0
    elsewhere: tuple[str, ...] = ()  # where else it may stand, if not there


def convolutions(config: TowerConfig) -> Iterator[ConvTensors]:
    """All convolutions of a tower, in order."""
    f = config.filters
    yield ConvTensors("input", "trunk.input_conv", "trunk.input_norm", (f, PLANES, 3, 3))
    for b in range(config.blocks):
        for i in (1, 2):
            names = f"trunk.block{b}.conv{i}", f"trunk.block{b}.norm{i}"
            yield ConvTensors(f"residual.{b}.conv{i}", *names, (f, f, 3, 3))
    if config.policy == "convolution":
        yield ConvTensors("policy1", "policy.conv1", "policy.norm1", (f, f, 3, 3))
        yield ConvTensors("policy", "policy.conv2", "", (config.policy_planes, f, 3, 3))
    elif config.policy == "classical":
        yield ConvTensors("policy", "policy.conv", "policy.norm", (config.policy_planes, f, 1, 1))
    head = config.value_head
    yield ConvTensors("value", f"{head}.conv", f"{head}.norm", (config.value_channels, f, 1, 1))
    if config.moves_left_channels:
        yield ConvTensors("moves_left", "moves_left.conv", "moves_left.norm", (config.moves_left_channels, f, 1, 1))


def plain_tensors(config: TowerConfig) -> Iterator[Plain]:
    """All other tensors of a tower."""
    f, hidden = config.filters, config.se_hidden
    for b in range(config.blocks if hidden else 0):
        yield from dense(f"residual.{b}.se.w1", f"residual.{b}.se.b1", f"trunk.block{b}.se.squeeze", hidden, f)
        yield from dense(f"residual.{b}.se.w2", f"residual.{b}.se.b2", f"trunk.block{b}.se.excite", 2 * f, hidden)
    yield from _policy_tensors(config)
    head, outputs = config.value_head, 3 if config.value == "wdl" else 1
    yield from dense("ip1_val_w", "ip1_val_b", f"{head}.dense1", config.value_hidden, config.value_channels * SQUARES)
    yield from dense("ip2_val_w", "ip2_val_b", f"{head}.dense2", outputs, config.value_hidden)
    if config.moves_left_channels:
        inputs, hidden = config.moves_left_channels * SQUARES, config.moves_left_hidden
        yield from dense("ip1_mov_w", "ip1_mov_b", "moves_left.dense1", hidden, inputs)
        # Lc0 counts plies.
        yield from dense("ip2_mov_w", "ip2_mov_b", "moves_left.dense2", 1, hidden, MOVES_LEFT_SCALE)


def _policy_tensors(config: TowerConfig) -> Iterator[Plain]:
    planes, depth = config.policy_planes, config.policy_depth
    if config.policy == "classical":
        yield from dense("ip_pol_w", "ip_pol_b", "policy.dense", POLICY_SIZE, planes * SQUARES)
    elif config.policy == "attention":
        yield Plain("ip_pol_w", "policy.embedding.weight", (planes, config.filters, 1, 1))
        yield Plain("ip_pol_b", "policy.embedding.bias", (planes,))
        yield from dense("ip2_pol_w", "ip2_pol_b", "policy.moves.query", depth, planes)
        yield from dense("ip3_pol_w", "ip3_pol_b", "policy.moves.key", depth, planes)
        yield Plain("ip4_pol_w", "policy.moves.promotion", (4, depth))
        if config.policy_layers:
            sizes = config.policy_encoder_layer
            yield from encoder_tensors("pol_encoder", "policy.encoder", config.policy_layers, sizes)


def dense(weight: str, bias: str, name: str, outputs: int, inputs: int, scale: float = 1.0) -> Iterator[Plain]:
    """The two tensors of a dense layer."""
    yield Plain(weight, f"{name}.weight", (outputs, inputs), scale)
    yield Plain(bias, f"{name}.bias", (outputs,), scale)


# ---- encoders ---------------------------------------------------------------------------------------------------


def encoder_tensors(place: str, name: str, layers: int, sizes: dict[str, Any]) -> Iterator[Plain]:
    """The tensors of encoder layers with the settings of `engine.nn.EncoderLayer`."""
    width, inner, heads, smolgen = (sizes.get(field) for field in ("features", "inner", "heads", "smolgen"))
    assert isinstance(width, int)
    assert isinstance(inner, int)
    assert isinstance(heads, int)
    for number in range(layers):
        at, ours = f"{place}.{number}", f"{name}.layer{number}"
        for letter, part in (("q", "query"), ("k", "key"), ("v", "value")):
            yield from named(f"{at}.mha.{letter}", f"{ours}.attention.{part}", inner, width)
        yield from named(f"{at}.mha.dense", f"{ours}.attention.output", width, inner)
        yield from norm_tensors(f"{at}.ln1", f"{ours}.norm", width)
        yield from feed_tensors(f"{at}.ffn", f"{at}.ln2", f"{ours}.feed", width, sizes["hidden"])
        if smolgen:
            small, hidden, generated = smolgen["compressed"], smolgen["hidden"], heads * smolgen["generated"]
            at, ours = f"{at}.mha.smolgen", f"{ours}.smolgen"
            yield Plain(f"{at}.compress", f"{ours}.compress", (small, width))
            yield from named(f"{at}.dense1", f"{ours}.dense1", hidden, SQUARES * small)
            yield from norm_tensors(f"{at}.ln1", f"{ours}.norm1", hidden)
            yield from named(f"{at}.dense2", f"{ours}.dense2", generated, hidden)
            yield from norm_tensors(f"{at}.ln2", f"{ours}.norm2", generated)


def feed_tensors(place: str, norm: str, name: str, width: int, hidden: int) -> Iterator[Plain]:
    """The tensors of a feed-forward block."""
    yield from named(f"{place}.dense1", f"{name}.dense1", hidden, width)
    yield from named(f"{place}.dense2", f"{name}.dense2", width, hidden)
    yield from norm_tensors(norm, f"{name}.norm", width)


def named(place: str, name: str, outputs: int, inputs: int, scale: float = 1.0) -> Iterator[Plain]:
    """The two tensors of a dense layer with usual names."""
    return dense(f"{place}_w", f"{place}_b", name, outputs, inputs, scale)


def norm_tensors(place: str, name: str, features: int) -> Iterator[Plain]:
    """The two tensors of a layer norm."""
    yield Plain(f"{place}_gammas", f"{name}.gamma", (features,))
    yield Plain(f"{place}_betas", f"{name}.beta", (features,))


# ---- parts of a message -------------------------------------------------------------------------------------------


def count(path: str | Path, message: Message, name: str) -> int:
    """Number of elements of the tensor with a dotted name. Raises NetFileError when it is missing."""
    layer = find(path, message, name)
    return len(layer.get("params", b"")) // (4 if layer.get("encoding") == FLOAT32 else 2)


def find(path: str | Path, message: Message, name: str) -> Message:
    """The part of a message with a dotted name; numbers index repeated fields. Raises NetFileError when missing."""
    part: Any = message
    for word in name.split("."):
        if isinstance(part, list) and int(word) < len(part):
            part = part[int(word)]
        elif word in part:
            part = part[word]
        else:
            raise NetFileError(path, f"a tensor {name}", "none")
    return part
