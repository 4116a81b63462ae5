"""NumPy or CuPy behind one object. This is the only module that imports cupy.

Layer code asks `xp_of(x)` for the array module of its input, so the same lines work with
both. CuPy imports without a driver, and answers without the libraries that compile and multiply, so
a CuPy backend exists only after a device has computed something. What fails later becomes one
DeviceError inside `guard`.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import AinoError, ConfigError, DeviceError

BACKEND_NAMES = ("auto", "numpy", "cupy")
UNUSABLE = "a GPU answers, but "
LONGEST_REASON = 300  # letters; CuPy quotes whole programs


@dataclass(frozen=True)
class Backend:
    """A place where arrays live: `xp` is its array module (numpy or cupy), `device` its name for
    people.
    """

    name: str
    xp: Any
    device: str

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        """Return the array on this backend; the same object if it is already there with that dtype."""
        if self.name == "numpy":
            array = to_numpy(array)
        return self.xp.asarray(array, dtype=dtype)

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Host memory that a device can copy to and from while the host keeps working."""
        if self.name == "numpy":
            return np.empty(shape, dtype)
        return importlib.import_module("cupyx").empty_pinned(shape, dtype)

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a named function of elementwise array operations as one kernel, where the device
        can.

        The function may have results, and arguments that it writes by `out=`. It may call ufuncs,
        `where`, `astype` and, at its end, `sum`.
        """
        if self.name == "numpy":
            return function
        return self.xp.fuse()(function)

    def wait(self) -> None:
        """Wait until the device has done everything outside lanes."""
        if self.name != "numpy":
            self.xp.cuda.Device().synchronize()

    def lane(self) -> Lane:
        """Return a new queue of work for the device, independent of other queues."""
        if self.name == "numpy":
            return Lane(None)
        return Lane(self.xp.cuda.Stream(non_blocking=True))

    @contextmanager
    def guard(self, doing: str) -> Iterator[None]:
        """Turn whatever a device fails with inside the block into a DeviceError; `doing` says what
        it failed at.
        """
        try:
            yield
        except AinoError:
            raise
        except Exception as error:
            if self.name == "numpy":
                raise
            raise DeviceError(f"{self.device} failed while {doing} ({_reason(error)})") from error

    def versions(self) -> dict[str, str]:
        """Library versions for the provenance of saved files."""
        return {"numpy": np.__version__, self.name: self.xp.__version__}


class Lane:
    """A queue of work on a device: inside `with lane.block:` array operations join it in order and
    return at once.

    On NumPy (no stream) every operation runs immediately. Host arrays used in copies should be
    `pinned`; do not touch them until `wait` returns.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.block = stream or nullcontext()

    def upload(self, host: np.ndarray, device: Any) -> None:
        """Queue a copy to a device array of the same shape and dtype."""
        if self._stream is None:
            device[...] = host
        else:
            device.set(host, stream=self._stream)

    def download(self, device: Any, host: np.ndarray) -> None:
        """Queue a copy to a host array of the same shape and dtype."""
        if self._stream is None:
            host[...] = device
        else:
            device.get(stream=self._stream, out=host, blocking=False)

    def wait(self) -> None:
        """Wait until everything queued so far is done."""
        if self._stream is not None:
            self._stream.synchronize()


NUMPY = Backend("numpy", np, "cpu")


def get_backend(name: str = "auto") -> Backend:
    """Return the backend with this name; `auto` is CuPy if it imports and a device computes, else
    NumPy.

    Raises ConfigError for an unknown name, and DeviceError for `cupy` without a working device.
    """
    if name not in BACKEND_NAMES:
        raise ConfigError(
            f"backend must be auto, numpy (the processor) or cupy (an NVIDIA GPU), not {name!r}"
        )
    if name == "numpy":
        return NUMPY
    device = _device()
    if isinstance(device, Backend):
        return device
    if name == "cupy":
        raise DeviceError(
            f"backend 'cupy' needs the cupy package and a GPU that computes: {device}"
        )
    return NUMPY


def why_no_device() -> str:
    """Why a GPU that answers is not used, for people; "" without CuPy or a GPU, and where it is
    used.
    """
    device = _device()
    if isinstance(device, str) and device.startswith(UNUSABLE):
        return device
    return ""


def backend_of(array: Any) -> Backend:
    """Return the backend an array lives on."""
    return get_backend("cupy") if _is_cupys(array) else NUMPY


def xp_of(array: Any) -> Any:
    """Return the array module of an array, numpy or cupy."""
    return np if type(array) is np.ndarray else backend_of(array).xp


def _is_cupys(array: Any) -> bool:
    return type(array).__module__.partition(".")[0] == "cupy"


def backend_of_all(tensors: Mapping[str, Any]) -> Backend:
    """Return the backend that all these arrays share; NumPy if there are no arrays."""
    return next((backend_of(array) for array in tensors.values()), NUMPY)


def product(a: Any, b: Any) -> Any:
    """Return the matrix product a @ b; with one matrix b it is one product, not a stack of them."""
    if a.ndim > b.ndim == 2:
        return (a.reshape(-1, a.shape[-1]) @ b).reshape(*a.shape[:-1], b.shape[-1])
    return a @ b


def bounds(array: Any) -> tuple[Any, Any]:
    """Return the smallest and the largest number of an array that is not empty; a device is waited
    for once.
    """
    ends = backend_of(array).xp.stack([array.min(), array.max()])
    smallest, largest = to_numpy(ends).tolist()
    return smallest, largest


def address(array: Any) -> int:
    """Return where the numbers of an array begin, in bytes."""
    if isinstance(array, np.ndarray):
        return int(array.__array_interface__["data"][0])  # a third of the time of `ctypes`
    return array.data.ptr


def to_numpy(array: Any) -> np.ndarray:
    """Return the array in host memory; the same object for a NumPy array."""
    return array.get() if _is_cupys(array) else np.asarray(array)


@functools.cache
def _device() -> Backend | str:
    """CuPy with its first device, or why it cannot be used."""
    try:
        cupy = importlib.import_module("cupy")
        properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    except Exception as error:  # noqa: BLE001  CuPy raises different driver errors depending on what is missing.
        return _reason(error)
    backend = Backend("cupy", cupy, properties["name"].decode())
    try:
        with backend.guard("it was checked"):
            _check(backend)
    except DeviceError as error:
        return f"{UNUSABLE}{error}"
    return backend


def _reason(error: Exception) -> str:
    """Return why a device fails, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_REASON]


def _check(backend: Backend) -> None:
    """Let the device compile and run a kernel, and multiply, in both precisions. Raises when a
    result is wrong.
    """
    for dtype in (np.float16, np.float32):
        # Small whole numbers: every result is exact.
        host: Any = (np.arange(256, dtype=dtype) % 5).reshape(16, 16)
        there = backend.asarray(host)
        for expected, result in ((host * 2 - 3, there * 2 - 3), (host @ host.T, there @ there.T)):
            if not np.array_equal(to_numpy(result), expected):
                raise ArithmeticError(f"wrong results in {np.dtype(dtype)}")
