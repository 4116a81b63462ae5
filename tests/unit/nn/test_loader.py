"""Loaders: batches read on demand, from files larger than memory, with augmentation, repeatable and
resumable.

The last batch, shard and step are as good as all others, whatever number of examples is left for
them.
"""

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, ShapeError
from engine.nn.training.data import parts_of

RNG = np.random.default_rng(5)
X = np.zeros((4, 36))


def images(count=40):
    rng = np.random.default_rng(4)
    return nn.Data(
        rng.integers(0, 256, (count, 1, 6, 6)).astype(np.uint8), rng.integers(0, 3, count)
    )


def pixels(batch):
    return nn.Data(batch.inputs.astype(np.float32) / 255, batch.targets)


def trained(data, epochs=3, checkpoint=None, resumed=False):
    rng = np.random.default_rng(1)
    model = nn.Sequential(nn.Conv2D(1, 4, 3, rng), nn.GlobalAveragePool(), nn.Dense(4, 3, rng))
    settings = nn.TrainerSettings(batch_size=16, seed=7)
    trainer = nn.Trainer(
        model, nn.softmax_cross_entropy, nn.Adam(), 0.01, settings, {"accuracy": nn.accuracy}
    )
    if resumed and checkpoint is not None:
        trainer.resume(checkpoint)
    trainer.fit(data, epochs, validation=data, checkpoint=checkpoint)
    return trainer


def same(one, other):
    there = other.model.named_parameters()
    return one.history == other.history and all(
        np.array_equal(array, there[name]) for name, array in one.model.named_parameters().items()
    )


FIELDS = ("inputs", "targets")


@pytest.mark.parametrize("read_ahead", [False, True])
def test_files_train_exactly_as_arrays_without_being_read_whole(tmp_path, read_ahead):
    data = images()
    paths = []
    for number, rows in enumerate((slice(0, 7), slice(7, 30), slice(30, 40))):
        for name, array in zip(FIELDS, data, strict=True):
            np.save(tmp_path / f"{name}{number}.npy", array[rows])
        paths.append(tuple(tmp_path / f"{name}{number}.npy" for name in FIELDS))
    inputs, targets = (
        nn.JoinedRows([np.load(path, mmap_mode="r") for path in column])
        for column in zip(*paths, strict=True)
    )
    assert all(isinstance(array, np.memmap) for array in inputs.arrays)
    assert same(
        trained(pixels(data)),
        trained(nn.Loader(inputs, targets, prepare=pixels, read_ahead=read_ahead)),
    )


def test_a_single_mapped_file_gives_plain_arrays(tmp_path):
    np.save(tmp_path / "x.npy", pixels(images()).inputs)
    loader = nn.Loader(np.load(tmp_path / "x.npy", mmap_mode="r"), images().targets)
    for rows in (slice(3, 6), np.array([5, 2])):
        assert type(loader.batch(rows).inputs) is np.ndarray


def test_augmentation_follows_the_seed():
    seen = []

    def watched(batch, rng):
        changed = nn.random_shift(1)(batch, rng)
        seen.append(changed.inputs)
        return changed

    data = pixels(images(16))  # one batch an epoch
    first = trained(nn.Loader(*data, augment=watched))
    assert not np.array_equal(np.sort(seen[0].ravel()), np.sort(seen[1].ravel()))
    assert same(first, trained(nn.Loader(*data, augment=watched)))
    assert same(first, trained(nn.Loader(*data, augment=watched, read_ahead=True)))
    assert not same(first, trained(data))


def test_validation_is_never_augmented():
    data = pixels(images())

    def black(batch, rng):
        return nn.Data(np.zeros_like(batch.inputs), batch.targets)

    run = trained(nn.Loader(*data, augment=black))
    assert run.evaluate(data) == {
        name: run.history[f"validation_{name}"][-1] for name in ("loss", "accuracy")
    }


def test_a_resumed_run_with_augmentation_goes_on_bit_for_bit(tmp_path):
    loader = nn.Loader(*pixels(images()), augment=nn.random_shift(2))
    whole = trained(loader, 4)
    trained(loader, 2, tmp_path / "half.npz")
    assert same(whole, trained(loader, 4, tmp_path / "half.npz", resumed=True))


def test_shifts_fill_with_zeros():
    batch = nn.Data(np.ones((50, 2, 4, 4), np.float32), np.zeros(50))
    moved, _ = nn.random_shift(2)(batch, np.random.default_rng(0))
    assert set(np.unique(moved)) == {0, 1}
    sums = moved[:, 0].sum(axis=(1, 2))
    assert sums.min() == 4  # two squares along both axes
    assert sums.max() == 16  # not moved at all
    assert np.array_equal(moved[:, 0], moved[:, 1])  # channels move together
    assert (batch.inputs == 1).all()


PARTS = np.split(np.arange(14).reshape(7, 2), [3, 4])
MASK = np.arange(7) % 3 == 0


@pytest.mark.parametrize(
    "chosen", [np.array([6, 0, 3, 3]), slice(1, 5), slice(0, 100), np.array([], int), MASK]
)
def test_joined_rows_answer_like_one_array(chosen):
    rows = nn.JoinedRows(PARTS)
    whole = np.concatenate(PARTS)
    assert (len(rows), rows.shape, rows.dtype) == (7, (7, 2), whole.dtype)
    assert np.array_equal(rows[chosen], whole[chosen])


