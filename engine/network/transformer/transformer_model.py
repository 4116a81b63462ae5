"""The transformer: an embedding of the squares, encoder layers, and policy, value and moves-left
heads, as in Lc0.

The input [B, 112, 8, 8] holds raw Lc0 planes in the format `input_format`. Outputs are those of a
tower with attention policy (`tower_model`): policy [B, 4288], wdl [B, 3] or value [B, 1],
moves_left [B, 1] in hundreds of plies. Further heads that a file holds are named policy_optimistic,
wdl_q and so on.

Parameter names (NORM: gamma, beta; DENSE: weight, bias):
    trunk.embedding.dense.DENSE .preprocess.DENSE, trunk.norm.NORM, trunk.gate.{scale,shift},
    trunk.mix.dense1.DENSE .dense2.DENSE .norm.NORM                                       (parts that some lack)
    trunk.encoder.table, trunk.encoder.layerN.attention.{query,key,value,output}.DENSE .norm.NORM
    trunk.encoder.layerN.feed.dense1.DENSE .dense2.DENSE .norm.NORM
    trunk.encoder.layerN.smolgen.compress .dense1.DENSE .norm1.NORM .dense2.DENSE .norm2.NORM
    policy.embedding.DENSE policy.encoder.* policy.moves.{query,key}.DENSE policy.moves.promotion
    wdl.embedding.DENSE wdl.dense1.DENSE wdl.dense2.DENSE, the same for value and moves_left
"""

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Self

import chess
import numpy as np

from engine import nn
from engine.backend import Backend, backend_of, xp_of
from engine.errors import ConfigError
from engine.network.fused.network_sizes import (
    SQUARES,
    VALUES,
    NetworkSizes,
    attention_head,
    dense_head,
)
from engine.network.fused.smooth import ACTIVATION_CODES
from engine.network.input_formats import INPUT_FORMATS
from engine.network.outputs import matched, policy_name
from engine.network.planes import PLANES
from engine.network.policy_map import INDEX_TO_UCI
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Backward, Gradients, Layer, prefixed, register

PIECE_PLANES = 12
MAP_EPSILON, DENSE_EPSILON = 1e-6, 1e-3  # of the norms, by the kind of embedding
_POLICY_HEADS, _VALUE_HEADS = ("vanilla", "optimistic", "soft", "opponent"), ("winner", "q", "st")


