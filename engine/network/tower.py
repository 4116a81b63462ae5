"""The tower: residual blocks with squeeze-and-excitation over 112 board planes, and three heads, as in Lc0.

Input [B, 112, 8, 8] are raw Lc0 planes; outputs, all from the side to move:
    policy      [B, 80, 8, 8]   logits of the convolutional policy head (plane, square)
    wdl         [B, 3]          logits of win, draw, loss
    moves_left  [B, 1]          plies to the end of the game, in hundreds

Parameter names (buffers of NORM: running_mean, running_variance; parameters of NORM: gamma, beta):
    trunk.input_conv.weight trunk.input_norm.NORM
    trunk.blockN.conv1.weight .norm1.NORM .conv2.weight .norm2.NORM .se.squeeze.{weight,bias} .se.excite.{weight,bias}
    policy.conv1.weight policy.norm1.NORM policy.conv2.{weight,bias}
    wdl.conv.weight wdl.norm.NORM wdl.dense1.{weight,bias} wdl.dense2.{weight,bias}, and the same for moves_left
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from engine.errors import ConfigError
from engine.nn.layer import Layer
from engine.nn.layers import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    MultiHead,
    Residual,
    Sequential,
    SqueezeExcitation,
)

INPUT_PLANES = 112
HALFMOVE_PLANE = 109
HALFMOVE_SCALE = 99.0  # Lc0's divisor of the raw counter; folded into the first convolution's weights
SQUARES = 64


@dataclass(frozen=True)
class TowerConfig:
    """Sizes of a tower."""

    filters: int = 64  # channels of the residual body
    blocks: int = 6  # residual blocks
    se_ratio: int = 8  # hidden units of the gate = filters // se_ratio; 0 = no gate
    policy_planes: int = 80  # planes of the policy head, 73 of them used
    value_channels: int = 32  # channels of the 1x1 convolution of the value head
    value_hidden: int = 128  # units of its dense layer
    moves_left_channels: int = 8
    moves_left_hidden: int = 64
    activation: str = "relu"

    def __post_init__(self) -> None:
        sizes = {name: value for name, value in asdict(self).items() if isinstance(value, int)}
        for name, size in sizes.items():
            if not (0 if name in ("blocks", "se_ratio") else 1) <= size <= 4096:
                raise ConfigError(f"tower: {name} must be a small positive number, not {size}")
        if self.activation not in ACTIVATIONS or self.se_ratio > self.filters:
            raise ConfigError(f"tower: activation {self.activation!r}, se_ratio {self.se_ratio}: out of range")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "FILTERSxBLOCKS", such as "64x6"; the rest as by default. Raises ConfigError for another form."""
        match = re.fullmatch(r"(\d{1,4})x(\d{1,3})", text.strip())
        if match is None:
            raise ConfigError(f"a tower is written FILTERSxBLOCKS, such as 64x6, not {text!r}")
        return cls(filters=int(match[1]), blocks=int(match[2]))

    def __str__(self) -> str:
        return f"{self.filters}x{self.blocks}"


def build_tower(config: TowerConfig, rng: np.random.Generator) -> MultiHead:
    """A tower with random weights, float32. Silver et al. 2018 (doi 10.1126/science.aar6404), with Lc0's gates."""
    filters, activation = config.filters, config.activation
    stem = Conv2D(INPUT_PLANES, filters, 3, rng, bias=False, input_gradient=False)
    stem.params["weight"][:, HALFMOVE_PLANE] /= HALFMOVE_SCALE
    parts: dict[str, Layer] = {"input_conv": stem, **_norm("input_norm", filters, activation)}
    for number in range(config.blocks):
        parts[f"block{number}"] = _block(config, rng)
    heads = {
        "policy": Sequential(
            conv1=Conv2D(filters, filters, 3, rng, bias=False),
            **_norm("norm1", filters, activation),
            conv2=Conv2D(filters, config.policy_planes, 3, rng),
        ),
        "wdl": _dense_head(filters, config.value_channels, config.value_hidden, 3, activation, rng),
        "moves_left": _dense_head(filters, config.moves_left_channels, config.moves_left_hidden, 1, activation, rng),
    }
    return MultiHead(Sequential(**parts), heads)


def _block(config: TowerConfig, rng: np.random.Generator) -> Residual:
    filters = config.filters
    body = Sequential(
        conv1=Conv2D(filters, filters, 3, rng, bias=False),
        **_norm("norm1", filters, config.activation),
        conv2=Conv2D(filters, filters, 3, rng, bias=False),
        norm2=BatchNorm(filters),
    )
    se = None
    if config.se_ratio:
        se = SqueezeExcitation(filters, filters // config.se_ratio, rng, config.activation)
    return Residual(body, se, config.activation)


def _dense_head(
    filters: int, channels: int, hidden: int, outputs: int, activation: str, rng: np.random.Generator
) -> Sequential:
    return Sequential(
        conv=Conv2D(filters, channels, 1, rng, bias=False),
        **_norm("norm", channels, activation),
        flatten=Flatten(),
        dense1=Dense(channels * SQUARES, hidden, rng),
        activation=Activation(activation),
        dense2=Dense(hidden, outputs, rng, initialization="glorot"),
    )


def _norm(name: str, channels: int, activation: str) -> dict[str, Layer]:
    """Batch norm and activation: one layer for ReLU, which fuses, else two."""
    if activation == "relu":
        return {name: BatchNorm(channels, relu=True)}
    return {name: BatchNorm(channels), f"{name}_activation": Activation(activation)}


def tower_config_of(model_config: Any) -> TowerConfig:
    """The sizes of a tower from its layer configuration (``model.config()``, or the header of a file).

    Raises ConfigError when the configuration is not that of a tower.
    """
    try:
        trunk, heads = model_config["trunk"]["layers"], model_config["heads"]
        blocks = [part for name, part in trunk.items() if name.startswith("block")]
        wdl, moves_left = heads["wdl"]["layers"], heads["moves_left"]["layers"]
        filters, gate = trunk["input_conv"]["outputs"], blocks[0]["se"] if blocks else None
        config = TowerConfig(
            filters=filters,
            blocks=len(blocks),
            se_ratio=filters // gate["hidden"] if gate else 0,
            policy_planes=heads["policy"]["layers"]["conv2"]["outputs"],
            value_channels=wdl["conv"]["outputs"],
            value_hidden=wdl["dense1"]["outputs"],
            moves_left_channels=moves_left["conv"]["outputs"],
            moves_left_hidden=moves_left["dense1"]["outputs"],
            activation=wdl["activation"]["function"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"not the configuration of a tower: {error}") from error
    return config
