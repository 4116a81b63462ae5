"""NumPy or CuPy behind one object. This is the only module that imports cupy.

Layer code asks ``backend_of(x).xp`` for the array module of its input, so the same lines work with both. CuPy imports
without a driver and fails only at the first call, so a CuPy backend exists only after a device has answered.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from engine.errors import ConfigError

BACKEND_NAMES = ("auto", "numpy", "cupy")


@dataclass(frozen=True)
class Backend:
    """A place where arrays live: ``xp`` is its array module (numpy or cupy), ``device`` its name for people."""

    name: str
    xp: Any
    device: str

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        """The array on this backend; the same object if it is already there with that dtype."""
        source = array if isinstance(array, np.ndarray) or self.name != "numpy" else to_numpy(array)
        return self.xp.asarray(source, dtype=dtype)

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Host memory that a device can copy to and from while the host keeps working."""
        if self.name == "numpy":
            return np.empty(shape, dtype)
        return importlib.import_module("cupyx").empty_pinned(shape, dtype)

    def lane(self) -> Lane:
        """A new queue of work for the device, independent of other queues."""
        return Lane(None if self.name == "numpy" else self.xp.cuda.Stream(non_blocking=True))

    def versions(self) -> dict[str, str]:
        """Library versions for the provenance of saved files."""
        versions = {"numpy": np.__version__}
        if self.name != "numpy":
            versions[self.name] = self.xp.__version__
        return versions


class Lane:
    """A queue of work on a device: inside `with lane:` array operations join the queue in order and return at once.

    On NumPy (no stream) every operation runs immediately. Host arrays used in copies should be `pinned`; do not touch
    them until `wait` returns.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        if self._stream is not None:
            self._stream.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._stream is not None:
            self._stream.__exit__(*error)

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
    """The backend with this name; ``auto`` is CuPy if it imports and a device answers, else NumPy.

    Raises ConfigError for an unknown name, and for ``cupy`` without a working device.
    """
    if name not in BACKEND_NAMES:
        raise ConfigError(f"backend must be one of {', '.join(BACKEND_NAMES)}, not {name!r}")
    if name == "numpy":
        return NUMPY
    backend = _cupy_backend()
    if backend is not None:
        return backend
    if name == "cupy":
        raise ConfigError("backend 'cupy' needs the cupy package and a GPU that answers; neither is usable here")
    return NUMPY


def backend_of(array: Any) -> Backend:
    """The backend an array lives on."""
    if type(array).__module__.partition(".")[0] == "cupy":
        return get_backend("cupy")
    return NUMPY


def backend_of_all(tensors: Mapping[str, Any]) -> Backend:
    """The backend that all these arrays share; NumPy if there are no arrays."""
    return next((backend_of(array) for array in tensors.values()), NUMPY)


def to_numpy(array: Any) -> np.ndarray:
    """The array in host memory; the same object for a NumPy array."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


@functools.cache
def _cupy_backend() -> Backend | None:
    try:
        cupy = importlib.import_module("cupy")
        properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    except Exception:  # noqa: BLE001  CuPy raises different driver errors depending on what is missing.
        return None
    return Backend("cupy", cupy, properties["name"].decode())
