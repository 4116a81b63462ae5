"""Sequences: masks, states, tables and bad input; `test_onnx_file` compares what layers compute
with ONNX Runtime.
"""

from functools import partial

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, DataError, ShapeError
from engine.network.transformer.transformer_model import TransformerConfig
from engine.nn.layer import prefixed
from engine.nn.numeric import TOLERANCE


def rng():
    return np.random.default_rng(6)


def sequence(batch=2, places=5, features=4):
    return np.random.default_rng(9).standard_normal((batch, places, features)).astype(np.float32)


# ---- attention -----------------------------------------------------------------------------------


def test_attention_to_an_empty_context_is_zero():
    layer = nn.CrossAttention(4, 3, 2, rng())
    layer.parts["output"].params["bias"][...] = 1.5
    y, backward = layer.forward((np.ones((2, 5, 4), np.float32), np.zeros((2, 0, 3), np.float32)))
    assert np.array_equal(y, np.full((2, 5, 4), 1.5))
    (dx, dcontext), _ = backward(np.ones_like(y))
    assert not dx.any()
    assert dcontext.shape == (2, 0, 3)


# ---- padding, and states between the parts of a sequence -----------------------------------------

WORDS = 7  # of which 0 fills up short sequences
LENGTHS = (5, 2, 3)


def sequence_models(causal=True):
    """Models of every kind with a memory, which read tokens int [B, T]."""
    layer = {"features": 6, "heads": 2, "hidden": 8, "causal": True}
    gpt = nn.Sequential(nn.LayerNorm(6), nn.SelfAttention(6, 3, rng(), causal=True))
    kinds = {
        "rnn": [nn.RNN(6, 6, rng())],
        "stack": [nn.GRU(6, 5, rng()), nn.LSTM(5, 6, rng())],
        "encoder": [nn.PositionEmbedding(5, 6, rng()), nn.EncoderLayer(rng=rng(), **layer)],
        "deep": [nn.Encoder(2, layer, rng()), nn.Residual(gpt, activation="identity")],
    }
    if not causal:
        ends = nn.GRU(6, 2, rng()), nn.LSTM(6, 4, rng(), reverse=True)
        kinds["bidirectional"] = [nn.Bidirectional(*ends)]
    return {
        name: nn.Sequential(
            nn.Embedding(WORDS, 6, rng(), padding_idx=0), *layers, nn.Dense(6, WORDS, rng())
        )
        for name, layers in kinds.items()
    }


def padded_tokens():
    return rng().integers(1, WORDS, (3, 5)) * (np.arange(5) < np.array(LENGTHS)[:, None])


@pytest.mark.parametrize("name", sequence_models(causal=False))
def test_a_padded_batch_counts_as_its_sequences_one_by_one(name):
    model = sequence_models(causal=False)[name]
    tokens = padded_tokens()
    wanted = np.where(tokens > 0, tokens[:, ::-1], -100)
    counting = partial(nn.softmax_cross_entropy, ignore_index=-100)

    def result(rows, columns, weight):
        y, backward = model.forward(tokens[rows, columns], training=True)
        loss, dy = counting(y, wanted[rows, columns])
        return weight * loss, backward(np.float32(weight) * dy)[1]

    loss, grads = result(slice(None), slice(None), 1)
    parts = [
        result(slice(row, row + 1), slice(length), length / sum(LENGTHS))
        for row, length in enumerate(LENGTHS)
    ]
    assert loss == pytest.approx(sum(part for part, _ in parts), rel=1e-6)
    for key, gradient in grads.items():
        assert np.allclose(gradient, sum(part[key] for _, part in parts), atol=1e-6), key
    trainer = nn.Trainer(model, counting, nn.SGD(), 0.0, nn.TrainerSettings(batch_size=1))
    data = nn.Data(tokens, wanted)
    step = trainer.step(data)  # of three parts, which weigh as much as they have tokens
    expected = [loss, nn.global_norm(grads)]
    assert [step["loss"], step["gradient_norm"]] == pytest.approx(expected, rel=1e-5)
    assert trainer.evaluate(data)["loss"] == pytest.approx(loss, rel=1e-6)


