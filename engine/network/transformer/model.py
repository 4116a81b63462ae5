"""The transformer: an embedding of the squares, encoder layers, and policy, value and moves-left heads, as in Lc0.

The input [B, 112, 8, 8] holds raw Lc0 planes in the format `input_format`. Outputs are those of a tower with attention
policy (`tower.model`): policy [B, 4288], wdl [B, 3] or value [B, 1], moves_left [B, 1] in hundreds of plies. Further
heads that a file holds are named policy_optimistic, wdl_q and so on.

Parameter names (NORM: gamma, beta; DENSE: weight, bias):
    trunk.embedding.dense.DENSE .preprocess.DENSE, trunk.norm.NORM, trunk.gate.{scale,shift},
    trunk.mix.dense1.DENSE .dense2.DENSE .norm.NORM                                       (parts that some lack)
    trunk.encoder.table, trunk.encoder.layerN.attention.{query,key,value,output}.DENSE .norm.NORM
    trunk.encoder.layerN.feed.dense1.DENSE .dense2.DENSE .norm.NORM
    trunk.encoder.layerN.smolgen.compress .dense1.DENSE .norm1.NORM .dense2.DENSE .norm2.NORM
    policy.embedding.DENSE policy.encoder.* policy.moves.{query,key}.DENSE policy.moves.promotion
    wdl.embedding.DENSE wdl.dense1.DENSE wdl.dense2.DENSE, the same for value and moves_left
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import chess
import numpy as np

from engine import nn
from engine.backend import backend_of
from engine.errors import ConfigError
from engine.network.input_formats import INPUT_FORMATS, counter_scale
from engine.network.planes import FIFTY_MOVE_PLANE, PLANES
from engine.network.policy_map import INDEX_TO_UCI
from engine.network.tower.attention_policy import AttentionPolicy
from engine.network.tower.model import TowerConfig, build_tower, loaded, tower_config_of
from engine.nn.layer import Array, Backward, Gradients, Layer, check_gradient, check_input, prefixed, register

SQUARES, PIECE_PLANES = 64, 12
_LARGEST_SIZE, LARGEST_DENSE = 8192, 1 << 20
MAP_EPSILON, DENSE_EPSILON = 1e-6, 1e-3  # of the norms, by the kind of embedding
_POLICY_HEADS, _VALUE_HEADS = ("vanilla", "optimistic", "soft", "opponent"), ("winner", "q", "st")
EMBEDDINGS, VALUES, ACTIVATIONS = ("map", "dense"), ("wdl", "scalar"), ("relu", "mish")
INNER_ACTIVATIONS = ("identity", "relu", "squared_relu", "mish", "swish", "selu", "tanh", "sigmoid")
_MAY_BE_ZERO = re.compile(r"(smolgen|moves_left|embedding|policy_(layers|attention))_?\w*")


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes, kinds and heads of a transformer."""

    width: int = 128  # numbers of each square
    layers: int = 4
    heads: int = 8  # of attention, in each layer
    inner: int = 128  # numbers of a square's query, of all heads together
    hidden: int = 256  # of the feed-forward blocks
    activation: str = "mish"  # of the embedding and the heads
    feed_activation: str = "mish"
    input_format: int = 1  # Lc0's number
    embedding: str = "map"  # "map": squares that queens and knights reach, "dense": computed from the pieces
    embedding_planes: int = 0  # of the dense embedding, for each square
    embedding_hidden: int = 0  # of the feed-forward block behind the dense embedding
    gate: bool = False  # whether squares are scaled and shifted before the encoder
    smolgen_compressed: int = 0  # of each square; 0 = no smolgen
    smolgen_hidden: int = 0
    smolgen_generated: int = 0  # of each head
    smolgen_activation: str = "swish"
    policy_heads: tuple[str, ...] = ("vanilla",)
    policy_planes: int = 64  # numbers of each square in a policy head
    policy_depth: int = 64  # length of each square's query and key
    policy_layers: int = 0  # encoder layers in a policy head
    policy_attention_heads: int = 0
    policy_attention_inner: int = 0
    policy_attention_hidden: int = 0
    value: str = "wdl"  # or "scalar"
    value_heads: tuple[str, ...] = ("winner",)
    value_channels: int = 32
    value_hidden: int = 128
    moves_left_channels: int = 8  # 0 = no such head
    moves_left_hidden: int = 64
    policy = "attention"  # As towers say it.

    def __post_init__(self) -> None:
        for name in ("policy_heads", "value_heads"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, size in asdict(self).items():
            least, most = 0 if _MAY_BE_ZERO.fullmatch(name) else 1, _LARGEST_SIZE
            if isinstance(size, int) and not isinstance(size, bool) and not least <= size <= most:
                raise ConfigError(f"transformer: expected {name} from {least} to {most}, found {size}")
        self._check("embedding", EMBEDDINGS)
        self._check("value", VALUES)
        self._check("activation", ACTIVATIONS)
        self._check("feed_activation", INNER_ACTIVATIONS)
        self._check("smolgen_activation", INNER_ACTIVATIONS)
        self._check("input_format", INPUT_FORMATS)
        for names, known in ((self.policy_heads, _POLICY_HEADS), (self.value_heads, _VALUE_HEADS)):
            if not names or len(set(names)) < len(names) or not set(names) <= set(known):
                raise ConfigError(f"transformer: expected heads of {', '.join(known)}, found {', '.join(names)}")
        for inner, heads in ((self.inner, self.heads), (self.policy_attention_inner, self.policy_attention_heads or 1)):
            if inner % heads:
                raise ConfigError(f"transformer: expected heads that divide {inner}, found {heads}")

    def _check(self, name: str, known: tuple[Any, ...]) -> None:
        if getattr(self, name) not in known:
            raise ConfigError(
                f"transformer: expected {name} of {', '.join(map(str, known))}, not {getattr(self, name)!r}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse "transformer-WIDTHxLAYERS[xHEADS]"; other fields follow. Raises ConfigError for any other form."""
        match = re.fullmatch(r"transformer-(\d{1,4})x(\d{1,3})(?:x(\d{1,3}))?", text.strip())
        if match is None:
            raise ConfigError(f"a transformer is written transformer-WIDTHxLAYERS[xHEADS], not {text!r}")
        width, heads = int(match[1]), int(match[3] or max(1, int(match[1]) // 16))
        sizes: dict[str, Any] = dict.fromkeys(("width", "inner", "policy_planes", "policy_depth"), width)
        sizes |= {"smolgen_compressed": 8, "smolgen_hidden": width, "smolgen_generated": width}
        return cls(layers=int(match[2]), heads=heads, hidden=2 * width, **sizes)

    def __str__(self) -> str:
        return f"transformer-{self.width}x{self.layers}x{self.heads}"

    def describe(self) -> str:
        """Describe the network in words, such as "transformer 256x10, 8 heads, smolgen; ..."."""
        smolgen = f"smolgen of {self.smolgen_generated}" if self.smolgen_compressed else "no smolgen"
        left = f"moves left ({self.moves_left_channels} channels, {self.moves_left_hidden} units)"
        encoders = f", {self.policy_layers} encoder layers" if self.policy_layers else ""
        return (
            f"transformer {self.width}x{self.layers} (width x layers), {self.heads} heads of "
            f"{self.inner // self.heads}, feed-forward {self.hidden}, {smolgen}; "
            f"{self.embedding} embedding, input format {self.input_format}; "
            f"{self.activation}, {self.feed_activation} in the layers; policy {', '.join(self.policy_heads)} "
            f"({self.policy_planes} numbers a square, keys of {self.policy_depth}{encoders}); {self.value} value "
            f"{', '.join(self.value_heads)} ({self.value_channels} channels, {self.value_hidden} units); "
            f"{left if self.moves_left_channels else 'no moves left'}"
        )

    @property
    def value_head(self) -> str:
        """Name of the first value head: "wdl" or "value"."""
        return self.value_name("winner")

    def value_name(self, head: str) -> str:
        """Our name of one of Lc0's value heads, such as wdl or wdl_q."""
        return ("wdl" if self.value == "wdl" else "value") + ("" if head == "winner" else f"_{head}")

    @property
    def scale(self) -> float:
        """How much of each block's output is added to its input: (2 layers)^(-1/4)."""
        return float((2.0 * self.layers) ** -0.25)

    @property
    def epsilon(self) -> float:
        """Of the body's norms."""
        return DENSE_EPSILON if self.embedding == "dense" else MAP_EPSILON

    @property
    def encoder_layer(self) -> dict[str, Any]:
        """The settings of one of the body's encoder layers."""
        return {
            "features": self.width, "heads": self.heads, "inner": self.inner, "hidden": self.hidden,
            "activation": self.feed_activation, "scale": self.scale, "epsilon": self.epsilon, "smolgen": self.smolgen,
        }  # fmt: skip

    @property
    def policy_encoder_layer(self) -> dict[str, Any]:
        """The settings of one of a policy head's encoder layers."""
        return {
            "features": self.policy_planes, "heads": self.policy_attention_heads, "inner": self.policy_attention_inner,
            "hidden": self.policy_attention_hidden, "activation": self.feed_activation, "epsilon": MAP_EPSILON,
        }  # fmt: skip

    @property
    def smolgen(self) -> dict[str, Any] | None:
        """The settings of a layer's smolgen."""
        if not self.smolgen_compressed:
            return None
        sizes = {name: getattr(self, f"smolgen_{name}") for name in ("compressed", "hidden", "generated", "activation")}
        return {"places": SQUARES, **sizes}


def policy_name(head: str) -> str:
    """Our name of one of Lc0's policy heads, such as policy or policy_soft."""
    return "policy" if head == "vanilla" else f"policy_{head}"


def reach_map() -> np.ndarray:
    """Lc0's position encoding, float32 [64, 64]: 1 where a queen or knight may move, -1 from a square to itself."""
    places = -np.eye(SQUARES, dtype=np.float32)
    for name in INDEX_TO_UCI:
        places[chess.parse_square(name[:2]), chess.parse_square(name[2:4])] = 1.0
    return places


@register("board_embedding")
class BoardEmbedding(Layer):
    """Turn planes into numbers of each square: act(dense(the square's planes and what the embedding adds)).

    forward:  x [B, 112, 8, 8] -> y [B, 64, width]
    backward: dy like y -> dx like x; gradients dense.*, preprocess.*

    A "map" embedding (``planes`` 0) adds the square's row of `reach_map`; a dense one adds ``planes`` numbers of a
    dense layer from the 12 planes of pieces of all squares. Raises ShapeError when x is not [B, 112, 8, 8].
    """

    settings = ("width", "planes", "activation", "input_format")

    def __init__(
        self, width: int, planes: int, rng: np.random.Generator, activation: str = "mish", input_format: int = 1
    ) -> None:
        super().__init__()
        self.width, self.planes, self.activation, self.input_format = width, planes, activation, input_format
        self.dense: Layer = nn.Dense(PLANES + (planes or SQUARES), width, rng)
        self.parts: dict[str, Layer] = {}
        if planes:
            self.parts["preprocess"] = nn.Dense(SQUARES * PIECE_PLANES, SQUARES * planes, rng, "glorot")
        self._act = nn.Activation(activation)
        self._map = reach_map()

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", PLANES, 8, 8)
        backend, batch = backend_of(x), len(x)
        scales = np.ones(PLANES, x.dtype)
        scales[FIFTY_MOVE_PLANE] = counter_scale(self.input_format)
        scales = backend.asarray(scales)
        squares = x.reshape(batch, PLANES, SQUARES).swapaxes(1, 2) * scales
        if self.planes:
            pieces = squares[:, :, :PIECE_PLANES].reshape(batch, SQUARES * PIECE_PLANES)
            more, more_backward = self.parts["preprocess"].forward(pieces, training)
            more = more.reshape(batch, SQUARES, self.planes)
        else:
            more = backend.xp.broadcast_to(backend.asarray(self._map.astype(x.dtype)), (batch, SQUARES, SQUARES))
        joined, dense_backward = self.dense.forward(backend.xp.concatenate([squares, more], axis=2), training)
        y, act_backward = self._act.forward(joined, training)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            check_gradient(self, dy, y.shape)
            djoined, grads = dense_backward(act_backward(dy)[0])
            grads, dsquares = prefixed("dense", grads), djoined[:, :, :PLANES]
            if self.planes:
                dpieces, more_grads = more_backward(djoined[:, :, PLANES:].reshape(batch, SQUARES * self.planes))
                dsquares[:, :, :PIECE_PLANES] += dpieces.reshape(batch, SQUARES, PIECE_PLANES)
                grads |= prefixed("preprocess", more_grads)
            return (dsquares * scales).swapaxes(1, 2).reshape(x.shape), grads

        return y, backward


@register("transformer")
class Transformer(nn.MultiHead):
    """A transformer with random weights, float32; ``sizes`` are the fields of a TransformerConfig.

    forward:  x [B, 112, 8, 8] -> {head: output}, as this module's docstring describes them
    backward: {head: dy} -> dx like x; gradients trunk.*, HEAD.*
    """

    def __init__(self, rng: np.random.Generator, **sizes: Any) -> None:
        config = TransformerConfig(**sizes)
        heads: dict[str, Layer] = {policy_name(head): _policy_head(config, rng) for head in config.policy_heads}
        heads |= {config.value_name(head): _value_head(config, rng) for head in config.value_heads}
        if config.moves_left_channels:
            sizes_left = config.moves_left_channels, config.moves_left_hidden, 1
            heads["moves_left"] = nn.Sequential(**_dense_layers(config, *sizes_left, rng))
        super().__init__(nn.Sequential(**_trunk(config, rng)), heads)
        self.sizes_of = config

    def config(self) -> dict[str, Any]:
        sizes = asdict(self.sizes_of)
        heads = {name: list(sizes[name]) for name in ("policy_heads", "value_heads")}  # as JSON has them
        return {"layer": self.kind, **sizes, **heads}


NetworkConfig = TowerConfig | TransformerConfig


def layers_with(tensors: Mapping[str, np.ndarray], config: NetworkConfig) -> nn.MultiHead:
    """The layers of a network of either family with these tensors; errors as of `loaded`."""
    return loaded(build_network(config, np.random.default_rng(0)), tensors)


def build_network(config: NetworkConfig, rng: np.random.Generator) -> nn.MultiHead:
    """A network of either family with random weights, float32."""
    return build_tower(config, rng) if isinstance(config, TowerConfig) else Transformer(rng, **asdict(config))


def config_of(model_config: Any) -> NetworkConfig:
    """The sizes of a network of either family. Raises ConfigError for others."""
    if isinstance(model_config, Mapping) and model_config.get("layer") == Transformer.kind:
        return transformer_config_of(model_config)
    return tower_config_of(model_config)


def transformer_config_of(model_config: Any) -> TransformerConfig:
    """Read a transformer's sizes from its layer configuration. Raises ConfigError for another network's."""
    if not isinstance(model_config, Mapping) or model_config.get("layer") != Transformer.kind:
        raise ConfigError("not the configuration of a transformer")
    try:
        return TransformerConfig(**{name: value for name, value in model_config.items() if name != "layer"})
    except TypeError as error:
        raise ConfigError(f"not the configuration of a transformer: {error}") from error


def _trunk(config: TransformerConfig, rng: np.random.Generator) -> dict[str, Layer]:
    width = config.width
    settings = config.embedding_planes, rng, config.activation, config.input_format
    parts: dict[str, Layer] = {"embedding": BoardEmbedding(width, *settings)}
    if config.embedding == "dense":
        parts["norm"] = nn.LayerNorm(width, DENSE_EPSILON)
    if config.gate:
        parts["gate"] = nn.PlaceGate(SQUARES, width)
    if config.embedding == "dense":
        block = config.embedding_hidden, rng, config.feed_activation, config.scale, DENSE_EPSILON
        parts["mix"] = nn.FeedForward(width, *block)
    return parts | {"encoder": nn.Encoder(config.layers, config.encoder_layer, rng)}


def _policy_head(config: TransformerConfig, rng: np.random.Generator) -> nn.Sequential:
    parts: dict[str, Layer] = {
        "embedding": nn.Dense(config.width, config.policy_planes, rng),
        "activation": nn.Activation(config.activation),
    }
    if config.policy_layers:
        parts["encoder"] = nn.Encoder(config.policy_layers, config.policy_encoder_layer, rng)
    return nn.Sequential(**parts, moves=AttentionPolicy(config.policy_planes, config.policy_depth, rng))


def _value_head(config: TransformerConfig, rng: np.random.Generator) -> nn.Sequential:
    outputs = 3 if config.value == "wdl" else 1
    layers = _dense_layers(config, config.value_channels, config.value_hidden, outputs, rng)
    return nn.Sequential(**layers, **({} if config.value == "wdl" else {"squash": nn.Activation("tanh")}))


def _dense_layers(
    config: TransformerConfig, channels: int, hidden: int, outputs: int, rng: np.random.Generator
) -> dict[str, Layer]:
    return {
        "embedding": nn.Dense(config.width, channels, rng),
        "embedded": nn.Activation(config.activation),
        "flatten": nn.Flatten(),
        "dense1": nn.Dense(SQUARES * channels, hidden, rng),
        "activation": nn.Activation(config.activation),
        "dense2": nn.Dense(hidden, outputs, rng, "glorot"),
    }
