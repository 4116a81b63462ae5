"""Loaders: batches read on demand, from files larger than memory, with augmentation, repeatable and
resumable.
"""

from itertools import chain

import numpy as np
import pytest

from engine import nn
from engine.errors import ShapeError
from engine.nn.training.data import parts_of
from tests.unit.nn.small_trainings import changed, trainer, whole_and_resumed

IMAGES = np.random.default_rng(4).integers(0, 256, (40, 1, 6, 6)).astype(np.uint8)
CLASSES = np.random.default_rng(5).integers(0, 3, 40)


def pixels(batch):
    return nn.Data(batch.inputs.astype(np.float32) / 255, batch.targets)


DATA = pixels(nn.Data(IMAGES, CLASSES))


def begun():
    rng = np.random.default_rng(1)
    model = nn.Sequential(nn.Conv2D(1, 4, 3, rng), nn.GlobalAveragePool(), nn.Dense(4, 3, rng))
    return trainer(model, nn.softmax_cross_entropy, nn.Adam(), 0.01, batch_size=16, seed=7)


def trained(data):
    run = begun()
    run.fit(data, 3, validation=data)
    return run


def same(run, expected):
    return run.history == expected.history and not changed(run.model, expected.model)


@pytest.mark.parametrize("read_ahead", [False, True])
def test_files_train_exactly_as_arrays_without_being_read_whole(tmp_path, read_ahead):
    parts = []
    for number, part in enumerate(np.split(IMAGES, [7, 30])):
        np.save(tmp_path / f"{number}.npy", part)
        parts.append(np.load(tmp_path / f"{number}.npy", mmap_mode="r"))
    loader = nn.Loader(nn.JoinedRows(parts), CLASSES, prepare=pixels, read_ahead=read_ahead)
    assert same(trained(DATA), trained(loader))


def test_augmentation_follows_the_seed():
    seen = []

    def watched(batch, rng):
        changed = nn.random_shift(1)(batch, rng)
        seen.append(changed.inputs)
        return changed

    data = nn.Data(DATA.inputs[:16], CLASSES[:16])  # one batch an epoch
    first = trained(nn.Loader(*data, augment=watched))
    assert not np.array_equal(np.sort(seen[0].ravel()), np.sort(seen[1].ravel()))
    assert same(first, trained(nn.Loader(*data, augment=watched, read_ahead=True)))
    assert not same(first, trained(data))


def test_validation_is_never_augmented():
    def black(batch, rng):
        return nn.Data(np.zeros_like(batch.inputs), batch.targets)

    run = trained(nn.Loader(*DATA, augment=black))
    assert run.evaluate(DATA)["loss"] == run.history["validation_loss"][-1]


def test_a_resumed_run_with_augmentation_goes_on_bit_for_bit(tmp_path):
    loader = nn.Loader(*DATA, augment=nn.random_shift(2))
    assert same(*whole_and_resumed(begun, loader, 2, 4, tmp_path / "half.npz", validation=loader))


def test_shifts_fill_with_zeros():
    batch = nn.Data(np.ones((50, 2, 4, 4), np.float32), np.zeros(50))
    moved, _ = nn.random_shift(2)(batch, np.random.default_rng(0))
    assert set(np.unique(moved)) == {0, 1}
    sums = moved[:, 0].sum(axis=(1, 2))
    assert sums.min() == 4  # two squares along both axes
    assert sums.max() == 16  # not moved at all
    assert np.array_equal(moved[:, 0], moved[:, 1])  # channels move together
    assert (batch.inputs == 1).all()


@pytest.mark.parametrize(
    "rows",
    [np.array([6, 0, 3, 3]), slice(1, 5), slice(0, 100), np.array([], int), np.arange(7) % 3 == 0],
)
def test_joined_rows_answer_like_one_array(rows):
    whole = np.arange(14).reshape(7, 2)
    joined = nn.JoinedRows(np.split(whole, [3, 4]))
    assert (len(joined), joined.shape, joined.dtype) == (7, (7, 2), whole.dtype)
    assert np.array_equal(joined[rows], whole[rows])


def test_an_error_of_a_reading_thread_reaches_the_caller():
    def broken(batch):
        raise ShapeError("a damaged file")

    with pytest.raises(ShapeError, match="a damaged file"):
        trained(nn.Loader(*DATA, prepare=broken, read_ahead=True))


@pytest.mark.parametrize("size", [1, 2, 3, 8, 64])
def test_parts_are_of_like_sizes(size):
    for count in range(200):
        rows = range(count)
        parts = [rows[part] for part in parts_of(count, size)]
        assert [*chain(*parts)] == [*rows]
        sizes = [*map(len, parts)]
        assert {*sizes[:-2]} <= {size}
        assert min(sizes, default=size) >= min(size / 2, count)
        assert max(sizes, default=0) <= (3 if size == 2 else size)
        if size > 1 and count > 1:
            assert min(sizes) > 1
