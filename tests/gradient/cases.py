"""Small layers of every registered kind with inputs for them: what the checks over all layers go through."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.network.tower.attention_policy import AttentionPolicy
from engine.nn import (
    GRU,
    LSTM,
    RNN,
    Activation,
    AveragePool2D,
    BatchNorm,
    ChosenDense,
    ChosenSequential,
    Conv2D,
    CrossAttention,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool,
    Layer,
    LayerNorm,
    ListNetwork,
    MaxPool2D,
    MultiHead,
    PairProduct,
    PositionEmbedding,
    Reshape,
    Residual,
    ScoredRows,
    SelfAttention,
    Sequential,
    SparseDense,
    SqueezeExcitation,
    TwoViews,
)
from engine.nn.layers import ACTIVATIONS

RNG = np.random.default_rng(20)
CHOICES, SORTS = np.array([[4, 0, 4, -1], [1, -1, -1, -1]]), np.array([[0, 0, 1, 1], [1, 0, 0, 0]])


@dataclass(frozen=True)
class Case:
    """A layer with an input: one array, or a tuple of arrays for a layer that takes several."""

    layer: Layer
    x: Any
    options: dict[str, Any] = field(default_factory=dict)  # further arguments of forward

    def __str__(self) -> str:
        shapes = [list(part.shape) for part in (self.x if isinstance(self.x, tuple) else (self.x,))]
        return f"{self.layer.kind} {' '.join(map(str, shapes))}"


def numbers(*shape: int) -> np.ndarray:
    """Normal numbers, none closer to zero than 0.05, none closer than 1e-4 to another: away from kinks and ties."""
    x = RNG.standard_normal(shape)
    x += 0.05 * np.sign(x)
    order = np.argsort(x, axis=None)
    x.reshape(-1)[order] += 1e-4 * np.arange(x.size) * np.sign(x.reshape(-1)[order])
    return x


def small_body(channels: int) -> Sequential:
    return Sequential(conv=Conv2D(channels, channels, 3, RNG), norm=BatchNorm(channels))


def bools(*shape: int) -> np.ndarray:
    mask = RNG.random(shape) < 0.6
    mask[..., 0] = True
    return mask


def attention_cases() -> list[Case]:
    nobody = bools(2, 3, 4)
    nobody[1, 2] = False  # one place may look at nothing
    return [
        Case(SelfAttention(4, 2, RNG), numbers(2, 3, 4)),
        Case(SelfAttention(6, 3, RNG, causal=True), numbers(2, 4, 6)),
        Case(SelfAttention(4, 1, RNG, causal=True), numbers(2, 3, 4), {"mask": bools(2, 3)}),
        Case(CrossAttention(4, 3, 2, RNG), (numbers(2, 3, 4), numbers(2, 5, 3))),
        Case(CrossAttention(4, 3, 2, RNG), (numbers(2, 3, 4), numbers(2, 4, 3)), {"mask": nobody}),
        Case(AttentionPolicy(3, 2, RNG), numbers(2, 3, 8, 8)),
    ]


def two_views() -> TwoViews:
    small = ChosenDense(8, 2, 2, RNG), ChosenDense(4, 3, 2, RNG), ChosenDense(3, 2, 2, RNG)
    rows = SparseDense(7, 8, RNG)
    rows.params["bias"] += 0.5  # in the middle of the range that is not clipped
    return TwoViews(rows, *small)


def container_cases() -> list[Case]:
    dense = Sequential(a=Dense(3, 4, RNG), b=Activation("tanh"), c=Dense(4, 2, RNG))
    heads = {"image": Conv2D(3, 2, 1, RNG), "flat": Sequential(flatten=Flatten(), dense=Dense(48, 2, RNG))}
    trunk = Sequential(conv=Conv2D(2, 3, 3, RNG), norm=BatchNorm(3, relu=True))
    block = Sequential(norm=LayerNorm(4), attention=SelfAttention(4, 2, RNG, causal=True))
    tokens = Sequential(embed=Embedding(5, 4, RNG), places=PositionEmbedding(6, 4, RNG), gru=GRU(4, 3, RNG))
    lists = ListNetwork(
        Sequential(rows=SparseDense(7, 6, RNG), clip=Activation("clipped_relu"), product=PairProduct()),
        ScoredRows(3, 5, 2, RNG),
        {"value": Dense(3, 2, RNG)},
    )
    features = np.array([[0, 6, -1], [2, 5, 1]])
    views, versions = np.array([[[0, 3, -1], [4, 2, 6]], [[1, -1, -1], [5, 0, 2]]]), np.array([1, 0])
    chosen = ChosenSequential(ChosenDense(3, 4, 2, RNG), Activation("tanh"), ChosenDense(4, 2, 2, RNG))
    heads_of_versions = {"value": chosen, "other": Dense(3, 1, RNG)}
    twice = ListNetwork(lists.trunk, lists.policy, heads_of_versions, two_views())
    return [
        Case(two_views(), (views, versions)),
        Case(twice, (features, CHOICES, SORTS, views, versions)),
        Case(dense, numbers(3, 3)),
        Case(chosen, (numbers(2, 3), versions)),
        Case(lists, (features, CHOICES, SORTS)),
        Case(ListNetwork(lists.trunk, lists.policy, heads_of_versions), (features, CHOICES, SORTS, versions)),
        Case(tokens, np.array([[0, 4, 4], [2, 1, 0]])),
        Case(MultiHead(trunk, heads), numbers(2, 2, 4, 4)),
        Case(Residual(small_body(2)), numbers(2, 2, 4, 4)),
        Case(Residual(small_body(3), SqueezeExcitation(3, 2, RNG)), numbers(2, 3, 4, 4)),
        Case(Residual(small_body(2), SqueezeExcitation(2, 2, RNG), activation="mish"), numbers(2, 2, 4, 4)),
        Case(Residual(block, activation="identity"), numbers(2, 3, 4)),
    ]


CASES: list[Case] = [
    Case(Dense(5, 3, RNG), numbers(4, 5)),
    Case(Dense(2, 1, RNG, initialization="glorot"), numbers(1, 2)),
    Case(Dense(3, 2, RNG), numbers(2, 3, 3)),
    Case(Conv2D(2, 3, 3, RNG), numbers(2, 2, 5, 4)),
    Case(Conv2D(3, 2, 1, RNG, bias=False), numbers(2, 3, 4, 4)),
    Case(Conv2D(2, 2, 5, RNG, stride=2, padding=1), numbers(1, 2, 7, 8)),
    Case(Conv2D(1, 2, 3, RNG, stride=3, padding=0), numbers(2, 1, 8, 7)),
    Case(BatchNorm(3), numbers(6, 3)),
    Case(BatchNorm(2, relu=True), numbers(3, 2, 4, 4)),
    Case(BatchNorm(2, momentum=0.5, epsilon=1e-2), numbers(2, 2, 3, 5)),
    Case(LayerNorm(5), numbers(3, 5)),
    Case(LayerNorm(4, epsilon=1e-2), numbers(2, 3, 4)),
    *[Case(Activation(name), numbers(3, 7)) for name in ACTIVATIONS],
    Case(Flatten(), numbers(2, 3, 2, 2)),
    Case(Reshape([2, 6]), numbers(2, 3, 4)),
    Case(Dropout(0.4, RNG), numbers(4, 6)),
    Case(MaxPool2D(2), numbers(2, 2, 4, 6)),
    Case(MaxPool2D(3, stride=2, padding=1), numbers(2, 2, 5, 4)),
    Case(AveragePool2D(2), numbers(2, 2, 4, 5)),
    Case(AveragePool2D(3, stride=1, padding=1), numbers(1, 2, 4, 3)),
    Case(GlobalAveragePool(), numbers(2, 3, 2, 4)),
    Case(SqueezeExcitation(4, 3, RNG), numbers(2, 4, 3, 3)),
    Case(SqueezeExcitation(2, 2, RNG, activation="mish"), numbers(3, 2, 4, 4)),
    Case(Embedding(5, 3, RNG), np.array([[0, 4, 4], [2, 4, 0]])),
    Case(PositionEmbedding(6, 3, RNG), numbers(2, 4, 3)),
    Case(SparseDense(7, 3, RNG), np.array([[0, 6, -1], [2, -1, -1], [6, 6, 1], [-1, -1, -1]])),
    Case(PairProduct(), numbers(3, 6)),
    Case(ChosenDense(3, 2, 4, RNG), (numbers(4, 3), np.array([3, 0, 3, 1]))),
    Case(ScoredRows(3, 5, 2, RNG), (numbers(2, 3), CHOICES, SORTS)),
    Case(RNN(3, 4, RNG), numbers(2, 5, 3)),
    Case(GRU(3, 4, RNG), numbers(2, 5, 3)),
    Case(GRU(2, 3, RNG, last=True), numbers(3, 4, 2)),
    Case(LSTM(3, 4, RNG), numbers(2, 5, 3)),
    Case(LSTM(2, 3, RNG, last=True), numbers(3, 4, 2)),
    *attention_cases(),
    *container_cases(),
]
