"""Fused inference of transformers, chunk by chunk, with the promises of `ready_network`: a
position's output is the same, bit for bit, whatever shares its batch and whichever thread evaluates
it.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.native.aligned_arrays import aligned_copy, buffers
from engine.native.jit import kernel
from engine.native.lanes import LANES
from engine.network.fused.encoder_steps import (
    SQUARES,
    Encoders,
    EncoderSpace,
    encode_rows,
    feed_forward,
    new_encoder_space,
)
from engine.network.fused.heads import (
    AnswerHeads,
    HeadSpace,
    answer_values,
    head_space,
    keep_features,
)
from engine.network.fused.multiply import dense_rows
from engine.network.fused.policy_heads import Attention, PolicySpace
from engine.network.fused.ready_network import Fused
from engine.network.fused.smooth import ACTIVATION_CODES, activate
from engine.network.fused.tensor_layout import (
    affine,
    answer_heads,
    attention_weights,
    feed_weights,
    flat,
    fold_encoders,
    folded_tensors,
    matrix,
    norm_weights,
    pad,
    stacked,
    stacked_encoders,
)
from engine.network.outputs import Tensors
from engine.network.planes import PLANES
from engine.network.transformer.embedding_steps import PieceLayers, SquareEmbedding, embed
from engine.network.transformer.transformer_model import DENSE_EPSILON, TransformerConfig, reach_map

EMBEDDING = "trunk.embedding.dense"
NO_NUMBERS = np.zeros(0, np.float32)


class FusedTransformerWeights(NamedTuple):
    """All weights of a transformer with one policy and one value head."""

    embedding: SquareEmbedding
    mix: Encoders | None  # the block behind a dense embedding
    body: Encoders
    heads: AnswerHeads  # whose first layers are dense layers of each square
    policy: Attention
    policy_encoders: Encoders | None


def fold_transformer(tensors: Tensors, config: TransformerConfig) -> FusedTransformerWeights:
    """Lay out a transformer's parameters; names as in `transformer_model`."""
    if config.embedding == "dense":
        embedding = _dense_embedding(tensors, config)
        mix = _mix_block(tensors, config)
    else:
        embedding = _map_embedding(tensors, config)
        mix = None
    policy_encoders = None
    if config.policy_layers:
        policy_encoders = fold_encoders(
            tensors, "policy.encoder", config.policy_layers, config.policy_encoder_layer
        )
    return FusedTransformerWeights(
        embedding=embedding,
        mix=mix,
        body=fold_encoders(tensors, "trunk.encoder", config.layers, config.encoder_layer),
        policy=attention_weights(tensors),
        policy_encoders=policy_encoders,
        heads=answer_heads(tensors, config.value_head, "embedding"),
    )


def _map_embedding(tensors: Tensors, config: TransformerConfig) -> SquareEmbedding:
    """Add the squares in reach of each square, which are always the same."""
    weight, bias = affine(tensors, EMBEDDING)
    reach = reach_map().astype(np.float64) @ weight[:, PLANES:].T
    no_pieces = PieceLayers(NO_NUMBERS, NO_NUMBERS, NO_NUMBERS)
    return _embedding(tensors, config, bias + reach, no_pieces, norm=NO_NUMBERS)


def _dense_embedding(tensors: Tensors, config: TransformerConfig) -> SquareEmbedding:
    """Add to each square what the pieces of the whole board say of it, and norm the sums."""
    numbers = config.embedding_planes
    weight, bias = affine(tensors, EMBEDDING)
    to_numbers, numbers_bias = affine(tensors, "trunk.embedding.preprocess")
    pieces = PieceLayers(
        to_numbers=flat(pad(to_numbers.T.reshape(-1, SQUARES, numbers), 2)),
        numbers_bias=flat(pad(numbers_bias.reshape(SQUARES, numbers), 1)),
        to_squares=matrix(weight[:, PLANES:]),
    )
    square_bias = np.broadcast_to(bias, (64, config.width))
    return _embedding(
        tensors, config, square_bias, pieces, norm=flat(norm_weights(tensors, "trunk.norm"))
    )


