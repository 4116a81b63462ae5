"""The examples in small versions, with thresholds that they may miss; the larger ones need outside
data.
"""

import gzip
import importlib
import pkgutil
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import engine.nn
import examples.nn
from engine.errors import DataError
from engine.nn import LOSSES, REGISTRY, datasets
from engine.nn.layers import ACTIVATIONS
from examples.nn import (
    common,
    digits,
    linear_regression,
    object_neurons,
    pass_fail,
    projection,
    sentiment,
    sequence,
    sine,
    vanishing,
)

README = Path(engine.nn.__file__).parent / "README.md"
NOT_RUN = {"boards", "common"}  # parts of others
NAMES = [
    module.name
    for module in pkgutil.iter_modules(examples.nn.__path__)
    if module.name not in NOT_RUN
]
SLOW = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("vanishing", "pass_fail", "object_neurons")
]
QUICK = ["linear_regression", "projection", *SLOW]


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_a_command_listed_in_the_overview(name, capsys):
    module = importlib.import_module(f"examples.nn.{name}")
    assert f"    {name} " in (examples.nn.__doc__ or "")
    with pytest.raises(SystemExit, match=r"^0$"):
        module.main(["--help"])
    assert "--plot FILE" in capsys.readouterr().out


def test_the_readme_names_every_part():
    text = README.read_text(encoding="utf-8")
    for name in NAMES:
        assert f"`{name}`" in text, name
    for (
        layer
    ) in REGISTRY.values():  # those of this package: other modules may have registered theirs
        assert f"`{layer.__name__}`" in text or not layer.__module__.startswith("engine.nn."), layer
    for loss in LOSSES:
        assert f"`{loss}`" in text, loss
    for function in ACTIVATIONS:
        assert function in text, function


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # the README's own layer stays in its test
    monkeypatch.setattr("engine.nn.layer.REGISTRY", dict(REGISTRY))
    names = {"__name__": "readme"}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 11
    assert (tmp_path / "history.png").exists()
    assert names["grads"]["dense1.weight"].shape == (16, 2)
    predicted = names["net"].predict(names["x"]).argmax(axis=1)
    assert (predicted == names["classes"]).mean() > 0.8
    scale = names["Scale"]().astype(np.float64)
    y, backward = scale.forward(np.array([[1.0, 2.0]]))
    dx, grads = backward(np.array([[1.0, 10.0]]))
    assert y.tolist() == [[1, 2]]
    assert dx.tolist() == [[1, 10]]
    assert grads["scale"].tolist() == [21]


@pytest.mark.parametrize("name", QUICK)
def test_quick_examples_save_their_plot(name, tmp_path, capsys):
    importlib.import_module(f"examples.nn.{name}").main(
        ["--plot", str(tmp_path / "plot.png"), "--seed", "1"]
    )
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert "plot.png" in capsys.readouterr().out


def test_gradients_vanish_through_sigmoids_alone():
    norms = {kind: vanishing.run(kind) for kind in vanishing.KINDS}
    assert norms["sigmoid"][0] < 1e-9 * norms["sigmoid"][-1]
    assert norms["relu"][0] > 0.1 * norms["relu"][-1]
    assert norms["relu, batch norm"][0] > norms["relu, batch norm"][-1]


def test_descent_ends_at_least_squares():
    result = linear_regression.run(seed=2)
    assert result.descent == pytest.approx(result.least_squares, abs=1e-3)


def test_momentum_needs_a_fifth_of_the_steps():
    result = projection.run(seed=1)
    assert max(result.plain[-1], result.momentum[-1]) <= projection.TARGET_ERROR
    assert result.acceleration > 5


@pytest.mark.slow
def test_sine_is_met_within_a_twentieth():
    assert sine.run(seed=1, epochs=300).largest_error < 0.05


@pytest.mark.slow
def test_sigmoid_stalls_where_leaky_relu_learns_at_once():
    """And it learns in the end, which the example says."""
    sigmoid, leaky = (pass_fail.run(name, seed=1) for name in ("sigmoid", "leaky_relu"))
    assert np.mean(sigmoid.first_layer_norms[:50]) < 0.5 * np.mean(leaky.first_layer_norms[:50])
    assert sigmoid.steps_to(0.3) > 4 * leaky.steps_to(0.3)
    assert leaky.accuracy > 0.95
    assert sigmoid.accuracy > 0.9