@pytest.mark.parametrize("chosen", [MASK[:3], np.array([0.0, 1.0]), 3, np.array([[1]])])
def test_what_chooses_no_rows_is_refused(chosen):
    with pytest.raises(ConfigError, match="expected row numbers, or a bool for each of 7 rows"):
        nn.JoinedRows(PARTS)[chosen]


@pytest.mark.parametrize("parts", [[], [np.zeros((2, 3)), np.zeros((2, 4))]])
def test_parts_that_do_not_join_are_refused(parts):
    with pytest.raises(ShapeError, match="one shape and dtype"):
        nn.JoinedRows(parts)


DATA = pixels(images())
UNUSABLE = {
    "found 40 and 39": lambda: nn.Loader(DATA.inputs, DATA.targets[:39]),
    "prepare must return Data": lambda: trained(nn.Loader(*DATA, prepare=lambda batch: X)),
    "augment must return Data": lambda: trained(nn.Loader(*DATA, augment=lambda batch, rng: X)),
    r"random_shift: expected images \[B, C, H, W\], found float64 \[4, 36\]": lambda: (
        nn.random_shift(1)(nn.Data(X, X), RNG)
    ),
    r"random_shift: expected images \[B, C, H, W\], found tuple": lambda: nn.random_shift(1)(
        nn.Data((X, X), X), RNG
    ),
    "row numbers 0 to 7 of 7 rows": lambda: nn.JoinedRows(PARTS)[np.array([0, 7])],
    "at least 1": lambda: nn.random_shift(0),
}


@pytest.mark.parametrize("told", UNUSABLE)
def test_loaders_refuse_what_they_cannot_use(told):
    with pytest.raises((ShapeError, ConfigError), match=told):
        UNUSABLE[told]()


def test_an_error_of_a_reading_thread_reaches_the_caller():
    def broken(batch):
        raise ShapeError("a damaged file")

    with pytest.raises(ShapeError, match="a damaged file"):
        trained(nn.Loader(*images(), prepare=broken, read_ahead=True))


def regression(count):
    x = np.random.default_rng(5).standard_normal((count, 4)).astype(np.float32) * 3 + 2
    return nn.Data(x, x[:, :1] - x[:, 1:2])


@pytest.mark.parametrize("size", [1, 2, 3, 8, 64])
def test_parts_are_of_like_sizes(size):
    for count in range(1, 200):
        parts = parts_of(count, size)
        assert [number for part in parts for number in range(part.start, part.stop)] == list(
            range(count)
        )
        sizes = [part.stop - part.start for part in parts]
        assert all(one == size for one in sizes[:-2])
        assert min(sizes) >= min(size / 2, count)
        assert max(sizes) <= max(size, 3 if size == 2 else 0)
        if size > 1 and count > 1:
            assert min(sizes) > 1
    assert parts_of(0, size) == []


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1), (0, 3)], ids=str)
def test_a_single_value_a_channel_is_normalised_by_the_running_statistics(shape):
    """Its variance of 0 went into the running one, and it came out as beta whatever it was."""
    norm = nn.BatchNorm(3)
    norm.buffers["running_mean"][:] = 1
    x = np.full(shape, 3.0, np.float32)
    y, backward = norm.forward(x, training=True)
    dx, _ = backward(np.ones_like(x))
    assert np.allclose(y, 2, atol=1e-4)
    assert np.allclose(dx, 1, atol=1e-4)
    assert norm.buffers["running_mean"].tolist() == [1, 1, 1]
    assert norm.buffers["running_variance"].tolist() == [1, 1, 1]
    if x.size:
        assert nn.gradient_check(norm, x).error < 1e-6


def test_two_values_a_channel_are_a_batch():
    norm = nn.BatchNorm(1, momentum=1.0)
    norm.forward(np.array([[[[1.0, 3.0]]]], np.float32), training=True)
    assert norm.buffers["running_mean"].tolist() == [2]
    assert norm.buffers["running_variance"].tolist() == [1]


def test_statistics_are_refreshed_by_examples_not_by_batches():
    """A small last batch counted as much as all others."""
    batches = [
        RNG.standard_normal((count, 3)).astype(np.float32) * 4 + count for count in (50, 20, 2)
    ]
    norm = nn.BatchNorm(3)
    sizes = [len(batch) for batch in batches]
    nn.refresh_statistics(nn.Sequential(norm), batches)
    for name, measure in (("running_mean", np.mean), ("running_variance", np.var)):
        expected = np.average([measure(batch, axis=0) for batch in batches], axis=0, weights=sizes)
        assert np.allclose(norm.buffers[name], expected, rtol=1e-4)


def test_an_average_of_every_epoch_is_the_mean_of_their_last_weights():
    seen = []
    average = nn.StochasticAverage(every=3)
    model = nn.Dense(4, 1, np.random.default_rng(0))
    run = nn.Trainer(
        model, nn.mse, nn.SGD(), 0.01, nn.TrainerSettings(batch_size=8), average=average
    )
    run.fit(
        regression(20), 4, callbacks=[lambda record: seen.append(model.params["weight"].copy())]
    )
    assert np.allclose(run.averaged_model().params["weight"], np.mean(seen, axis=0), atol=1e-6)
