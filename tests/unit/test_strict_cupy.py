"""The stand-in for CuPy is stricter than CuPy, counts, and notices what a real device would not."""

import sys

import numpy as np
import pytest

from engine.backend import get_backend

HALF = np.float16


@pytest.fixture
def xp(device):
    return sys.modules["cupy"]


@pytest.mark.parametrize(
    "attempt",
    [
        lambda xp, array: np.asarray(array),
        lambda xp, array: array + np.ones(3, np.float32),
        lambda xp, array: np.ones(3, np.float32) + array,
        lambda xp, array: array.astype(HALF) * np.float64(2),  # of another dtype in each CuPy
        lambda xp, array: array[[0, 1]],
        lambda xp, array: array.max(axis=0, initial=0.0),
        lambda xp, array: array.__setitem__(0, np.zeros(3, np.float32)),
        lambda xp, array: xp.insert,
    ],
)
def test_nothing_is_implicit(attempt, xp):
    array = xp.asarray(np.ones(3, np.float32))
    with pytest.raises((TypeError, ValueError, AttributeError)):
        attempt(xp, array)


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


def test_a_fused_function_goes_by_elements(xp):
    def indexed(x):
        return x[0]

    with pytest.raises(TypeError):
        xp.fuse()(indexed)(xp.asarray(np.arange(3.0)))
