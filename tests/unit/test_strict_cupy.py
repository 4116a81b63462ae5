"""The stand-in for CuPy is stricter than CuPy, counts, and notices what a real device would not."""

import sys

import numpy as np
import pytest

from benchmarks.cupy_table import table
from engine.backend import get_backend
from tests.strict_cupy import TABLE, StreamOrderError, ndarray

HALF = np.float16


@pytest.fixture
def xp(device):
    return sys.modules["cupy"]


def test_no_conversion_and_no_mixture_is_implicit(xp):
    array = xp.asarray(np.ones(3, np.float32))
    refused = [
        lambda: np.asarray(array),
        lambda: array + np.ones(3, np.float32),
        lambda: np.ones(3, np.float32) + array,
        lambda: array * np.array(2, np.float32),
        lambda: array.astype(HALF) * np.float64(2),  # float16 in CuPy 13, float64 in CuPy 14
        lambda: xp.add(array, [1.0, 2.0, 3.0]),
        lambda: array[np.array([0, 1])],
        lambda: array[[0, 1]],
        lambda: xp.maximum(array, 0, where=array > 0),
        lambda: array.max(axis=0, initial=0.0),
        lambda: array.astype(HALF) << 1,
    ]
    for number, attempt in enumerate(refused):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{number}: {attempt()}")
    with pytest.raises(ValueError, match="cannot be used for fill"):
        array[:] = np.zeros(3, np.float32)
    for missing in ("insert", "nditer", "ndindex_of"):
        with pytest.raises(AttributeError, match=missing):
            getattr(xp, missing)
    with pytest.raises(AttributeError, match="setflags"):
        array.setflags()
    assert type(xp.exp(array).sum()) is ndarray
    assert (array * np.float32(2)).dtype == np.float32


def test_launches_copies_and_waits_are_counted_by_place(xp, device):
    array = xp.asarray(np.ones((4, 4), np.float32))
    device.counts.clear()
    total = (array @ array.T + 1).sum()
    assert (device.total("product"), device.total("launch"), device.total("wait")) == (1, 2, 0)
    assert float(total) == 80
    assert array[array > 1].shape == (0,)
    assert (device.total("wait"), device.total("download")) == (2, 2)
    assert all(place.startswith("test_strict_cupy.py:") for place in device.by_place("wait"))
    array.reshape(2, 8).T[1:].swapaxes(0, 1)
    assert device.total("launch") == 5  # views are none


def test_work_on_another_stream_must_be_waited_for(xp, device):
    array = xp.zeros(4)
    other = xp.cuda.Stream(non_blocking=True)
    third = xp.cuda.Stream(non_blocking=True)
    with pytest.raises(StreamOrderError), other:
        array + 1
    device.null.synchronize()
    with other:
        array += 1
    with pytest.raises(StreamOrderError), third:
        array + 1
    other.synchronize()
    with third:
        doubled = array * 2
    with pytest.raises(StreamOrderError), other:
        array += 1  # which the third stream may still read
    third.synchronize()
    assert doubled.get().tolist() == [2, 2, 2, 2]


def test_queued_copies_are_not_there_before_somebody_waits(device):
    backend = get_backend("cupy")
    lane = backend.lane()
    host = backend.pinned((3,), np.float32)
    back = backend.pinned((3,), np.float32)
    with lane.block:
        there = backend.xp.zeros(3, np.float32)
        host[:] = 1, 2, 3
        lane.upload(host, there)
        lane.download(there * 2, back)
    assert np.isnan(back).all()
    lane.wait()
    assert back.tolist() == [2, 4, 6]
    with lane.block:
        lane.upload(host, there)
    host[:] = 0
    lane.wait()
    assert device.faults == ["host memory was changed while a queued upload read it"]
    device.faults.clear()


def test_memory_that_another_stream_uses_must_not_be_freed(xp, device):
    array = xp.zeros(4)
    other = xp.cuda.Stream(non_blocking=True)
    xp.cuda.Device().synchronize()
    with other:
        kept = array + 1
    del array
    other.synchronize()
    assert kept.get().tolist() == [1] * 4
    assert device.faults == ["32 bytes are freed while another stream works on them"]
    device.faults.clear()


def test_fused_functions_are_one_launch_and_elementwise(xp, device):
    def good(x, y):
        return xp.where(x > y, x, 0).astype(HALF) * 2

    def indexed(x, y):
        return x[0] + y

    def valued(x, y):
        return x if float(y.sum()) else y

    x, y = xp.asarray(np.arange(3.0)), xp.asarray(np.ones(3))
    device.counts.clear()
    assert xp.fuse()(good)(x, y).get().tolist() == [0, 0, 4]
    assert device.total("launch") == 1
    for bad in (indexed, valued, lambda x, y: x + y):
        with pytest.raises(TypeError):
            xp.fuse()(bad)(x, y)


def test_table_is_of_the_cupy_that_is_installed():
    assert table(pytest.importorskip("cupy")) == TABLE
