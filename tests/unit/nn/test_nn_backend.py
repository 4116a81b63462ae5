"""One layer code for NumPy and CuPy: dispatch on a recording array type, and on a GPU where one answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine.backend
from engine import nn
from engine.backend import NUMPY, Backend, backend_of, get_backend, to_numpy
from engine.errors import ConfigError
from engine.nn.dit import load, save
from tests.gradient.cases import CASES, Case
from tests.gradient.test_gradients import loss_cases
from tests.unit.nn.recording_backend import RecordingArray, recording_backend


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Backend:
    backend = recording_backend()
    monkeypatch.setattr(engine.backend, "_cupy_backend", lambda: backend)
    return backend


@pytest.fixture(scope="module")
def cupy() -> Backend:
    backend = get_backend("auto")
    if backend is NUMPY:
        pytest.skip("CuPy is missing or no GPU answers")
    return backend


def moved(backend: Backend, value: Any) -> Any:
    """Arrays, and those inside dicts and tuples, on the backend."""
    if isinstance(value, dict):
        return {name: moved(backend, part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(moved(backend, part) for part in value)
    return backend.asarray(value) if isinstance(value, np.ndarray) else value


def flat(value: Any) -> Iterator[Any]:
    """All arrays of a nested result, in order."""
    if isinstance(value, dict):
        value = tuple(value[name] for name in sorted(value))
    if isinstance(value, tuple | list):
        for part in value:
            yield from flat(part)
    elif value is not None:
        yield value


def cast(value: Any, dtype: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(cast(part, dtype) for part in value)
    return value.astype(dtype) if value.dtype.kind == "f" else value


def training_step(case: Case, backend: Backend, dtype: Any) -> list[Any]:
    """Outputs, input gradients, gradients and buffers of the case's layer on the backend."""
    layer = case.layer.astype(dtype).to(backend)
    layer.reseed(4)
    y, backward = layer.forward(moved(backend, cast(case.x, dtype)), training=True, **moved(backend, case.options))
    rng = np.random.default_rng(3)
    parts = y if isinstance(y, dict) else {"y": y}
    dy = {name: backend.asarray(rng.standard_normal(part.shape).astype(dtype)) for name, part in parts.items()}
    dx, grads = backward(dy if isinstance(y, dict) else dy["y"])
    return [*flat(y), *flat(dx), *flat(grads), *flat(layer.named_buffers())]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_layer_runs_on_what_its_input_is(case: Case, recorder: Backend) -> None:
    here = training_step(case, NUMPY, np.float64)
    there = training_step(case, recorder, np.float64)
    assert all(type(array) is RecordingArray for array in there)
    for expected, actual in zip(here, there, strict=True):
        assert actual.dtype == expected.dtype
        assert np.allclose(actual.get(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("kind", "functions"),
    [
        ("conv2d", {"pad", "sliding_window_view", "ascontiguousarray"}),
        ("batch_norm", {"sqrt", "var", "mean", "maximum"}),
        ("sparse_dense", {"nonzero", "at"}),
        ("max_pool2d", {"maximum", "zeros_like"}),
        ("self_attention", {"where", "exp", "swapaxes"}),
        ("lstm", {"tanh", "exp", "concatenate"}),
    ],
)
def test_layers_ask_the_other_module_for_their_functions(kind: str, functions: set[str], recorder: Backend) -> None:
    for case in CASES:
        if case.layer.kind == kind:
            training_step(case, recorder, np.float32)
    assert functions <= RecordingArray.calls


@pytest.mark.parametrize("case", CASES, ids=str)
def test_single_precision_stays_single_precision(case: Case, recorder: Backend) -> None:
    for backend in (NUMPY, recorder):
        arrays = training_step(case, backend, np.float32)
        assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_the_recorder_is_as_strict_as_cupy(recorder: Backend) -> None:
    array = recorder.asarray(np.ones(3))
    with pytest.raises(TypeError, match="Implicit"):
        np.asarray(array)
    with pytest.raises(TypeError, match="Unsupported"):
        array + np.ones(3)
    with pytest.raises(AttributeError, match="searchsorted"):
        recorder.xp.searchsorted(array, array)
    recorder.xp.exp(array).sum()
    assert {"exp", "sum"} <= RecordingArray.calls


@pytest.mark.parametrize("name", nn.LOSSES)
def test_every_loss_runs_on_what_its_input_is(name: str, recorder: Backend) -> None:
    for prediction, arguments, options in loss_cases()[name]:
        expected_loss, expected = nn.LOSSES[name](prediction, *arguments, **options)
        there = moved(recorder, (prediction, *arguments)), moved(recorder, options)
        loss, gradient = nn.LOSSES[name](*there[0], **there[1])
        assert type(loss) is float
        assert loss == pytest.approx(expected_loss, rel=1e-12)
        assert np.allclose(gradient.get(), expected, rtol=1e-12, atol=1e-14)


def trained(backend: Backend, optimizer: Any) -> list[np.ndarray]:
    """A model after a few steps with clipping and averages, back in host memory."""
    rng = np.random.default_rng(5)
    model = nn.Sequential(conv=nn.Conv2D(2, 3, 3, rng), out=nn.Conv2D(3, 1, 1, rng)).astype(np.float64).to(backend)
    x = backend.asarray(rng.standard_normal((2, 2, 4, 4)))
    averages = [nn.ExponentialAverage(0.5), nn.StochasticAverage()]
    for _ in range(3):
        y, backward = model.forward(x, training=True)
        _, grads = backward(y - 1)
        nn.clip_global_norm(grads, 0.5)
        optimizer.step(model.named_parameters(), grads, 0.1)
        for average in averages:
            average.update(model.named_parameters())
    return [to_numpy(array) for array in flat([model.named_parameters(), *(a.tensors for a in averages)])]


@pytest.mark.parametrize("make", [lambda: nn.SGD(momentum=0.9, nesterov=True), nn.RMSProp, nn.Adam, nn.AdamW])
def test_training_runs_on_what_the_model_is(make: Any, recorder: Backend) -> None:
    for expected, actual in zip(trained(NUMPY, make()), trained(recorder, make()), strict=True):
        assert np.allclose(actual, expected, rtol=1e-12)


def fitted(backend: Backend, path: Path) -> list[np.ndarray]:
    """A model after interrupted and resumed training by the trainer, back in host memory."""
    rng = np.random.default_rng(5)
    model = nn.Sequential(
        dense1=nn.Dense(3, 4, rng), drop=nn.Dropout(0.3, rng), norm=nn.BatchNorm(4), dense2=nn.Dense(4, 2, rng)
    )
    model = model.astype(np.float64).to(backend)
    x = rng.standard_normal((20, 3))
    data = nn.Data(backend.asarray(x), backend.asarray((x[:, 0] > 0).astype(np.int64)))
    settings = nn.TrainerSettings(batch_size=8, average_decay=0.5, patience=9)
    for epochs in (1, 2):
        trainer = nn.Trainer(model, nn.softmax_cross_entropy, nn.Adam(), 0.01, settings, {"accuracy": nn.accuracy})
        if path.exists():
            trainer.resume(path)
        trainer.fit(data, epochs, validation=data, checkpoint=path)
    return [to_numpy(array) for array in flat([model.named_parameters(), trainer.averaged_model().named_parameters()])]


def test_the_trainer_runs_on_what_its_data_is(recorder: Backend, tmp_path: Path) -> None:
    here, there = fitted(NUMPY, tmp_path / "here.npz"), fitted(recorder, tmp_path / "there.npz")
    for expected, actual in zip(here, there, strict=True):
        assert np.allclose(actual, expected, rtol=1e-10, atol=1e-12)


def test_a_model_moves_there_and_back_with_one_call_and_through_a_file(recorder: Backend, tmp_path: Path) -> None:
    model = nn.Dense(3, 2, np.random.default_rng(1))
    there = model.to("cupy")
    assert type(there.params["weight"]) is RecordingArray
    back = there.to("numpy")
    assert np.array_equal(back.params["weight"], model.params["weight"])
    save(tmp_path / "net.dit", there)
    loaded, header = load(tmp_path / "net.dit")
    assert header["provenance"]["backend"] == "cupy"
    assert header["provenance"]["device"] == "a recorder"
    assert np.array_equal(loaded.params["weight"], model.params["weight"])


def test_parameters_load_across_backends(recorder: Backend) -> None:
    model = nn.Dense(3, 2, np.random.default_rng(1))
    other = nn.layer_from_config(model.config(), np.random.default_rng(2)).to(recorder)
    other.load_parameters(model.named_parameters())
    assert np.array_equal(other.params["weight"].get(), model.params["weight"])
    model.load_parameters(other.named_parameters())
    assert type(model.params["weight"]) is np.ndarray


def test_numpy_is_always_there_and_unknown_backends_are_refused() -> None:
    assert get_backend("numpy") is NUMPY
    assert get_backend("auto").name in ("numpy", "cupy")
    assert backend_of(np.zeros(1)) is NUMPY
    with pytest.raises(ConfigError, match="tpu"):
        get_backend("tpu")


def test_asking_for_a_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.backend, "_cupy_backend", lambda: None)
    assert get_backend("auto") is NUMPY
    with pytest.raises(ConfigError, match="a GPU that answers"):
        get_backend("cupy")


