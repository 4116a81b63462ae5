"""The tower: residual blocks with squeeze-and-excitation over 112 board planes, and up to three
heads, as in Lc0.

The input [B, 112, 8, 8] holds raw Lc0 planes. All outputs are from the side to move's point of view;
`policy_map.HEAD_INDEX` finds a move in each kind of policy:
    policy      [B, 80, 8, 8]   logits by plane and square (convolution),
                [B, 1858]       by move (classical), or
                [B, 4288]       by from- and to-square, then promotions (attention)
    wdl         [B, 3]          logits of win, draw, loss; or instead
    value       [B, 1]          expected result between -1 and 1 (scalar)
    moves_left  [B, 1]          plies to the end of the game, in hundreds; may be missing

Parameter names (buffers of NORM: running_mean, running_variance; parameters of NORM: gamma, beta):
    trunk.input_conv.weight trunk.input_norm.NORM
    trunk.blockN.conv1.weight .norm1.NORM .conv2.weight .norm2.NORM .se.squeeze.{weight,bias} .se.excite.{weight,bias}
    policy.conv1.weight policy.norm1.NORM policy.conv2.{weight,bias}                              (convolution)
    policy.conv.weight policy.norm.NORM policy.dense.{weight,bias}                                (classical)
    policy.embedding.{weight,bias} policy.moves.{query,key}.{weight,bias} policy.moves.promotion  (attention)
    wdl.conv.weight wdl.norm.NORM wdl.dense1.{weight,bias} wdl.dense2.{weight,bias}, the same for value and moves_left
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from engine import nn
from engine.errors import ConfigError
from engine.network.fused.network_sizes import (
    SQUARES,
    VALUES,
    NetworkSizes,
    attention_head,
    dense_head,
)
from engine.network.input_formats import INPUT_FORMATS
from engine.network.outputs import matched
from engine.network.planes import FIFTY_MOVE_PLANE, PLANES
from engine.network.policy_map import POLICY_SIZE, USED_POLICY_PLANES
from engine.nn.layer import register
from engine.nn.layers import ACTIVATIONS

# Lc0 divides the raw counter by this; folded into the first convolution's weights.
HALFMOVE_SCALE = 99.0
POLICIES = ("convolution", "classical", "attention")
RATED_PREFIX = "people-"  # how the name of a tower that knows ratings begins


@register("rated_tower")
class RatedTower(nn.MultiHead):
    """A tower of people: plane 110 holds the rating of the player to move."""


@dataclass(frozen=True)
class TowerConfig(NetworkSizes):
    """Sizes and heads of a tower."""

    filters: int = 64  # channels of the residual body
    blocks: int = 6  # residual blocks
    se_ratio: int = 8  # hidden units of the gate = filters // se_ratio; 0 = no gate
    policy_planes: int = 80  # planes of the policy head; the convolutional kind uses 73 of them
    value_channels: int = 32  # channels of the 1x1 convolution of the value head
    value_hidden: int = 128  # units of the value head's dense layer
    # Channels of the moves-left head's 1x1 convolution; 0 = no such head.
    moves_left_channels: int = 8
    moves_left_hidden: int = 64
    activation: str = "relu"  # everywhere except the attention policy's embedding, which uses SELU
    policy: str = "convolution"  # one of POLICIES
    policy_depth: int = 64  # length of each square's query and key, for the attention policy
    # Encoder layers of the attention policy, with heads, queries and hidden units.
    policy_layers: int = 0
    policy_attention_heads: int = 0
    policy_attention_inner: int = 0
    policy_attention_hidden: int = 0
    value: str = "wdl"  # one of VALUES
    input_format: int = 1  # Lc0's number
    rated: bool = False  # whether plane 110 holds the rating of the player to move
    policy_heads, value_heads = ("vanilla",), ("winner",)  # as of every tower
    kind = "tower"
    largest_size = 4096
    policy_activation = "selu"

    def __post_init__(self) -> None:
        self.check_sizes(
            activation=ACTIVATIONS, policy=POLICIES, value=VALUES, input_format=INPUT_FORMATS
        )
        if self.se_ratio > self.filters:
            raise ConfigError(
                f"tower: expected at least {self.se_ratio} filters (se_ratio), found {self.filters}"
            )
        if self.policy == "convolution" and self.policy_planes < USED_POLICY_PLANES:
            expected = f"at least {USED_POLICY_PLANES} planes of a convolutional policy"
            raise ConfigError(f"tower: expected {expected}, found {self.policy_planes}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse "FILTERSxBLOCKS", such as "64x6", or "people-64x6" for one that knows ratings; other
        fields get defaults. Raises ConfigError for any other form.
        """
        form = "a tower is written FILTERSxBLOCKS, such as 64x6, one of people people-64x6"
        match = matched(rf"({RATED_PREFIX})?(\d{{1,4}})x(\d{{1,3}})", text, form)
        return cls(filters=int(match[2]), blocks=int(match[3]), rated=match[1] is not None)

    def build(self, rng: np.random.Generator) -> nn.MultiHead:
        """Build a tower with random float32 weights. Silver et al. 2018 (doi 10.1126/science.aar6404),
        with Lc0's gates.
        """
        filters, activation = self.filters, self.activation
        stem = nn.Conv2D(PLANES, filters, 3, rng, bias=False, input_gradient=False)
        stem.params["weight"][:, FIFTY_MOVE_PLANE] /= HALFMOVE_SCALE
        parts: dict[str, nn.Layer] = {
            "input_conv": stem,
            **_norm("input_norm", filters, activation),
        }
        for number in range(self.blocks):
            parts[f"block{number}"] = _block(self, rng)
        heads: dict[str, nn.Layer] = {"policy": _policy_head(self, rng)}
        for name, sizes in self.answer_heads().items():
            conv = nn.Conv2D(filters, sizes[0], 1, rng, bias=False)
            heads[name] = dense_head(
                dict(conv=conv, **_norm("norm", sizes[0], activation)), sizes, self, rng
            )
        kind = RatedTower if self.rated else nn.MultiHead
        return kind(nn.Sequential(**parts), heads)

    def __str__(self) -> str:
        return f"{RATED_PREFIX if self.rated else ''}{self.filters}x{self.blocks}"

    def describe(self) -> str:
        """Describe all fields in words, such as "tower 64x6 (filters x blocks), gates of 8, relu;
        ...".
        """
        gates = "no gates"
        if self.se_ratio:
            gates = f"gates of {self.se_hidden}"
        body = f"tower {self} (filters x blocks), {gates}, {self.activation}"
        if self.input_format > 1:
            body += f", input format {self.input_format}"
        policy = f"{self.policy} policy ({self.policy_planes} planes"
        if self.policy == "attention":
            policy += f", keys of {self.policy_depth}"
        if self.policy_layers:
            policy += f", {self.policy_layers} encoder layers"
        return f"{body}; {policy}); {self.describe_heads()}"

    @property
    def se_hidden(self) -> int:
        """Hidden units of a block's gate, or 0 without a gate."""
        if not self.se_ratio:
            return 0
        return self.filters // self.se_ratio