def test_arrays_compute_what_objects_do():
    result = object_neurons.run(seed=1)
    assert result.object_errors == pytest.approx(result.array_errors, rel=1e-4)
    assert result.object_errors[2] < result.object_errors[0]
    assert result.factor > 20  # a thousand when nothing else runs


def test_a_gru_remembers_two_numbers():
    history = sequence.run("gru", seed=1, length=12, examples=4096, epochs=8)
    assert history["validation_loss"][0] < 1.5 * sequence.CHANCE
    assert history["validation_loss"][-1] < 0.1 * sequence.CHANCE


@pytest.mark.slow
def test_small_digits_are_read_by_a_convolutional_net():
    pytest.importorskip("sklearn")
    history = digits.run(digits.small_digits(), (32, 64), epochs=12).history
    assert history["validation_accuracy"][-1] > 0.97


def test_drawn_digits_repeat_with_the_seed():
    images, classes = datasets.drawn_digits(200, np.random.default_rng(3))
    again, _ = datasets.drawn_digits(200, np.random.default_rng(3))
    assert np.array_equal(images, again)
    assert images.shape == (200, 1, 16, 16)
    assert images.dtype == np.float32
    assert classes.dtype == np.int64
    assert set(classes) == set(range(10))


def test_the_digits_example_needs_no_data(tmp_path, capsys):
    pictures = [tmp_path / "history.png", tmp_path / "confusion.png"]
    digits.main(["--epochs", "1", "--plot", str(pictures[0]), "--confusion", str(pictures[1])])
    assert "accuracy on held-out digits" in capsys.readouterr().out
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


def test_without_scikit_learn_its_digits_say_how_to_get_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "sklearn.datasets", raising=False)
    with pytest.raises(
        SystemExit, match=r"^error: these digits come with .*: python -m pip install scikit-learn$"
    ):
        common.run_as_command(lambda: digits.main(["--scikit-learn"]))


def idx(magic, array):
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


@pytest.mark.parametrize(
    ("sign", "ending", "packed"), [("-", "", bytes), ("-", ".gz", gzip.compress), (".", "", bytes)]
)
def test_mnist_files_of_every_form_are_read(tmp_path, monkeypatch, sign, ending, packed):
    monkeypatch.setattr(datasets, "MNIST_HELD_OUT", 2)
    images = np.random.default_rng(1).integers(0, 256, (5, 28, 28)).astype(np.uint8)
    files = {
        f"train-images{sign}idx3-ubyte": idx(2051, images),
        f"train-labels{sign}idx1-ubyte": idx(2049, np.array([3, 1, 4, 1, 5], np.uint8)),
    }
    for name, content in files.items():
        (tmp_path / f"{name}{ending}").write_bytes(packed(content))
    train, held_out = datasets.digits(tmp_path)
    assert train.inputs.shape == (3, 1, 32, 32)
    assert held_out.targets.tolist() == [1, 5]
    assert np.allclose(train.inputs[1, 0, 2:30, 2:30], images[1] / 255)


def test_broken_mnist_files_are_data_errors(tmp_path):
    with pytest.raises(DataError, match="found neither"):
        datasets.mnist(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    # ended in EOFError, without the file's name
    Path(f"{path}.gz").write_bytes(gzip.compress(bytes(99))[:-9])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: cannot be read"):
        datasets.mnist(tmp_path)
    pictures = np.zeros((2, 2, 2), np.uint8)
    for content in (b"", idx(2049, pictures), idx(2051, pictures)[:-1]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="expected IDX data"):
            datasets.mnist(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("epochs", "least"),
    [(1, 0.95), pytest.param(12, 0.99, marks=[pytest.mark.overlong, pytest.mark.timeout(1200)])],
)
def test_mnist_is_read_with_99_percent_in_the_end(test_data, epochs, least):
    history = digits.run(datasets.mnist(test_data / "digits"), (16, 32, 64), epochs=epochs).history
    assert history["validation_accuracy"][-1] > least


@pytest.mark.slow
def test_real_reviews_are_judged_by_both_nets(test_data):
    texts, labels = sentiment.read_reviews(test_data / "reviews" / "reviews.csv.xz")
    result = sentiment.run(texts[:2500], labels[:2500])
    assert result.accuracy("shallow") > 0.8
    assert result.accuracy("deep") > 0.8