def _embedding(
    tensors: Tensors,
    config: TransformerConfig,
    square_bias: np.ndarray,
    pieces: PieceLayers,
    norm: np.ndarray,
) -> SquareEmbedding:
    weight = tensors[f"{EMBEDDING}.weight"]
    gate = np.zeros((2, 0), np.float32)
    if config.gate:
        parts = [tensors[f"trunk.gate.{part}"].T for part in ("scale", "shift")]
        gate = aligned_copy(np.stack([pad(part, 1).reshape(-1) for part in parts]))
    return SquareEmbedding(
        width=np.int64(config.width),
        act=np.int64(ACTIVATION_CODES[config.activation]),
        epsilon=np.float32(DENSE_EPSILON),
        pieces=pieces,
        planes=flat(pad(weight[:, :PLANES].T, 1)),
        square_bias=flat(pad(square_bias, 1)),
        zero_bias=np.zeros(config.width + -config.width % LANES, np.float32),
        norm=norm,
        gate=gate,
    )


def _mix_block(tensors: Tensors, config: TransformerConfig) -> Encoders:
    """Return the feed-forward block behind a dense embedding, as a layer without attention."""
    sizes = config.encoder_layer | {"epsilon": DENSE_EPSILON, "smolgen": None}
    block = stacked(1, [feed_weights(tensors, "trunk.mix")])
    return stacked_encoders(sizes, NO_NUMBERS, block)


class TransformerSpace(NamedTuple):
    """The buffers of one thread for one chunk."""

    x: Annotated[np.ndarray, "float32 [8 * 64 * E]"]
    piece_numbers: Annotated[np.ndarray, "float32 [N]"]  # one board's, of a dense embedding
    mix: EncoderSpace | None
    body: EncoderSpace
    heads: HeadSpace
    policy: PolicySpace


class FusedTransformer(Fused):
    """A transformer ready to play.

    `tensors` are the parameters of `transformer_model` by name. Raises ConfigError or ShapeError when they do
    not fit `config` or are not finite. Of several heads, the first ones play.
    """

    config: TransformerConfig

    def __init__(self, tensors: Tensors, config: TransformerConfig) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # The next line refuses the result.
            self.weights = fold_transformer(folded_tensors(config, tensors), config)
        super().__init__(config, self.weights)
        self.policy, self.encoders = self.weights.policy, self.weights.policy_encoders

    def evaluate_body(
        self, masks: np.ndarray, space: TransformerSpace, wdl: np.ndarray, moves_left: np.ndarray
    ) -> PolicySpace:
        weights = self.weights
        act = weights.embedding.act
        count = len(masks)
        embed(weights.embedding, masks, space.x, count, space.piece_numbers)
        if weights.mix is not None:
            feed_forward(weights.mix, 0, space.x, count, space.mix)
        encode_rows(weights.body, space.x, count, space.body)
        _answer_values(weights.heads, space.x, count, act, space.heads, wdl, moves_left)
        _embed_policy(weights.policy.squares, space.x, count, act, space.policy.embedded)
        return space.policy

    def new_space(self) -> TransformerSpace:
        weights = self.weights
        mix = None
        if weights.mix is not None:
            mix = new_encoder_space(weights.mix)
        arrays = {
            "mix": mix,
            "body": new_encoder_space(weights.body),
            "heads": head_space(weights.heads),
            "policy": self.new_policy_space(),
        }
        return buffers(
            TransformerSpace,
            arrays,
            E=len(weights.embedding.zero_bias),
            N=len(weights.embedding.pieces.numbers_bias),
        )


@kernel(contract=True)
def _answer_values(heads, x, count, act, space, wdl, plies):
    """Write wdl and plies of `count` positions from x [64 count, E]."""
    squares = heads.squares
    features = len(squares.bias)
    board = SQUARES * squares.channels
    for p in range(count):
        rows = x[p * board : (p + 1) * board]
        dense_rows(rows, squares.channels, squares.weight, features, space.features, SQUARES)
        keep_features(squares, p, act, space)
    answer_values(heads, count, act, space, wdl, plies)


@kernel(contract=True)
def _embed_policy(squares, x, count, act, embedded):
    """Write embedded [64 count, F], the policy head's numbers of the squares, from x [64 count, E]."""
    rows = SQUARES * count
    dense_rows(x, squares.channels, squares.weight, len(squares.bias), embedded, rows)
    activate(embedded, squares.bias, rows, act)