def _block(config: TowerConfig, rng: np.random.Generator) -> nn.Residual:
    filters = config.filters
    body = nn.Sequential(
        conv1=nn.Conv2D(filters, filters, 3, rng, bias=False),
        **_norm("norm1", filters, config.activation),
        conv2=nn.Conv2D(filters, filters, 3, rng, bias=False),
        norm2=nn.BatchNorm(filters),
    )
    se = None
    if config.se_ratio:
        se = nn.SqueezeExcitation(filters, config.se_hidden, rng, config.activation)
    return nn.Residual(body, se, config.activation)


def _policy_head(config: TowerConfig, rng: np.random.Generator) -> nn.Sequential:
    filters = config.filters
    planes = config.policy_planes
    activation = config.activation
    if config.policy == "convolution":
        return nn.Sequential(
            conv1=nn.Conv2D(filters, filters, 3, rng, bias=False),
            **_norm("norm1", filters, activation),
            conv2=nn.Conv2D(filters, planes, 3, rng),
        )
    if config.policy == "classical":
        return nn.Sequential(
            conv=nn.Conv2D(filters, planes, 1, rng, bias=False),
            **_norm("norm", planes, activation),
            flatten=nn.Flatten(),
            dense=nn.Dense(planes * SQUARES, POLICY_SIZE, rng, initialization="glorot"),
        )
    return attention_head(nn.Conv2D(filters, planes, 1, rng), "selu", config, rng)


def _norm(name: str, channels: int, activation: str) -> dict[str, nn.Layer]:
    """Batch norm and activation: one fused layer for ReLU, else two layers."""
    if activation == "relu":
        return {name: nn.BatchNorm(channels, relu=True)}
    return {name: nn.BatchNorm(channels), f"{name}_activation": nn.Activation(activation)}


def tower_config_of(model_config: Any) -> TowerConfig:
    """Recover a tower's sizes from its layer configuration (`model.config()`, or the header of a
    net file).

    Raises ConfigError when the configuration does not describe a tower.
    """
    try:
        trunk, heads = model_config["trunk"]["layers"], model_config["heads"]
        blocks = [part for name, part in trunk.items() if name.startswith("block")]
        filters = trunk["input_conv"]["outputs"]
        sizes = _policy_sizes(heads["policy"]["layers"])
        sizes |= {"filters": filters, "blocks": len(blocks), "se_ratio": 0}
        if blocks and blocks[0]["se"]:
            sizes["se_ratio"] = filters // blocks[0]["se"]["hidden"]
        value, sizes["value"] = "wdl", "wdl"
        if "wdl" not in heads:
            value, sizes["value"] = "value", "scalar"
        sizes |= _answer_sizes("value", heads[value]["layers"]) | {"moves_left_channels": 0}
        if "moves_left" in heads:
            sizes |= _answer_sizes("moves_left", heads["moves_left"]["layers"])
        return TowerConfig(
            activation=heads[value]["layers"]["activation"]["function"],
            rated=model_config.get("layer") == RatedTower.kind,
            **sizes,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"not the configuration of a tower: {error}") from error


def _answer_sizes(name: str, layers: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{name}_channels": layers["conv"]["outputs"],
        f"{name}_hidden": layers["dense1"]["outputs"],
    }


def _policy_sizes(layers: dict[str, Any]) -> dict[str, Any]:
    if "moves" not in layers:
        kind, planes = ("classical", "conv") if "dense" in layers else ("convolution", "conv2")
        return {"policy": kind, "policy_planes": layers[planes]["outputs"]}
    sizes = {"policy": "attention", "policy_planes": layers["embedding"]["outputs"]}
    sizes["policy_depth"] = layers["moves"]["depth"]
    if encoder := layers.get("encoder"):
        sizes |= {
            f"policy_attention_{part}": encoder["block"][part]
            for part in ("heads", "inner", "hidden")
        }
        sizes["policy_layers"] = encoder["depth"]
    return sizes
