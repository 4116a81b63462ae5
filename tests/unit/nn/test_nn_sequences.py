"""Sequences: masks, states between their parts, and what tables and blocks begin with.

`test_onnx_file` compares what layers compute with ONNX Runtime.
"""

import numpy as np
import pytest

from engine import nn
from engine.network.transformer.transformer_model import TransformerConfig
from engine.nn.layer import forward_part
from engine.nn.numeric import TOLERANCE
from tests.unit.nn.small_trainings import rng


def sequence(batch=2, places=5, features=4):
    return np.random.default_rng(9).standard_normal((batch, places, features)).astype(np.float32)


WORDS = 7  # of which 0 fills up short sequences
LENGTHS = (5, 2, 3)


LAYER = {"features": 6, "heads": 2, "hidden": 8, "causal": True}
GPT = nn.Sequential(nn.LayerNorm(6), nn.SelfAttention(6, 3, rng(), causal=True))
BOTH_WAYS = nn.Bidirectional(nn.GRU(6, 2, rng()), nn.LSTM(6, 4, rng(), reverse=True))
# Models of every kind with a memory, which read tokens int [B, T].
MODELS = [
    nn.Sequential(nn.Embedding(WORDS, 6, rng(), padding_idx=0), *layers, nn.Dense(6, WORDS, rng()))
    for layers in (
        [nn.RNN(6, 6, rng())],
        [nn.GRU(6, 5, rng()), nn.LSTM(5, 6, rng())],
        [nn.PositionEmbedding(5, 6, rng()), nn.EncoderLayer(rng=rng(), **LAYER)],
        [nn.Encoder(2, LAYER, rng()), nn.Residual(GPT, activation="identity")],
        [BOTH_WAYS],
    )
]


@pytest.mark.parametrize("model", MODELS)
def test_a_padded_batch_counts_as_its_sequences_one_by_one(model):
    tokens = rng().integers(1, WORDS, (3, 5)) * (np.arange(5) < np.array(LENGTHS)[:, None])
    targets = np.where(tokens > 0, tokens[:, ::-1], -100)

    def result(rows, columns):
        y, backward = model.forward(tokens[rows, columns], training=True)
        loss, dy = nn.softmax_cross_entropy(y, targets[rows, columns], ignore_index=-100)
        return loss, backward(dy)[1]

    loss, grads = result(slice(None), slice(None))
    parts = [result(slice(row, row + 1), slice(length)) for row, length in enumerate(LENGTHS)]
    shares = np.array(LENGTHS) / sum(LENGTHS)
    assert loss == pytest.approx(shares @ [part for part, _ in parts], rel=1e-6)
    for key, gradient in grads.items():
        expected = np.tensordot(shares, [part[key] for _, part in parts], 1)
        assert np.allclose(gradient, expected, atol=1e-6), key


HALVING = nn.Conv1D(4, 4, 3, rng(), stride=2)
WINDOWS = [
    HALVING,
    nn.Conv1D(4, 4, 3, rng(), padding=0, dilation=2),
    nn.Conv1D(4, 4, 2, rng(), stride=2, padding=3),
    nn.ConvTranspose1D(4, 4, 3, rng(), stride=2),
    nn.MaxPool1D(2),
    nn.Upsample(1.5),
    nn.Sequential(HALVING, nn.Conv1D(4, 4, 3, rng())),
    nn.Add(HALVING, nn.Conv1D(4, 4, 1, rng(), stride=2)),
]


@pytest.mark.parametrize("windows", WINDOWS)
def test_windows_see_each_sequence_of_a_padded_batch_as_if_it_were_alone(windows):
    reader = nn.Sequential(nn.Transpose(), nn.GRU(4, 4, rng(), last=True))
    model = nn.MultiHead(windows, {"last": reader})
    x = sequence(3, 4, 9)
    lengths = 9, 6, 5
    batch = model(x, mask=np.arange(9) < np.array(lengths)[:, None])["last"]
    for row, length in enumerate(lengths):
        alone = model(x[row : row + 1, :, :length])["last"]
        np.testing.assert_allclose(batch[row], alone[0], atol=1e-6)


@pytest.mark.parametrize("model", MODELS[:-1])
def test_a_sequence_that_is_read_in_parts_gives_what_it_gives_at_once(model):
    tokens = rng().integers(1, WORDS, (3, 5))
    tokens[1, :2] = 0  # begins later
    state = {}
    parts = [model(part, state=state) for part in np.split(tokens, [2, 3], axis=1)]
    is_word = tokens > 0
    joined = np.concatenate(parts, axis=1)
    assert np.allclose(joined[is_word], model(tokens)[is_word], atol=1e-6)


class Continued(nn.Layer):
    """A layer with a state from a part before, which another one with fixed parameters has read."""

    def __init__(self, part):
        self.part = part
        self._first = part.astype(np.float64)

    def forward(self, x, training=False):
        state = {}
        self._first.forward(sequence(2, 3).astype(np.float64), state=state)
        return forward_part("part", self.part, x, training, None, {"part": state})


@pytest.mark.parametrize(
    "layer",
    [
        nn.SelfAttention(4, 2, rng(), causal=True),
        nn.GRU(4, 4, rng()),
        nn.LSTM(4, 4, rng()),
        nn.EncoderLayer(4, 2, 3, rng(), activation="tanh", causal=True),
        nn.PositionEmbedding(9, 4, rng()),
    ],
)
def test_gradients_of_a_part_that_follows_another(layer):
    """They end where the part begins: the state counts as given."""
    check = nn.gradient_check(Continued(layer), sequence(2, 2))
    assert check.error < TOLERANCE, check


# ---- how they begin ------------------------------------------------------------------------------


def test_forget_gates_begin_open():
    assert nn.LSTM(4, 2, rng()).params["bias"].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("kind", [nn.PositionEmbedding, nn.Embedding])
def test_embeddings_begin_with_deviation_1(kind):
    assert kind(99, 99, rng()).params["weight"].std() == pytest.approx(1.0, abs=0.05)


CHESS = TransformerConfig.parse("transformer-96x1").encoder_layer | {"smolgen": None}


@pytest.mark.parametrize(
    ("block", "variances"),
    [
        ({"features": 96, "heads": 3, "hidden": 192}, [1 / 288] * 5 + [1 / 576]),
        (CHESS, [1 / 96] * 4 + [1 / 48, 2 / 288]),
    ],
)
def test_blocks_begin_damped_but_in_chess_transformers(block, variances):
    arrays = nn.Encoder(1, block, rng()).named_parameters().values()
    drawn = [array.var() for array in arrays if array.ndim > 1]
    assert drawn == pytest.approx(variances, rel=0.05)
