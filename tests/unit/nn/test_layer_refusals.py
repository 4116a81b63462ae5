"""What layers, losses and metrics refuse, and words of the sentences that say so."""

import re

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, DataError, ShapeError
from engine.nn import dit
from engine.nn.array_checks import mapped
from engine.nn.layer import register
from engine.nn.onnx_file import save_onnx
from tests.gradient.cases import arrays_in, of_every_layer

RNG = np.random.default_rng(5)


def zeros(*shape):
    return np.zeros(shape, np.float32)


# ---- input ---------------------------------------------------------------------------------------

SEQUENCE = zeros(2, 5, 4)
CROSS = nn.CrossAttention(4, 3, 2, RNG)
DENSE = nn.Dense(3, 2, RNG)
TABLE = nn.Embedding(4, 2, RNG)
GRU = nn.GRU(4, 3, RNG)
LAST_SIDE_ALONE = nn.MaxPool2D(2, 1, ((0, 0), (3, 3)), dilation=(1, 3))
INPUTS = [  # a layer, what it does not take, and words
    (DENSE, zeros(3), r"expected float32 \[B, ..., 3\], found float32 \[3\]"),
    (DENSE, np.zeros((2, 3)), "found float64"),  # which would turn the whole computation double
    (nn.Activation("relu"), np.zeros((1, 1, 2, 2), int), "Activation: expected floating"),
    (nn.Conv2D(2, 2, 5, RNG, padding=0), zeros(1, 2, 4, 8), r"sides >= \[5, 5\], found \[4, 8\]"),
    (nn.BatchNorm(3), zeros(2, 4), r"found float32 \[2, 4\]"),
    (nn.Flatten(), zeros(3), r"found float32 \[3\]"),
    (nn.Reshape([2, 2]), zeros(3, 5), r"found \[3, 5\]"),
    (nn.AveragePool2D(2), zeros(1, 4, 4), r"found float32 \[1, 4, 4\]"),
    # NaN, as behind a window of padding alone, infinity.
    (nn.GlobalAveragePool(), zeros(1, 2, 3, 0), "found"),
    (nn.MaxPool2D(2, padding=1), zeros(1, 2, 0, 3), "found"),
    (nn.MaxPool2D(2, 1, 1, dilation=3), zeros(1, 1, 2, 2), "nothing but padding"),
    (LAST_SIDE_ALONE, zeros(1, 1, 2, 1), "nothing but padding"),
    (nn.Residual(nn.Sequential(nn.Conv2D(2, 3, 3, RNG))), zeros(1, 2, 4, 4), "Residual"),
    (nn.GroupNorm(1, 3), zeros(2, 3, 0), "nothing"),
    (nn.Sequential(nn.Flatten(), b=nn.Sequential(DENSE)), zeros(2, 4), r"^b\.dense1: Dense: exp"),
    (TABLE, np.array([[0, 4]]), "tokens 0 to 3, found 0 to 4"),
    (TABLE, zeros(1, 2), "expected integer"),
    (TABLE, [[1, 2]], r"integer \[B, ...\], found list"),
    (nn.PositionEmbedding(4, 4, RNG), SEQUENCE, "at most 4 places"),
    (GRU, zeros(2, 5, 3), r"GRU: expected float32 \[B, T, 4\]"),
    (nn.LSTM(4, 3, RNG), (SEQUENCE, zeros(2, 3)), "2 arrays of a state, found a tuple of 2"),
    (CROSS, SEQUENCE, "expected the tuple"),
    (CROSS, (SEQUENCE, zeros(3, 2, 3)), r"\[2, S, 3\]"),
    (nn.Add(DENSE, nn.Sequential()), zeros(4, 3), r"'dense1': \[4, 2\], 'sequential1': \[4, 3\]"),
    (nn.Concatenate(nn.Sequential(), axis=2), zeros(4, 3), "do not fit together"),
    (nn.Concatenate(nn.Sequential(), DENSE, axis=0), zeros(4, 3), "do not fit together"),
]


@pytest.mark.parametrize(("layer", "x", "words"), INPUTS)
def test_input_that_does_not_fit_is_a_shape_error(layer, x, words):
    with pytest.raises(ShapeError, match=words):
        layer.forward(x)


@pytest.mark.parametrize(
    "mask", [np.ones((2, 4), bool), np.ones((2, 5)), [[True] * 5] * 2, np.ones((2, 2, 5, 5), bool)]
)
def test_a_mask_that_does_not_fit_is_a_shape_error(mask):
    for layer in (nn.SelfAttention(4, 2, RNG), GRU):
        with pytest.raises(ShapeError, match=r"expected bool \[2, (5, )?5\], found"):
            layer.forward(SEQUENCE, mask=mask)