def test_batches_weigh_as_much_as_they_have_targets():
    """Epochs weighed them by examples, and a batch of padding alone ended the training."""
    tokens = rng().integers(0, WORDS, (12, 4))
    lengths = np.arange(12) % 5
    wanted = np.where(np.arange(4) < lengths[:, None], tokens, -100)
    model = nn.Sequential(nn.Embedding(WORDS, 4, rng()), nn.Dense(4, WORDS, rng()))
    settings = nn.TrainerSettings(batch_size=5, shard_size=1)
    loss, right = (
        partial(measure, ignore_index=-100) for measure in (nn.softmax_cross_entropy, nn.accuracy)
    )
    trainer = nn.Trainer(model, loss, nn.SGD(), 0.0, settings, metrics={"right": right})
    found = trainer.fit(nn.Data(tokens, wanted), 1).records[0]
    assert found["right"] == pytest.approx(
        (model(tokens).argmax(axis=-1) == wanted)[wanted >= 0].mean()
    )
    assert found == pytest.approx(found | trainer.evaluate(nn.Data(tokens, wanted)))
    for use in (trainer.evaluate, partial(trainer.fit, epochs=2)):
        with pytest.raises(DataError, match="that the loss ignores"):
            use(nn.Data(tokens, np.full_like(wanted, -100)))


@pytest.mark.parametrize("name", sequence_models())
def test_a_sequence_that_is_read_in_parts_gives_what_it_gives_at_once(name):
    model = sequence_models()[name]
    tokens = rng().integers(1, WORDS, (3, 5))
    tokens[1, :2] = 0  # begins later
    whole = model(tokens)
    state = {}
    parts = [
        model(tokens[:, part], state=state) for part in (slice(0, 2), slice(2, 3), slice(3, 5))
    ]
    assert np.allclose(np.concatenate(parts, axis=1)[tokens > 0], whole[tokens > 0], atol=1e-6)


def test_training_takes_several_inputs_of_each_example(tmp_path):
    layer = nn.CrossAttention(4, 3, 2, rng())
    data = nn.Data((sequence(6), sequence(6, 3, 3)), sequence(6))
    trainer = nn.Trainer(
        layer, nn.mse, nn.Adam(), 0.01, nn.TrainerSettings(batch_size=4, shard_size=2)
    )
    history = trainer.fit(data, 9, data, checkpoint=tmp_path / "run.npz")
    assert history["loss"][-1] < history["loss"][0]
    assert history["validation_loss"][-1] == pytest.approx(
        nn.mse(layer.predict(data.inputs), data.targets)[0]
    )
    with pytest.raises(
        ShapeError, match="as many inputs as targets, at least one, found 6 and 5 and 6"
    ):
        trainer.step(nn.Data((data.inputs[0], data.inputs[1][:5]), data.targets))


class Continued(nn.Layer):
    """A layer with a state from a part before, of which it keeps nothing."""

    def __init__(self, part, before):
        super().__init__()
        self.part, self.before = part, before

    def forward(self, x, training=False):
        state = {}
        # whose parameters stay as they are
        fixed = Continued.first.forward(self.before, state=state)
        assert fixed[0].shape == self.before.shape
        y, backward = self.part.forward(x, training, state=state)
        return y, lambda dy: (backward(dy)[0], prefixed("part", backward(dy)[1]))