@dataclass(frozen=True)
class TransformerConfig(NetworkSizes):
    """Sizes, kinds and heads of a transformer."""

    width: int = 128  # numbers of each square
    layers: int = 4
    heads: int = 8  # of attention, in each layer
    inner: int = 128  # numbers of a square's query, of all heads together
    hidden: int = 256  # of the feed-forward blocks
    activation: str = "mish"  # of the embedding and the heads
    feed_activation: str = "mish"
    input_format: int = 1  # Lc0's number
    # "map": squares that queens and knights reach, "dense": computed from the pieces.
    embedding: str = "map"
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
    policy = "attention"  # as towers say it
    kind = "transformer"
    largest_size = 8192

    def __post_init__(self) -> None:
        for name, choices in (("policy_heads", _POLICY_HEADS), ("value_heads", _VALUE_HEADS)):
            heads = tuple(getattr(self, name))
            object.__setattr__(self, name, heads)
            are_different = len(set(heads)) == len(heads)
            if heads[:1] != choices[:1] or not are_different or not set(heads) <= set(choices):
                expected = f"{choices[0]} first of the {name}, then any of {choices[1:]}"
                raise ConfigError(f"transformer: expected {expected}, found {heads}")
        inner = dict.fromkeys(("feed_activation", "smolgen_activation"), tuple(ACTIVATION_CODES))
        kinds = {
            "embedding": ("map", "dense"),
            "activation": ("relu", "mish"),
            "value": VALUES,
            "gate": (False, True),
        }
        self.check_sizes(**kinds, **inner, input_format=INPUT_FORMATS)
        for size, parts in (
            (self.inner, self.heads),
            (self.policy_attention_inner, self.policy_attention_heads or 1),
        ):
            if size % parts:
                raise ConfigError(f"transformer: expected heads that divide {size}, found {parts}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse "transformer-WIDTHxLAYERS[xHEADS]"; other fields follow. Raises ConfigError for any
        other form.
        """
        form = "a transformer is written transformer-WIDTHxLAYERS[xHEADS]"
        match = matched(r"transformer-(\d{1,4})x(\d{1,3})(?:x(\d{1,3}))?", text, form)
        width, heads = int(match[1]), int(match[3] or max(1, int(match[1]) // 16))
        sizes: dict[str, Any] = dict.fromkeys(
            ("width", "inner", "policy_planes", "policy_depth"), width
        )
        sizes |= {"smolgen_compressed": 8, "smolgen_hidden": width, "smolgen_generated": width}
        return cls(layers=int(match[2]), heads=heads, hidden=2 * width, **sizes)

    def build(self, rng: np.random.Generator) -> nn.MultiHead:
        return Transformer(rng, **asdict(self))

    def __str__(self) -> str:
        return f"transformer-{self.width}x{self.layers}x{self.heads}"

    def describe(self) -> str:
        """Describe the network in words, such as "transformer 256x10, 8 heads, smolgen; ..."."""
        smolgen, encoders = "no smolgen", ""
        if self.smolgen_compressed:
            smolgen = f"smolgen of {self.smolgen_generated}"
        if self.policy_layers:
            encoders = f", {self.policy_layers} encoder layers"
        return (
            f"transformer {self.width}x{self.layers} (width x layers), {self.heads} heads of "
            f"{self.inner // self.heads}, feed-forward {self.hidden}, {smolgen}; "
            f"{self.embedding} embedding, input format {self.input_format}; "
            f"{self.activation}, {self.feed_activation} in the layers; policy {', '.join(self.policy_heads)} "
            f"({self.policy_planes} numbers a square, keys of {self.policy_depth}{encoders}); {self.describe_heads()}"
        )

    @property
    def policy_activation(self) -> str:  # type: ignore[override]
        """Of the feed-forward blocks in a policy head."""
        return self.feed_activation

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
            "features": self.width, "heads": self.heads, "inner": self.inner, "hidden": self.hidden, "damped": False,
            "activation": self.feed_activation, "scale": self.scale, "epsilon": self.epsilon, "smolgen": self.smolgen,
        }  # fmt: skip

    @property
    def smolgen(self) -> dict[str, Any] | None:
        """The settings of a layer's smolgen."""
        if not self.smolgen_compressed:
            return None
        sizes = {
            name: getattr(self, f"smolgen_{name}")
            for name in ("compressed", "hidden", "generated", "activation")
        }
        return {"places": SQUARES, **sizes}


@cache
def reach_map() -> np.ndarray:
    """Lc0's position encoding, float32 [64, 64]: 1 where a queen or knight may move, -1 from a
    square to itself.
    """
    places = -np.eye(SQUARES, dtype=np.float32)
    for name in INDEX_TO_UCI:
        places[chess.parse_square(name[:2]), chess.parse_square(name[2:4])] = 1.0
    return places


@cache
def _reach_map_on(backend: Backend, dtype: Any) -> Array:
    return backend.asarray(reach_map().astype(dtype))


@register("board_embedding")
class BoardEmbedding(Layer):
    """Turn planes into numbers of each square: act(dense(the square's planes and what the embedding
    adds)).

    forward:  x [B, 112, 8, 8] -> y [B, 64, width]
    backward: dy like y -> dx like x; gradients dense.*, preprocess.*

    A "map" embedding (`planes` 0) adds the square's row of `reach_map`; a dense one adds `planes`
    numbers of a dense layer from the 12 planes of pieces of all squares. Raises ShapeError when x
    is not [B, 112, 8, 8].
    """

    input_gradient = True  # False for the first layer of a network that is trained

    def __init__(
        self, width: int, planes: int, rng: np.random.Generator, activation: str = "mish"
    ) -> None:
        super().__init__()
        self.width = width
        self.planes = planes
        self.activation = activation
        self.dense: Any = nn.Dense(PLANES + (planes or SQUARES), width, rng)
        self.parts: dict[str, Layer] = {}
        if planes:
            self.parts["preprocess"] = nn.Dense(
                SQUARES * PIECE_PLANES, SQUARES * planes, rng, "glorot"
            )

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", PLANES, 8, 8)
        squares = x.reshape(len(x), PLANES, SQUARES).swapaxes(1, 2)
        added, added_backward = self._added(squares, training)
        self.dense.input_gradient = self.input_gradient or self.planes > 0
        parts = nn.Sequential(dense=self.dense, act=nn.Activation(self.activation))
        joined = xp_of(x).concatenate([squares, added], axis=2)
        y, dense_backward = parts.forward(joined, training)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            djoined, grads = dense_backward(dy)
            if djoined is None:
                return None, grads
            dsquares = djoined[:, :, :PLANES]
            if added_backward is not None:
                dpieces, added_grads = added_backward(djoined[:, :, PLANES:])
                dsquares[:, :, :PIECE_PLANES] += dpieces
                grads |= added_grads
            return dsquares.swapaxes(1, 2).reshape(x.shape), grads

        return y, backward

    def _added(self, squares: Array, training: bool) -> tuple[Array, Backward | None]:
        """Return what the embedding adds to squares [B, 64, 112], [B, 64, n]; and backward: its
        gradient -> (that of the piece planes [B, 64, 12], gradients), None for the map.
        """
        batch = len(squares)
        if not self.planes:
            backend = backend_of(squares)
            places = _reach_map_on(backend, squares.dtype)
            return backend.xp.broadcast_to(places, (batch, SQUARES, SQUARES)), None
        pieces = squares[:, :, :PIECE_PLANES].reshape(batch, SQUARES * PIECE_PLANES)
        added, added_backward = self.parts["preprocess"].forward(pieces, training)

        def backward(dmore: Array) -> tuple[Array, Gradients]:
            dpieces, grads = added_backward(dmore.reshape(batch, SQUARES * self.planes))
            return dpieces.reshape(batch, SQUARES, PIECE_PLANES), prefixed("preprocess", grads)

        return added.reshape(batch, SQUARES, self.planes), backward

    def onnx(self, graph: Any, x: str) -> Any:
        """Add the nodes of `forward` to an ONNX graph."""
        squares = graph.squares(x)
        weight = self.dense.params["weight"]
        bias = self.dense.params["bias"]
        if not self.planes:
            start = reach_map() @ weight[:, PLANES:].T + bias
            return graph.activated(
                graph.product(squares, weight[:, :PLANES], start), self.activation
            )
        pieces = graph.node("Flatten", graph.part(squares, slice(0, PIECE_PLANES), 2))
        added = graph.reshaped(
            graph.layer(self.parts["preprocess"], pieces), 0, SQUARES, self.planes
        )
        joined = graph.node("Concat", squares, added, axis=2)
        return graph.activated(graph.layer(self.dense, joined), self.activation)


@register("transformer")
class Transformer(nn.MultiHead):
    """A transformer with random weights, float32; `sizes` are the fields of a TransformerConfig.

    forward:  x [B, 112, 8, 8] -> {head: output}, as this module's docstring describes them
    backward: {head: dy} -> dx like x; gradients trunk.*, HEAD.*
    """

    def __init__(self, rng: np.random.Generator, **sizes: Any) -> None:
        config = TransformerConfig(**sizes)
        heads: dict[str, Layer] = {}
        for head in config.policy_heads:
            embedding = nn.Dense(config.width, config.policy_planes, rng)
            heads[policy_name(head)] = attention_head(embedding, config.activation, config, rng)
        for name, answer in config.answer_heads().items():
            first = {
                "embedding": nn.Dense(config.width, answer[0], rng),
                "embedded": nn.Activation(config.activation),
            }
            heads[name] = dense_head(first, answer, config, rng)
        super().__init__(_trunk(config, rng), heads)
        self.sizes_of = config

    def config(self) -> dict[str, Any]:
        sizes = asdict(self.sizes_of)
        # As JSON has them.
        heads = {name: list(sizes[name]) for name in ("policy_heads", "value_heads")}
        return {"layer": self.kind, **sizes, **heads}


def _trunk(config: TransformerConfig, rng: np.random.Generator) -> nn.Sequential:
    width = config.width
    is_dense = config.embedding == "dense"
    parts: dict[str, Layer] = {
        "embedding": BoardEmbedding(width, config.embedding_planes, rng, config.activation)
    }
    if is_dense:
        parts["norm"] = nn.LayerNorm(width, DENSE_EPSILON)
    if config.gate:
        parts["gate"] = nn.PlaceGate(SQUARES, width)
    if is_dense:
        block = config.embedding_hidden, rng, config.feed_activation, config.scale, DENSE_EPSILON
        parts["mix"] = nn.FeedForward(width, *block, damped=False)
    return nn.Sequential(**parts, encoder=nn.Encoder(config.layers, config.encoder_layer, rng))
