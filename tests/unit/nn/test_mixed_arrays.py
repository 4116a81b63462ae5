"""Arrays of which some lie on a GPU and others in host memory: the error says what to write."""

import gc

import numpy as np
import pytest

from engine import backend, nn
from engine.backend import get_backend
from engine.errors import DataError, ShapeError

RNG = np.random.default_rng(1)
X = RNG.standard_normal((6, 3)).astype(np.float32)
CLASSES = np.array([0, 1] * 3)
Y = RNG.standard_normal((6, 2)).astype(np.float32)
MASK = np.ones((6, 2), np.bool_)
MODEL = nn.Sequential(first=nn.Dense(3, 4, RNG), norm=nn.BatchNorm(4), last=nn.Dense(4, 2, RNG))


def gradients_of(model, x):
    y, backward = model.forward(x, training=True)
    return backward(y)[1]


# What is mixed, as a function of the upload; and what the error tells to write, for host memory or
# for the GPU.
MIXTURES = {
    "a model there, its input here": (
        lambda up: MODEL.to("cupy").forward(X), 'get_backend("cupy").asarray(x)', 'model.to("numpy")'),
    "a model here, its input there": (lambda up: MODEL.forward(up(X)), 'model.to("cupy")', "to_numpy(x)"),
    "a gradient here": (
        lambda up: MODEL.to("cupy").forward(up(X), True)[1](Y), 'get_backend("cupy").asarray(x)', 'model.to("numpy")'),
    "classes here": (
        lambda up: nn.softmax_cross_entropy(up(Y), CLASSES), 'get_backend("cupy").asarray(targets)',
        "to_numpy(outputs)"),
    "a mask here": (
        lambda up: nn.softmax_cross_entropy(up(Y), up(CLASSES), MASK), 'get_backend("cupy").asarray(mask)',
        "to_numpy(outputs)"),
    "an optimizer": (
        lambda up: nn.Adam().step(MODEL.to("cupy").named_parameters(), gradients_of(MODEL, X), 0.1),
        'get_backend("cupy").asarray(gradient)', 'model.to("numpy")'),
    "adopted parameters": (
        lambda up: MODEL.to("cupy").adopt_parameters(MODEL.named_parameters()),
        'get_backend("cupy").asarray(first.weight)', 'model.to("numpy")'),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXTURES)
def test_mixture_says_what_to_write(name, device):
    attempt, up, down = MIXTURES[name]
    with pytest.raises(
        ShapeError, match=r"in host memory, .* on the GPU; move one of them"
    ) as caught:
        attempt(get_backend("cupy").asarray)
    assert str(caught.value).endswith(f": {up} or {down}")


def test_gradients_are_checked_wherever_the_arrays_lie(device):
    there = MODEL.to("cupy")
    up = get_backend("cupy").asarray
    expected = nn.gradient_check(MODEL, X).error
    for layer, x in ((there, X), (there, up(X)), (MODEL, up(X))):
        assert nn.gradient_check(layer, x).error == expected < 1e-6
    for outputs, targets, mask in (
        (up(Y), up(CLASSES), up(MASK)),
        (up(Y), CLASSES, None),
        (Y, up(CLASSES), up(MASK)),
    ):
        assert nn.gradient_check(nn.softmax_cross_entropy, outputs, targets, mask=mask).error < 1e-6


TOKENS = np.arange(24).reshape(6, 4) % 9
READER = nn.Sequential(table=nn.Embedding(9, 3, RNG), flat=nn.Flatten(), last=nn.Dense(12, 2, RNG))


@pytest.mark.parametrize(
    ("model", "x", "targets", "loss"),
    [
        (MODEL, X, CLASSES, nn.softmax_cross_entropy),
        (READER, TOKENS, CLASSES, nn.softmax_cross_entropy),
        (nn.Dense(3, 1, RNG), X, CLASSES[:, None] / 1, nn.sigmoid_binary_cross_entropy),
    ],
    ids=["classes", "tokens", "yes or no"],
)
def test_a_step_waits_twice_because_the_host_checks_what_it_uploads(
    model, x, targets, loss, device
):
    histories = []
    for place in ("numpy", "cupy"):
        moved, metrics = model.astype(np.float32).to(place), {"accuracy": nn.accuracy}
        trainer = nn.Trainer(moved, loss, nn.SGD(), 0.1, metrics=metrics)
        trainer.fit(nn.Data(x, targets), 1)
        device.counts.clear()
        histories.append(trainer.fit(nn.Data(x, targets), 2))
    assert device.total("wait") <= 2, device.by_place("wait")
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(*(history[name] for history in histories), rtol=1e-5)


def test_bounds_of_what_a_trainer_uploads_are_forgotten(device):
    before = len(backend._known_bounds)
    for x, targets, error, found in (
        (TOKENS - 1, CLASSES, ShapeError, "-1 to 7"),
        (TOKENS, CLASSES + 1, DataError, "1 to 2"),
    ):
        with pytest.raises(error, match=f"found {found}"):
            nn.Trainer(READER.to("cupy"), nn.softmax_cross_entropy, nn.SGD(), 0.1).fit(
                nn.Data(x, targets), 1
            )
    READER.to("cupy")(TOKENS)
    gc.collect()
    assert len(backend._known_bounds) == before