@pytest.mark.parametrize("kind", ["attention", "gru", "lstm", "encoder", "places"])
def test_gradients_of_a_part_that_follows_another(kind):
    """They end where the part begins: the state counts as given."""
    layer = {
        "attention": lambda: nn.SelfAttention(4, 2, rng(), causal=True),
        "gru": lambda: nn.GRU(4, 4, rng()),
        "lstm": lambda: nn.LSTM(4, 4, rng()),
        "encoder": lambda: nn.EncoderLayer(4, 2, 6, rng(), activation="tanh", causal=True),
        "places": lambda: nn.PositionEmbedding(9, 4, rng()),
    }[kind]
    Continued.first = layer().astype(np.float64)
    check = nn.gradient_check(Continued(layer(), sequence(2, 3).astype(np.float64)), sequence(2, 2))
    assert check.error < TOLERANCE, check


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: nn.SelfAttention(4, 2, rng())(x, state={}), "a state needs causal=True"),
        (lambda x: nn.GRU(4, 3, rng(), reverse=True)(x, state={}), "backwards keeps no state"),
        (
            lambda x: nn.LSTM(4, 3, rng())((x, x[:, 0, :3])),
            "2 arrays of a state, found a tuple of 2",
        ),
        (
            lambda x: nn.GRU(4, 3, rng())(x, mask=np.ones((2, 4), bool)),
            r"expected bool \[2, 5\]",
        ),
        (lambda x: nn.Bidirectional(nn.GRU(4, 3, rng()), nn.GRU(4, 3, rng())), "with reverse=True"),
        (lambda x: nn.Embedding(4, 3, rng(), padding_idx=4), "a token from 0 to 3, not 4"),
        (lambda x: nn.Embedding(4, 3, rng(), np.nan), "deviation must be finite and >= 0, not nan"),
        (
            lambda x: nn.EncoderLayer(4, 2, 8, rng(), causal=True, smolgen={}),
            "cannot be causal",
        ),
        (
            lambda x: nn.softmax_cross_entropy(x, np.zeros((2, 4), int)),
            r"targets \[2, 5\] or \[2, 5, 4\]",
        ),
    ],
)
def test_what_does_not_fit_a_sequence_is_an_error(call, match):
    with pytest.raises((ConfigError, ShapeError), match=match):
        call(sequence())


def test_a_state_belongs_to_one_batch():
    for layer in (nn.GRU(4, 4, rng()), nn.SelfAttention(4, 2, rng(), causal=True)):
        state = {}
        layer(sequence(), state=state)
        with pytest.raises(
            (ShapeError, ConfigError), match=r"\[3, 4\]|as many sequences as before"
        ):
            layer(sequence(3), state=state)


# ---- tables --------------------------------------------------------------------------------------


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
    found = [array.var() for array in arrays if array.ndim > 1]
    assert found == pytest.approx(variances, rel=0.05)


# ---- bad input -----------------------------------------------------------------------------------


TABLE = nn.Embedding(4, 2, rng())
CROSS = nn.CrossAttention(4, 3, 2, rng())


@pytest.mark.parametrize(
    ("layer", "x", "match"),
    [
        (TABLE, np.array([[0, 4]]), "tokens 0 to 3, found 0 to 4"),
        (TABLE, np.zeros((1, 2)), "expected integer"),
        (TABLE, [[1, 2]], r"integer \[B, ...\], found list"),
        (nn.PositionEmbedding(4, 4, rng()), sequence(), "at most 4 places"),
        (nn.GRU(3, 2, rng()), sequence(), r"GRU: expected float32 \[B, T, 3\]"),
        (CROSS, sequence(), "expected the tuple"),
        (CROSS, (sequence(), sequence(3, 2, 3)), r"\[2, S, 3\]"),
    ],
)
def test_input_that_does_not_fit_is_a_shape_error(layer, x, match):
    with pytest.raises(ShapeError, match=match):
        layer.forward(x)


@pytest.mark.parametrize(
    "mask", [np.ones((2, 4), bool), np.ones((2, 5)), [[True] * 5] * 2, np.ones((2, 2, 5, 5), bool)]
)
def test_a_mask_that_does_not_fit_is_a_shape_error(mask):
    with pytest.raises(ShapeError, match=r"expected bool \[2, (5, )?5\], found"):
        nn.SelfAttention(4, 2, rng()).forward(sequence(), mask=mask)
