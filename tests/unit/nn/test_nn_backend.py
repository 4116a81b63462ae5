"""One layer code for NumPy and CuPy: dispatch on a recording array type, and on a GPU where one
answers.
"""

import numpy as np
import pytest

from engine import nn
from engine.backend import NUMPY, backend_of, get_backend, to_numpy
from engine.errors import ConfigError
from engine.nn.array_checks import mapped
from engine.nn.dit import load, save
from engine.nn.numeric import floats_as
from tests.gradient.cases import arrays_in, of_every_layer
from tests.gradient.test_gradients import loss_cases
from tests.strict_cupy import ndarray
from tests.unit.nn.small_trainings import small_net


@pytest.fixture
def stand_in(device):
    return get_backend("cupy")


@pytest.fixture(params=["stand_in", "gpu"])
def there(request):
    """A backend that is not NumPy: the stand-in, and CuPy where a GPU answers."""
    return request.getfixturevalue(request.param)


def tolerance(backend):
    """Of numbers in double precision: the stand-in computes what NumPy computes."""
    return 1e-11 if backend.device == "a stand-in" else 1e-9


def moved(backend, value):
    """Arrays, and those inside dicts and tuples, on the backend."""
    return mapped(
        lambda part: backend.asarray(part) if isinstance(part, np.ndarray) else part, value
    )


def training_step(case, backend, dtype):
    """Outputs, input gradients, gradients and buffers of the case's layer on the backend."""
    layer = case.layer.astype(dtype).to(backend)
    layer.reseed(4)
    y, backward = layer.forward(
        moved(backend, floats_as(dtype, case.x)), training=True, **moved(backend, case.options)
    )
    rng = np.random.default_rng(3)
    dx, grads = backward(
        mapped(lambda part: backend.asarray(rng.standard_normal(part.shape).astype(dtype)), y)
    )
    return arrays_in(y, dx, grads, layer.named_buffers())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@of_every_layer
def test_every_layer_runs_on_what_its_input_is(case, dtype, there):
    near = tolerance(there) if dtype == np.float64 else 1e-4
    for expected, actual in zip(
        training_step(case, NUMPY, dtype), training_step(case, there, dtype), strict=True
    ):
        assert backend_of(actual) is there
        assert actual.dtype == expected.dtype == dtype
        assert np.allclose(to_numpy(actual), expected, rtol=near, atol=near)


@pytest.mark.parametrize("name", nn.LOSSES)
def test_every_loss_runs_on_what_its_input_is(name, there):
    near = tolerance(there)
    for *arrays, options in loss_cases()[name]:
        expected_loss, expected = nn.LOSSES[name](*arrays, **options)
        loss, gradient = nn.LOSSES[name](*moved(there, tuple(arrays)), **moved(there, options))
        assert isinstance(loss, float) == (options.get("reduction") != "none")
        assert to_numpy(loss) == pytest.approx(expected_loss, rel=near)
        assert np.allclose(to_numpy(gradient), expected, rtol=near, atol=1e-14)


def fitted(backend, path, make):
    """A model after interrupted and resumed training by the trainer, back in host memory."""
    rng = np.random.default_rng(5)
    model = small_net().astype(np.float64).to(backend)
    x = rng.standard_normal((20, 3))
    classes = (x[:, 0] > 0).astype(np.int64)
    # of several targets, none was uploaded
    data = nn.Data(backend.asarray(x), (backend.asarray(classes), classes))
    settings = nn.TrainerSettings(batch_size=8, clip_norm=0.5, patience=9)

    def loss(y, both):
        return nn.softmax_cross_entropy(y, both[0])

    for epochs in (1, 2):
        optimizer, average = make()
        metrics = {"accuracy": lambda y, both: nn.accuracy(y, both[1])}
        trainer = nn.Trainer(model, loss, optimizer, 0.01, settings, metrics, average)
        if path.exists():
            trainer.resume(path)
        trainer.fit(data, epochs, validation=data, checkpoint=path)
    averaged = trainer.averaged_model()
    return [*map(to_numpy, arrays_in(model.named_parameters(), averaged.named_parameters()))]


@pytest.mark.parametrize(
    "make",
    [
        lambda: (nn.SGD(momentum=0.9, nesterov=True), nn.StochasticAverage()),
        lambda: (nn.RMSProp(), nn.ExponentialAverage(0.5)),
        lambda: (nn.Adam(), nn.ExponentialAverage(0.5)),
        lambda: (nn.AdamW(), nn.StochasticAverage()),
    ],
)
def test_the_trainer_runs_on_what_its_data_is(make, there, tmp_path):
    near = tolerance(there)
    here = fitted(NUMPY, tmp_path / "here.npz", make)
    for expected, actual in zip(here, fitted(there, tmp_path / "there.npz", make), strict=True):
        assert np.allclose(actual, expected, rtol=1e3 * near, atol=near)


def test_a_model_comes_back_from_a_device(stand_in, tmp_path):
    model = nn.Dense(3, 2, np.random.default_rng(1))
    there = model.to("cupy")
    assert type(there.params["weight"]) is ndarray
    assert np.array_equal(there.to("numpy").params["weight"], model.params["weight"])
    save(tmp_path / "net.dit", there)
    loaded, header = load(tmp_path / "net.dit")
    assert header["provenance"]["device"] == "a stand-in"
    assert np.array_equal(loaded.params["weight"], model.params["weight"])


def test_arrays_of_numpy_are_not_copied():
    x = np.zeros(3, np.float32)
    assert NUMPY.asarray(x) is x


def test_an_unknown_backend_is_refused():
    with pytest.raises(ConfigError, match="tpu"):
        get_backend("tpu")