@of_every_layer
def test_a_gradient_that_does_not_fit_is_a_shape_error(case):
    y, backward = case.layer.astype(np.float64).forward(case.x, training=True, **case.options)
    right = np.zeros(arrays_in(y)[0].shape)
    # dx was cast to the dtype of the last one
    for wrong in (np.zeros(1), right[None].repeat(7, 0), right[..., 0], right.astype(int)):
        with pytest.raises(ShapeError, match=re.escape(f"found {wrong.dtype} {[*wrong.shape]}")):
            backward(mapped(lambda part, wrong=wrong: wrong, y))


def heads_backward():
    return nn.MultiHead(nn.Flatten(), {"value": DENSE}).forward(zeros(2, 3))[1]


def continued(layer):
    """Read a part of two sequences, then one of three."""
    state = {}
    layer(SEQUENCE, state=state)
    layer(zeros(3, 5, 4), state=state)


# ---- settings ------------------------------------------------------------------------------------

SETTINGS = [
    lambda: nn.Activation("relu", alpha=0.1),
    lambda: nn.Activation("celu", alpha=0),
    lambda: nn.Sequential(nn.Flatten(), flatten1=nn.Flatten()),
    lambda: nn.Sequential(end=nn.Flatten()).append(nn.Flatten(), "end"),
    lambda: nn.Dropout(float("nan"), RNG),
    lambda: nn.Conv2D(1, 1, 3, RNG, padding=(1, (1, 2, 3))),
    lambda: nn.Conv2D(4, 6, 3, RNG, groups=4),
    lambda: nn.ConvTranspose2D(1, 1, 3, RNG, stride=2, output_padding=2),
    lambda: nn.AveragePool2D(3, padding=3),
    lambda: nn.Upsample(2, "nearest", align_corners=True),
    lambda: nn.Transpose([1, 1]),
    lambda: nn.Softmax(0),
    lambda: nn.GroupNorm(2, 3),
    lambda: nn.LayerNorm(2, epsilon=0),
    lambda: nn.SelfAttention(6, 2, RNG, rotary=True),
    lambda: nn.SelfAttention(6, 4, RNG),
    lambda: nn.EncoderLayer(4, 2, 8, RNG, causal=True, smolgen={}),
    lambda: nn.EncoderLayer(4, 2, 8, RNG, smolgen=3),
    lambda: nn.Embedding(4, 3, RNG, padding_idx=4),
    lambda: nn.Embedding(4, 3, RNG, np.nan),
    lambda: nn.Reshape([2.5]),
    lambda: nn.Add(),
    lambda: nn.Add(nn.Flatten(), "relu"),
]
CONFIGURATIONS = [
    {"layer": "nonsense"},
    {"layer": "dense", "inputs": 1, "outputs": 1, "colour": "red"},
    {"layer": "sequential", "layers": {"self": {"layer": "flatten"}}},
    {"layer": "sequential", "layers": {"a.b": {"layer": "flatten"}}},
    {"layer": "residual", "body": {"layer": "flatten"}},
    {"layer": "activation", "function": "magic"},
    {"layer": "multi_head", "trunk": {"layer": "flatten"}, "heads": {}},
]
SETTINGS += [lambda config=config: nn.layer_from_config(config, RNG) for config in CONFIGURATIONS]


@pytest.mark.parametrize("build", SETTINGS)
def test_settings_out_of_range_are_config_errors(build):
    with pytest.raises(ConfigError):
        build()


# ---- acts ----------------------------------------------------------------------------------------


def model():
    return nn.Sequential(nn.Dense(3, 3, RNG))


def tied(view):
    """Two layers, of which the second has a view of the first one's array."""
    both = nn.Sequential(first=nn.Dense(3, 3, RNG), second=nn.Dense(3, 3, RNG))
    both["second"].params["weight"] = view(both["first"].params["weight"])
    return both


def inside_itself():
    net = model()
    net[0].owner = net
    return net


class Unregistered(nn.Layer):
    def forward(self, x, training=False):
        return x, lambda dy: (dy, {})


@register("forgetful")
class Forgetful(nn.Flatten):
    def __init__(self, power):
        super().__init__()