def test_numpy_backend_keeps_an_array_that_already_fits() -> None:
    x = np.zeros(3, np.float32)
    assert NUMPY.asarray(x) is x
    assert NUMPY.asarray(x, np.float64).dtype == np.float64


# ---- on a GPU -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-4)], ids=["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cupy_agrees_with_numpy(case: Case, dtype: Any, tolerance: float, cupy: Backend) -> None:
    here, there = training_step(case, NUMPY, dtype), training_step(case, cupy, dtype)
    for expected, actual in zip(here, there, strict=True):
        assert backend_of(actual) is cupy
        assert actual.dtype == expected.dtype
        assert np.allclose(to_numpy(actual), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", nn.LOSSES)
def test_cupy_losses_agree_with_numpy(name: str, cupy: Backend) -> None:
    for prediction, arguments, options in loss_cases()[name]:
        expected_loss, expected = nn.LOSSES[name](prediction, *arguments, **options)
        loss, gradient = nn.LOSSES[name](*moved(cupy, (prediction, *arguments)), **moved(cupy, options))
        assert loss == pytest.approx(expected_loss, rel=1e-9)
        assert np.allclose(to_numpy(gradient), expected, rtol=1e-9, atol=1e-12)


def test_the_trainer_runs_on_a_gpu(cupy: Backend, tmp_path: Path) -> None:
    here, there = fitted(NUMPY, tmp_path / "here.npz"), fitted(cupy, tmp_path / "there.npz")
    for expected, actual in zip(here, there, strict=True):
        assert np.allclose(actual, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("make", [lambda: nn.SGD(momentum=0.9, nesterov=True), nn.RMSProp, nn.Adam, nn.AdamW])
def test_cupy_training_agrees_with_numpy(make: Any, cupy: Backend) -> None:
    for expected, actual in zip(trained(NUMPY, make()), trained(cupy, make()), strict=True):
        assert np.allclose(actual, expected, rtol=1e-7)
