"""What towers and transformers share as layers: checks of their sizes, and their heads."""

import re
from collections.abc import Collection
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np

from engine import nn
from engine.errors import ConfigError
from engine.network.fused.attention_policy import AttentionPolicy
from engine.nn.dit import BlankGenerator

SQUARES = 64
NORM_EPSILON = 1e-5  # The usual default of batch norm, and Lc0's constant.
VALUES = ("wdl", "scalar")

_MAY_BE_ZERO = re.compile(
    r"blocks|se_ratio|(smolgen|moves_left|embedding|policy_(layers|attention))_?\w*"
)


class NetworkSizes:
    """What the sizes of towers and transformers share: checks, and the heads."""

    kind: ClassVar[str]
    largest_size: ClassVar[int]
    input_format: int  # Lc0's number
    activation: str
    policy: str  # "convolution", "classical" or "attention"
    policy_planes: int
    policy_depth: int
    policy_layers: int
    policy_attention_heads: int
    policy_attention_inner: int
    policy_attention_hidden: int
    value: str  # one of VALUES
    value_channels: int
    value_hidden: int
    moves_left_channels: int
    moves_left_hidden: int
    policy_heads: tuple[str, ...]
    value_heads: tuple[str, ...]
    policy_activation: str  # inside the encoder layers of an attention policy

    def build(self, rng: np.random.Generator) -> nn.MultiHead:
        """Return the network with random weights, float32."""
        raise NotImplementedError

    def blank(self, most: int = 1 << 40) -> nn.MultiHead:
        """Return the network for its shapes. Raises ConfigError for more than `most` numbers,
        before reserving them.
        """
        return self.build(BlankGenerator(most, shapes_alone=True))

    def check_sizes(self: Any, **known: Collection[Any]) -> None:
        """Check all numbers, and these fields against their known values. Raises ConfigError."""
        for field in fields(self):
            size = getattr(self, field.name)
            least = 0 if _MAY_BE_ZERO.fullmatch(field.name) else 1
            is_size = type(size) is int and least <= size <= self.largest_size
            if type(field.default) is int and not is_size:
                expected = f"{field.name} from {least} to {self.largest_size}"
                raise ConfigError(f"{self.kind}: expected {expected}, found {size!r}")
        for name, values in known.items():
            if (value := getattr(self, name)) not in values:
                raise ConfigError(
                    f"{self.kind}: expected {name} of {', '.join(map(str, values))}, found {value!r}"
                )

    @property
    def policy_encoder_layer(self) -> dict[str, Any]:
        """The settings of one of a policy head's encoder layers."""
        return {
            "features": self.policy_planes, "heads": self.policy_attention_heads, "inner": self.policy_attention_inner,
            "hidden": self.policy_attention_hidden, "activation": self.policy_activation, "epsilon": 1e-6,
            "damped": False,
        }  # fmt: skip

    def describe_heads(self) -> str:
        """Describe the value and moves-left heads in words."""
        value = f"{self.value} value"
        if len(self.value_heads) > 1:
            value += f" {', '.join(self.value_heads)}"
        value += f" ({self.value_channels} channels, {self.value_hidden} units); "
        if not self.moves_left_channels:
            return f"{value}no moves left"
        channels = f"{self.moves_left_channels} channels"
        return f"{value}moves left ({channels}, {self.moves_left_hidden} units)"

    def answer_heads(self) -> dict[str, tuple[int, int, int, str]]:
        """Return channels, hidden units, outputs and last activation ("": none) of the value heads
        and moves left.
        """
        answer = (3, "") if self.value == "wdl" else (1, "tanh")
        heads = {
            self.value_name(head): (self.value_channels, self.value_hidden, *answer)
            for head in self.value_heads
        }
        if self.moves_left_channels:
            heads["moves_left"] = (self.moves_left_channels, self.moves_left_hidden, 1, "")
        return heads

    @property
    def value_head(self) -> str:
        """Name of the first value head: "wdl" or "value"."""
        return self.value_name("winner")

    def value_name(self, head: str) -> str:
        """Our name of one of Lc0's value heads, such as wdl or wdl_q."""
        name = "wdl" if self.value == "wdl" else "value"
        if head == "winner":
            return name
        return f"{name}_{head}"


def dense_head(
    first: dict[str, nn.Layer],
    sizes: tuple[int, int, int, str],
    config: NetworkSizes,
    rng: np.random.Generator,
) -> nn.Sequential:
    """Return a head of two dense layers of these sizes (`answer_heads`) behind the layers `first`."""
    channels, hidden, outputs, last = sizes
    squash = {}
    if last:
        squash["squash"] = nn.Activation(last)
    return nn.Sequential(
        **first,
        flatten=nn.Flatten(),
        dense1=nn.Dense(channels * SQUARES, hidden, rng),
        activation=nn.Activation(config.activation),
        dense2=nn.Dense(hidden, outputs, rng, initialization="glorot"),
        **squash,
    )


def attention_head(
    embedding: nn.Layer, activation: str, config: NetworkSizes, rng: np.random.Generator
) -> nn.Sequential:
    """Return an attention policy with its encoder layers, if any, behind an embedding of each
    square.
    """
    encoder = {}
    if config.policy_layers:
        encoder["encoder"] = nn.Encoder(config.policy_layers, config.policy_encoder_layer, rng)
    moves = AttentionPolicy(config.policy_planes, config.policy_depth, rng)
    return nn.Sequential(
        embedding=embedding, activation=nn.Activation(activation), **encoder, moves=moves
    )