LOGITS = zeros(2, 3)
MASK = np.array([[True, True, False], [True, True, True]])
SHARED = nn.Dense(3, 3, RNG)
ENCODER = nn.Encoder(1, {"features": 4, "heads": 2, "hidden": 8}, RNG)
RIGHT = np.array([0, 1])
TWICE = "are one layer, which would be trained twice"
ONE_ARRAY = r"first\.weight and second\.weight are one array"
LIKE_OUTPUTS = r"targets \[3, 1\] like the outputs"
OWN_NAME = "is a name of Layer's own"


def loss_of(*given, **options):
    return lambda: nn.softmax_cross_entropy(*given, **options)


def in_file(net, *given, **options):
    return lambda: save_onnx("no.onnx", net, *given, **options)


ACTS = {
    ConfigError: [
        (lambda: nn.SelfAttention(4, 2, RNG)(SEQUENCE, state={}), "a state needs causal=True"),
        (lambda: nn.GRU(4, 3, RNG, reverse=True)(SEQUENCE, state={}), "backwards keeps no state"),
        (
            lambda: continued(nn.SelfAttention(4, 2, RNG, causal=True)),
            "as many sequences as before",
        ),
        (lambda: nn.Sequential(a=SHARED, b=nn.Sequential(i=SHARED)), rf"a and b\.i {TWICE}"),
        (
            lambda: nn.MultiHead(nn.Sequential(SHARED), {"v": SHARED}),
            rf"trunk\.dense1 and v {TWICE}",
        ),
        (lambda: nn.Sequential(SHARED).append(SHARED), f"dense1 and dense2 {TWICE}"),
        (lambda: dit.save("tied.dit", tied(np.asarray)), ONE_ARRAY),
        (lambda: tied(np.transpose).astype(np.float64), ONE_ARRAY),
        (lambda: inside_itself().named_parameters(), "owner is a layer inside itself"),
        (lambda: model().load_parameters({"dense1.weight": zeros(3, 3)}), r"missing .*bias"),
        (lambda: model().load_parameters({"stranger": LOGITS}, partial=True), "no tensor fits"),
        (lambda: model().predict(LOGITS, batch_size=0), "batch_size"),
        (lambda: setattr(DENSE, "weight", LOGITS), r'layer.params\["weight"\]\[...\] = values'),
        (lambda: setattr(DENSE, "trainable", False), r'rates=\{"NAME.": 0\}'),
        (lambda: setattr(nn.Conv2D(1, 1, 3, RNG), "stride", 2), "stride stays as it is: build"),
        # They went into files, and the first ones were computed.
        (lambda: setattr(ENCODER, "block", {}), "block stays as it is: build another"),
        (lambda: setattr(ENCODER.layers["layer0"], "heads", 1), "heads stays as it is"),
        (lambda: setattr(nn.FeedForward(4, 8, RNG), "activation", "tanh"), "activation stays"),
        (lambda: setattr(DENSE, "_frozen", True), f"'_frozen' {OWN_NAME}"),
        (lambda: Unregistered().config(), r"no name in files: put @register\(\"name\"\)"),
        (lambda: Forgetful(3).config(), r"attributes like .* found no \['power'\]"),
        (lambda: dit.save("x.dit", model(), "a card"), "card must be a dict, such as .*'a card'"),
        (loss_of(LOGITS, RIGHT, reduction="median"), 'must be "none", "mean" or "sum"'),
        (loss_of(LOGITS, RIGHT, label_smoothing=2), "label_smoothing must be from 0 to 1"),
        (lambda: nn.huber(LOGITS, LOGITS, delta=0), "delta must be > 0"),
        (in_file("model", LOGITS), r"save_onnx\(path, model, x\): expected a layer"),
        (in_file(Unregistered(), LOGITS), r"give it a method like def onnx\("),
        (in_file(nn.MultiHead(nn.Flatten(), {"x": nn.Flatten()}), LOGITS), "x names an input"),
        (
            in_file(
                nn.Sequential(nn.Embedding(3, 4, RNG, padding_idx=0), GRU), np.ones((1, 2), int)
            ),
            "ONNX has no GRU that a mask passes over",
        ),
        (lambda: nn.numeric_gradient(lambda: 0.0, LOGITS), "expected float64, found float32"),
    ],
    ShapeError: [
        (lambda: continued(GRU), r"expected float32 \[3, 3\]"),
        (lambda: heads_backward()({"policy": LOGITS}), r"of \['value'\], found \['policy'\]"),
        (lambda: heads_backward()(LOGITS), r"of \['value'\], found \['ndarray'\]"),
        (
            lambda: DENSE.params.update({"weight": zeros(3)}),
            r"weight: expected float32 \[2, 3\], found",
        ),
        (loss_of(LOGITS, np.zeros(2, int), 1.0 * MASK), "a mask bool"),
        (loss_of(LOGITS[:, :1], zeros(2, 1)), "at least 2 outputs, found 1"),
        (loss_of(LOGITS, zeros(2, 1)), r"expected targets \[2\] or \[2, 3\]"),
        # They learned nothing, without a word.
        (loss_of(zeros(2, 3, 3, 3), np.zeros((2, 3, 3), int)), "give axis=1 if the channels are"),
        (loss_of(LOGITS[:0], LOGITS[:0]), "at least one example"),
        (lambda: nn.mse(LOGITS[:0], LOGITS[:0]), "at least one example"),
        (lambda: nn.mse(zeros(3, 1), zeros(3)), LIKE_OUTPUTS),
        (lambda: nn.sigmoid_binary_cross_entropy(zeros(3, 1), zeros(3)), LIKE_OUTPUTS),
        (lambda: nn.mse(LOGITS, LOGITS, weights=zeros(3)), "expected weights >= 0"),
        (lambda: nn.mse(LOGITS, LOGITS, weights=-np.ones(2)), "expected weights >= 0"),
        (lambda: nn.accuracy(LOGITS, np.zeros(3, int)), "do not fit"),
        (lambda: nn.accuracy(LOGITS[:, 0], RIGHT), "do not fit"),
        (lambda: nn.accuracy(LOGITS, [0, 1]), "expected arrays, found ndarray and list"),
        (lambda: nn.confusion_matrix(LOGITS, np.zeros(3, int)), r"integer targets \[B\]"),
        # The output's side got a name while the input stayed fixed, or nothing was free.
        (in_file(nn.Softmax(), SEQUENCE, free=(0, -1)), "free axes are 0 to 2 .*, found -1"),
        (in_file(nn.Softmax(), SEQUENCE, free=(0, 3)), "free axes are 0 to 2 .*, found 3"),
        # Half of one place is one place, which passed as another length.
        (
            in_file(nn.PositionEmbedding(1, 4, RNG), SEQUENCE[:, :1], free=(0, 1)),
            "takes no other length of axis 1",
        ),
    ],
    DataError: [
        # It took no part in the loss, and nobody was told.
        (loss_of(LOGITS, np.array([2, 2]), MASK), "targets 0 where the mask is False"),
        (loss_of(LOGITS, np.array([-1, 0])), "found -1 to 0"),
        (loss_of(LOGITS, np.array([1, 0]), ~MASK), "possible action"),
        (
            lambda: nn.sigmoid_binary_cross_entropy(zeros(1, 2), np.array([[1.5, 0]])),
            r"targets in \[0, 1\], found 0.0 to 1.5",
        ),
        # The largest had counted.
        (lambda: nn.accuracy(LOGITS, np.ones((2, 3))), "their sum over several outputs"),
        (lambda: nn.confusion_matrix(LOGITS, np.array([0, 3])), "classes 0 to 2, found 0 to 3"),
    ],
}


