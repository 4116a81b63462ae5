"""Where arrays live: a device is checked before it is used, and fails with one error."""

import sys
import types

import numpy as np
import pytest

import engine.backend
from engine.backend import NUMPY, get_backend, why_no_device
from engine.errors import ConfigError, DeviceError
from tests.strict_cupy import CUDARuntimeError, OutOfMemoryError, strict_cupy

LIBRARIES = {
    "launch": RuntimeError(
        "CuPy failed to load libnvrtc.so.12: OSError: libnvrtc.so.12: cannot open shared object file"
    ),
    "product": ImportError(
        "libcublas.so.12: cannot open shared object file: No such file or directory"
    ),
    "wait": CUDARuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered"),
    "alloc": OutOfMemoryError("Out of memory allocating 512 bytes (allocated so far: 0 bytes)."),
}


@pytest.mark.parametrize("kind", LIBRARIES)
def test_device_that_answers_but_cannot_compute_is_not_taken(kind, device):
    device.fail(kind, LIBRARIES[kind])
    assert get_backend("auto") is NUMPY
    reason = str(LIBRARIES[kind])
    assert reason in why_no_device()
    with pytest.raises(DeviceError, match="a GPU that computes") as caught:
        get_backend("cupy")
    assert reason in str(caught.value)
    assert caught.value.option == "backend"


def test_device_that_computes_wrong_numbers_is_not_taken(device, monkeypatch):
    right = engine.backend.to_numpy
    monkeypatch.setattr(engine.backend, "to_numpy", lambda array: right(array) * 0)
    assert get_backend("auto") is NUMPY
    assert "wrong results in float16" in why_no_device()


def test_machine_without_a_device_says_nothing(monkeypatch):
    def no_device(number):
        raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")

    with strict_cupy():
        monkeypatch.setattr(sys.modules["cupy"].cuda.runtime, "getDeviceProperties", no_device)
        assert get_backend("auto") is NUMPY
        assert why_no_device() == ""
        with pytest.raises(DeviceError, match="no CUDA-capable device"):
            get_backend("cupy")
    monkeypatch.setitem(sys.modules, "cupy", None)
    engine.backend._device.cache_clear()
    with pytest.raises(DeviceError, match="needs the cupy package"):
        get_backend("cupy")
    assert why_no_device() == ""
    monkeypatch.undo()
    engine.backend._device.cache_clear()


OTHERS = SystemError("returned a result"), RuntimeError("a whole program\n" * 1000)


@pytest.mark.parametrize("error", [*LIBRARIES.values(), *OTHERS])
def test_whatever_a_device_fails_with_is_one_error_of_a_short_line(device, error):
    with pytest.raises(DeviceError, match="a stand-in failed while it worked") as caught:
        fail_in(get_backend("cupy"), error)
    assert str(error).splitlines()[0] in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_errors_of_our_own_stay_what_they_are(device):
    with pytest.raises(ConfigError):
        fail_in(get_backend("cupy"), ConfigError("ours"))
    with pytest.raises(TypeError):
        fail_in(NUMPY, TypeError("a mistake of ours"))


def fail_in(backend, error):
    with backend.guard("it worked"):
        raise error


def test_functions_are_fused_on_a_device(device):
    backend = get_backend("cupy")

    def doubled(x, out):
        backend.xp.add(x * 2, 1, out=out)

    x, out = backend.asarray(np.arange(3.0)), backend.asarray(np.zeros(3))
    device.counts.clear()
    backend.fused(doubled)(x, out)
    assert device.counts["launch"] == 1
    assert out.get().tolist() == [1, 3, 5]
    assert isinstance(NUMPY.fused(doubled), types.FunctionType)
