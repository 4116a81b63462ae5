"""Small layers of every registered kind with inputs for them: what the checks over all layers go
through.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from engine import nn
from engine.network.fused.attention_policy import AttentionPolicy
from engine.network.transformer.transformer_model import BoardEmbedding
from engine.nn.array_checks import leaves
from engine.nn.layers import ACTIVATIONS

RNG = np.random.default_rng(20)


@dataclass(frozen=True)
class Case:
    """A layer with an input: one array, or a tuple of arrays for a layer that takes several."""

    layer: nn.Layer
    x: Any
    mask: np.ndarray | None = None

    @property
    def options(self):
        """Further arguments of forward."""
        return {} if self.mask is None else {"mask": self.mask}

    def __str__(self):
        shapes = [list(part.shape) for part in arrays_in(self.x)]
        return f"{type(self.layer).__name__} {' '.join(map(str, shapes))}"


def arrays_in(*values):
    """All arrays of nested results, in order."""
    return [array for array in leaves(values) if array is not None]


def numbers(*shape):
    """Normal numbers, none closer to zero than 0.05, none closer than 1e-4 to another: away from
    kinks and ties.
    """
    x = RNG.standard_normal(shape)
    x += 0.05 * np.sign(x)
    order = np.argsort(x, axis=None)
    x.reshape(-1)[order] += 1e-4 * np.arange(x.size) * np.sign(x.reshape(-1)[order])
    return x


def small_body(channels):
    return nn.Sequential(conv=nn.Conv2D(channels, channels, 3, RNG), norm=nn.BatchNorm(channels))


def bools(*shape):
    mask = RNG.random(shape) < 0.6
    mask[..., 0] = True
    return mask


def attention_cases():
    nobody = bools(2, 3, 4)
    nobody[1, 2] = False  # one place may look at nothing
    return [
        (nn.SelfAttention(4, 1, RNG, causal=True), numbers(2, 3, 4), bools(2, 3)),
        (nn.CrossAttention(4, 3, 2, RNG), (numbers(2, 3, 4), numbers(2, 5, 3))),
        (nn.CrossAttention(4, 3, 2, RNG), (numbers(2, 3, 4), numbers(2, 4, 3)), nobody),
        (AttentionPolicy(3, 2, RNG), numbers(2, 3, 8, 8)),
        (AttentionPolicy(3, 2, RNG), numbers(2, 64, 3)),
        (nn.SelfAttention(3, 2, RNG, inner=4), (numbers(2, 3, 3), numbers(2, 2, 3, 3))),
    ]


def recurrent_cases():
    """Every kind with and without each option; with and without a given state, and a mask."""
    mask = bools(2, 4)
    masks = [None, bools(2, 4)]
    mask[0] = False  # nothing is read
    both_ways = nn.Bidirectional(nn.RNN(3, 2, RNG), nn.LSTM(3, 4, RNG, reverse=True))
    cases = [(both_ways, numbers(2, 4, 3), masks[1])]
    for kind, states in ((nn.RNN, 1), (nn.GRU, 1), (nn.LSTM, 2)):
        for last, reverse, returns in itertools.product((False, True), repeat=3):
            layer = kind(3, 4, RNG, last=last, reverse=reverse, return_state=returns)
            given = (numbers(2, 4, 3), *(numbers(2, 4) for _ in range(states)))
            x = given if last != reverse else given[0]
            cases.append((layer, x, masks[reverse != returns]))
        cases.append((kind(3, 4, RNG, last=True), given, mask))
    reset_first = nn.GRU(3, 4, RNG, reverse=True, reset_first=True)
    return [*cases, (reset_first, numbers(2, 4, 3), mask)]


def encoder_cases():
    smolgen = {"places": 3, "compressed": 2, "hidden": 4, "generated": 3, "activation": "swish"}
    layer = {
        "features": 4,
        "heads": 2,
        "inner": 6,
        "hidden": 5,
        "activation": "mish",
        "scale": 0.7,
        "epsilon": 1e-3,
    }
    modern = {"norm_first": True, "dropout": 0.3, "rotary": True}
    even = layer | {"inner": 8} | modern
    with_smolgen = layer | {"smolgen": smolgen}
    table = numbers(9, 3)
    return [
        (nn.FeedForward(4, 3, RNG, "mish", np.sqrt(0.4), 1e-3), numbers(2, 3, 4)),
        (nn.Smolgen(4, 2, rng=RNG, **smolgen), (numbers(2, 3, 4), table)),
        (nn.EncoderLayer(rng=RNG, causal=True, **layer), numbers(2, 3, 4), bools(2, 3)),
        (nn.Encoder(2, layer, RNG), numbers(2, 3, 4), bools(2, 3)),
        (nn.EncoderLayer(rng=RNG, **even), numbers(2, 3, 4)),
        (nn.EncoderLayer(rng=RNG, **with_smolgen, norm_first=True), (numbers(2, 3, 4), table)),
        (
            nn.DecoderLayer(4, 2, 5, RNG, 3),
            (numbers(2, 3, 4), numbers(2, 5, 3)),
            bools(2, 5),
        ),
        (nn.SelfAttention(4, 1, RNG, causal=True, rotary=True), numbers(2, 3, 4)),
        (nn.Encoder(2, with_smolgen, RNG), numbers(2, 3, 4)),
        (nn.PlaceGate(3, 4), numbers(2, 3, 4)),
        (BoardEmbedding(2, 0, RNG), numbers(1, 112, 8, 8)),
    ]


def container_cases():
    heads = {
        "image": nn.Conv2D(3, 2, 1, RNG),
        "flat": nn.Sequential(flatten=nn.Flatten(), dense=nn.Dense(48, 2, RNG)),
    }
    trunk = nn.Sequential(conv=nn.Conv2D(2, 3, 3, RNG), norm=nn.BatchNorm(3, relu=True))
    block = nn.Sequential(norm=nn.LayerNorm(4), attention=nn.SelfAttention(4, 2, RNG, causal=True))
    tokens = nn.Sequential(
        embed=nn.Embedding(5, 4, RNG), places=nn.PositionEmbedding(6, 4, RNG), gru=nn.GRU(4, 3, RNG)
    )
    padded = nn.Sequential(
        nn.Embedding(5, 4, RNG, padding_idx=2), nn.Residual(block, activation="identity")
    )
    return [
        (padded, np.array([[0, 4, 4, 1], [2, 1, 2, 2]])),
        (
            nn.MultiHead(nn.GRU(3, 4, RNG), {"all": nn.LSTM(4, 2, RNG)}),
            numbers(2, 3, 3),
            bools(2, 3),
        ),
        (tokens, np.array([[0, 4, 4], [2, 1, 0]])),
        (nn.MultiHead(trunk, heads), numbers(2, 2, 4, 4)),
        (
            nn.MultiHead(nn.Flatten(), {name: nn.Embedding(5, 2, RNG) for name in "ab"}),
            np.array([[[0], [4]]]),
        ),
        (nn.Residual(small_body(3), nn.SqueezeExcitation(3, 2, RNG)), numbers(2, 3, 4, 4)),
        (
            nn.Residual(small_body(2), nn.SqueezeExcitation(2, 2, RNG), activation="mish"),
            numbers(2, 2, 4, 4),
        ),
        (nn.Residual(block, activation="identity"), numbers(2, 3, 4)),
        (nn.Add(body=nn.Dense(3, 4, RNG), skip=nn.Dense(3, 4, RNG)), numbers(2, 3)),
        (
            nn.Concatenate(deep=small_body(2), skip=nn.Sequential(), pooled=nn.Dropout(0.3, RNG)),
            numbers(2, 2, 3, 4),
        ),
        (nn.Concatenate(nn.GRU(3, 2, RNG), nn.Dense(3, 4, RNG), axis=-1), numbers(2, 3, 3)),
        (
            nn.MultiHead(
                nn.Dense(3, 4, RNG),
                {
                    "y": nn.MultiHead(
                        nn.Dense(4, 2, RNG),
                        {"y": nn.Dense(2, 2, RNG), "z": nn.Activation("tanh")},
                    )
                },
            ),
            numbers(2, 3),
        ),
    ]


def window_cases():
    """Convolutions and pools of every size, stride, padding, dilation and group."""
    uneven = ((0, 2), (3, 1))
    return [
        (nn.Conv2D(2, 3, 3, RNG), numbers(2, 2, 5, 4)),
        (nn.Conv2D(3, 4, 4, RNG, stride=4, padding=0), numbers(2, 3, 8, 9)),
        (nn.Conv2D(2, 3, 3, RNG, 1, uneven, False, dilation=2), numbers(2, 2, 6, 6)),
        (nn.Conv2D(4, 6, (2, 3), RNG, (1, 2), groups=2, dilation=(1, 2)), numbers(2, 4, 5, 6)),
        (nn.Conv1D(3, 4, 3, RNG, padding=4), numbers(2, 3, 6), bools(2, 6)),
        (nn.Conv1D(2, 4, 4, RNG, stride=np.int64(2), groups=2), numbers(2, 2, 7)),
        (nn.ConvTranspose2D(2, 4, (4, 3), RNG, 2, groups=2), numbers(2, 2, 3, 4)),
        (
            nn.ConvTranspose2D(2, 3, 3, RNG, 3, 1, dilation=2, output_padding=(1, 2)),
            numbers(2, 2, 3, 4),
        ),
        (nn.ConvTranspose1D(2, 3, 2, RNG, stride=3, padding=0), numbers(2, 2, 3)),
        (nn.MaxPool2D((2, 3), 1, (1, 2), dilation=(1, 2)), numbers(2, 2, 4, 6)),
        (nn.MaxPool1D(2, stride=3, ceil=True), numbers(2, 2, 5)),
        (nn.AveragePool1D(3, stride=2, ceil=True), numbers(2, 2, 6)),
        (nn.AveragePool2D(3, 2, ((1, 0), (2, 1)), counts_padding=False), numbers(2, 2, 4, 6)),
        (nn.AveragePool1D(2, ceil=True), numbers(2, 2, 5)),
        (nn.GlobalAveragePool(), numbers(2, 3, 2, 4)),
        (nn.GlobalMaxPool(), numbers(2, 3, 2, 4)),
        (nn.PReLU(3), numbers(2, 3, 2, 4)),
        (nn.PReLU(), numbers(5, 3)),
        (nn.Upsample([1.5, 2]), numbers(2, 2, 3, 4)),
        (nn.Upsample(3, "linear", align_corners=True), numbers(2, 2, 4)),
        (nn.Upsample(2, "cubic"), numbers(2, 2, 3, 4)),
    ]


def norm_cases():
    return [
        (nn.GroupNorm(2, 6), numbers(2, 6, 3, 2)),
        (nn.GroupNorm(3, 3, 1e-2), numbers(2, 3, 4)),
        (nn.RMSNorm(5), numbers(2, 3, 5)),
        (nn.Softmax(1), numbers(2, 4, 3)),
        (nn.Softmax(-2, log=True), numbers(2, 4, 3)),
    ]


ROWS = [  # layers with inputs, and masks
    (nn.Dense(5, 3, RNG), numbers(4, 5)),
    (nn.Dense(3, 2, RNG), numbers(2, 3, 3)),
    (nn.BatchNorm(3), numbers(6, 3)),
    (nn.BatchNorm(2, relu=True, epsilon=np.float32(1e-2)), numbers(3, 2, 4, 4)),
    (nn.LayerNorm(4, epsilon=1e-2), numbers(2, 3, 4)),
    *[(nn.Activation(name), numbers(3, 7)) for name in ACTIVATIONS],
    (nn.Flatten(), numbers(2, 3, 2, 2)),
    (nn.Reshape(np.array([2, 6])), numbers(2, 3, 4)),
    (nn.Dropout(0.4, RNG), numbers(4, 6)),
    (nn.SqueezeExcitation(2, 2, RNG, activation="mish"), numbers(3, 2, 4, 4)),
    (nn.Embedding(5, 3, RNG), np.array([[0, 4, 4], [2, 4, 0]])),
    (nn.PositionEmbedding(6, 3, RNG), numbers(2, 4, 3)),
    (nn.Transpose(), numbers(2, 3, 4)),
    *[(nn.Activation(name, alpha=0.3), numbers(3, 7)) for name in ("leaky_relu", "elu", "celu")],
    *window_cases(),
    *norm_cases(),
    *recurrent_cases(),
    *attention_cases(),
    *encoder_cases(),
    *container_cases(),
]
CASES = [Case(*row) for row in ROWS]
of_every_layer = pytest.mark.parametrize("case", CASES, ids=str)