@pytest.mark.parametrize(
    ("error", "act", "words"), [(error, *row) for error, rows in ACTS.items() for row in rows]
)
def test_a_mistake_is_told(error, act, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        act()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["kind", "options", "config", "settings", "walk", "copy", "predict"]
)
def test_an_argument_or_attribute_with_a_name_of_the_base_class_is_refused(name):
    """It was saved and never loaded, a mask was dropped, or a dict was called."""
    for member in (f"{name} = 3", f"def __init__(self, {name}): pass"):
        with pytest.raises(ConfigError, match=f"Own: '{name}' {OWN_NAME}"):
            exec(f"class Own(nn.Layer):\n    {member}")
    with pytest.raises(ConfigError, match=f"Dense: '{name}' {OWN_NAME}"):
        setattr(DENSE, name, {})


@pytest.mark.parametrize(
    ("owner", "name", "text"),
    [
        (nn, "Linear", r"here it is Dense\(inputs, outputs, rng\)"),
        (nn, "CrossEntropyLoss", "here it is softmax_cross_entropy"),
        (nn, "Nonsense", "engine.nn has no 'Nonsense'$"),
        (model(), "fit", r"here it is Trainer\("),
        (model(), "nonsense", "Sequential has no 'nonsense'$"),
    ],
)
def test_a_name_of_another_library_is_answered_with_ours(owner, name, text):
    with pytest.raises(AttributeError, match=text):
        getattr(owner, name)
