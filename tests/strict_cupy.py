"""A stand-in for CuPy on machines without a GPU: it computes right values on the processor and is
stricter than CuPy.

    with strict_cupy() as device:                 # `import cupy` gives the stand-in, and `Backend cupy` can be used
        ...
    device.counts["wait"], device.counts["launch"]

- Its arrays refuse every implicit conversion, arithmetic with NumPy arrays, and NumPy scalars that
  change a dtype.
- It has the functions, methods and parameters that the CuPy of `cupy_table.json` has, and no
  others.
- It counts launches, copies and waits. How many launches a call of inference takes was counted once
  with real CuPy 13.3 and 14.2 on a driver that computes nothing.
- Queued downloads read as NaN until somebody waits for them; to change what a queued upload reads
  is one of the `faults`, which `strict_cupy` raises at the end.
- `fail` lets calls fail as a broken device does.
"""

import contextlib
import inspect
import json
import operator
import re
import sys
import threading
import types
from collections import Counter
from pathlib import Path

import numpy as np

import engine.backend

TABLE = json.loads(Path(__file__).with_name("cupy_table.json").read_text(encoding="utf-8"))
# What makes an array without a launch; views are made so, too.
UNLAUNCHED = "zeros empty zeros_like empty_like".split()
# other results are C-contiguous
KEEP_ORDER = "astype zeros_like empty_like ones_like copy".split()
WAITING = {"nonzero", "lib.stride_tricks.sliding_window_view"}
# ufuncs whose `at` CuPy has
AT = "add subtract maximum minimum bitwise_and bitwise_or".split()


class OutOfMemoryError(MemoryError):
    """As CuPy's."""


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


class Device:
    """The pretended GPU: its streams, its memory, what was counted, and how it fails."""

    def __init__(self):
        # By kind: "launch", "product" (a launch, too), "wait", "upload", "download", "alloc".
        self.counts = Counter()
        self.faults = []
        self.pinned = []
        self._failures = {}
        self.null = Stream(self)

    def fail(self, kind, error, after=0):
        """From now on let every call of this kind raise; the first `after` ones still work."""
        self._failures[kind] = after, error

    def heal(self):
        """Let nothing fail any more."""
        self._failures.clear()

    def note(self, kind, count=1):
        """Count, or fail."""
        if kind in self._failures:
            left, error = self._failures[kind]
            self._failures[kind] = left - count, error
            if left < count:
                raise error
        if not _state.fusing:
            self.counts[kind] += count


class _State(threading.local):
    fusing = False

    def __init__(self):
        self.streams = []


_state = _State()


# ---- streams -------------------------------------------------------------------------------------


class Stream:
    """A queue of work; copies from and to pinned memory are done when it is waited for."""

    def __init__(self, device, non_blocking=False):
        self.device = device
        self._pending = []

    def __enter__(self):
        _state.streams.append(self)
        return self

    def __exit__(self, *error):
        _state.streams.pop()

    def later(self, action):
        self._pending.append(action)

    def synchronize(self):
        self.device.note("wait")
        pending = self._pending
        self._pending = []
        for action in pending:
            action()


def _stream(device):
    return _state.streams[-1] if _state.streams else device.null


# ---- arrays --------------------------------------------------------------------------------------


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """Like `cupy.ndarray`."""

    def __init__(self, device, values, is_view=False):
        self._device = device
        self._values = values
        self.data = types.SimpleNamespace(ptr=values.ctypes.data)
        if not is_view:
            device.note("alloc")

    def __array_ufunc__(self, ufunc, method, *arguments, out=None):
        """An operator, which NumPy asks for."""
        group = "functions" if ufunc is np.matmul else "ufuncs"
        options = {} if out is None else {"out": out[0]}
        return _call(self._device, ufunc.__name__, group, ufunc, arguments, options)

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __getattr__(self, name):
        if name == "T":
            return self.transpose()
        if name in ("base", "device", "flat", "cstruct") or name not in TABLE["attributes"]:
            if name not in TABLE["methods"]:
                raise AttributeError(f"CuPy's arrays have no {name!r}")
            if _state.fusing and name != "astype":
                raise TypeError(f"fusing: no method {name!r}")
            method = getattr(np.ndarray, name)
            return lambda *arguments, **options: _call(
                self._device, name, "methods", method, (self, *arguments), options
            )
        return getattr(self._values, name)

    def __getitem__(self, place):
        _refuse_fusing("indexing")
        arrays = _indices(place)
        masks = [index for index in arrays if index.dtype == bool]
        result = self._values[_plain(place)]
        if not arrays:
            return ndarray(self._device, np.asarray(result), is_view=True)
        if masks:
            self._device.note("launch")
            _wait(self._device)
        return _new(self._device, np.asarray(result))

    def __setitem__(self, place, value):
        _refuse_fusing("assignment")
        if isinstance(value, np.ndarray):
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        arrays = _indices(place)
        if any(index.dtype == bool for index in arrays):
            _wait(self._device)
        self._values[_plain(place)] = _plain(value)
        self._device.note("launch", 2 if arrays else 1)

    def __len__(self):
        return len(self._values)

    def __deepcopy__(self, memo):
        return self.copy()

    def __iter__(self):
        return (self[place] for place in range(len(self)))

    def get(self, stream=None, out=None, blocking=True):
        """Copy to host memory: at once, or into `out` whenever the stream is waited for."""
        queue = stream or _stream(self._device)
        self._device.note("download")
        if not self._values.flags.c_contiguous:
            self._device.note("launch")
        values = np.array(self._values, order="C")
        if out is None:
            queue.synchronize()
            return values
        if (out.shape, out.dtype) != (values.shape, values.dtype) or not out.flags.c_contiguous:
            raise ValueError("expected an array of the same shape and dtype to copy to")
        if not _is_pinned(self._device, out):
            self._device.faults.append(
                "a queued copy to memory that is not pinned waits for the device"
            )
        out.fill(np.nan if out.dtype.kind == "f" else 77)
        queue.later(lambda: out.__setitem__(..., values))
        return out

    def set(self, arr, stream=None):
        """Copy from host memory."""
        if not isinstance(arr, np.ndarray) or (arr.shape, arr.dtype) != (self.shape, self.dtype):
            raise TypeError("expected a NumPy array of the same shape and dtype")
        queue = stream or _stream(self._device)
        self._device.note("upload")
        self._values[...] = arr
        if _is_pinned(self._device, arr):
            queued = arr.copy()
            queue.later(lambda: self._compare(arr, queued))

    def _compare(self, now, then):
        if now.tobytes() != then.tobytes():
            self._device.faults.append("host memory was changed while a queued upload read it")


ndarray.__module__ = "cupy"


def _refuse_fusing(what):
    if _state.fusing:
        raise TypeError(f"fusing: no {what}")


def _is_pinned(device, array):
    return any(np.shares_memory(array, pinned) for pinned in device.pinned)


def _plain(value):
    """The values behind an argument; NumPy arrays are refused."""
    if isinstance(value, ndarray):
        return value._values
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return type(value)(_plain(part) for part in value) if type(value) in (tuple, list) else value


def _indices(place):
    """The arrays of an index. CuPy would upload others, and wraps what is out of range; NumPy
    raises.
    """
    parts = place if isinstance(place, tuple) else (place,)
    if any(isinstance(part, np.ndarray | list) for part in parts):
        raise TypeError("an index in host memory: upload it first")
    return [part for part in parts if isinstance(part, ndarray)]


def _arrays(value):
    if isinstance(value, ndarray):
        return [value]
    if not isinstance(value, tuple | list):
        return []
    return [array for part in value for array in _arrays(part)]


def _wait(device):
    device.note("download")
    _stream(device).synchronize()


def _note_call(device, name, launches):
    device.note("product" if name == "matmul" else "launch", launches)


def _new(device, values, name="", launches=1):
    """A new array, written by a kernel."""
    if name not in KEEP_ORDER:
        values = np.asarray(values, order="C")
    result = ndarray(device, values)
    _note_call(device, name, launches)
    return result


def _check_call(name, group, count, options):
    """Refuse parameters that CuPy lacks."""
    if name not in TABLE[group]:
        raise AttributeError(f"CuPy has no {name!r}")
    text = "*x, out, dtype, casting" if group == "ufuncs" else TABLE[group][name]
    unknown = options.keys() - set(text.split(", "))
    if unknown and "**" not in text:
        raise TypeError(f"CuPy: {name}() has no parameter {sorted(unknown)[0]!r}")
    most = len(re.findall(r"\w+", text.partition("*")[0]))
    if count > most and not re.search(r"\*\w", text):
        raise TypeError(f"CuPy: {name}() takes {most} arguments by place, got {count}")


def _call(device, name, group, function, arguments, options):
    """Call a NumPy function on arrays of the device, as CuPy would."""
    _check_call(name, group, len(arguments) - (group == "methods"), options)
    reads = _arrays([*arguments, *options.values()])
    if group == "ufuncs" or name in ("where", "clip"):
        _check_mixture(name, arguments)
    elif _state.fusing and name not in ("astype", "sum"):
        raise TypeError(f"fusing: no function {name!r}")
    out = options.get("out")
    if name == "matmul":
        function = _product
    plain_options = {key: _plain(value) for key, value in options.items()}
    with np.errstate(all="ignore"):
        result = function(*_plain(arguments), **plain_options)
    if out is not None:
        _note_call(device, name, 1)
        return out
    if name in WAITING:
        _wait(device)
    results = [
        _result(device, name, np.asarray(values), arguments, reads) for values in _sequence(result)
    ]
    return tuple(results) if isinstance(result, tuple | list) else results[0]


def _product(a, b, out=None):
    """A matrix product; sums of half precision are kept in float32, as on a device."""
    dtype = np.result_type(a, b)
    if a.dtype == b.dtype == np.float16:
        a = a.astype(np.float32)
        b = b.astype(np.float32)
    return np.matmul(a, b, out, dtype=np.result_type(a, b), casting="unsafe").astype(
        dtype, copy=False
    )


def _sequence(result):
    return tuple(result) if isinstance(result, tuple | list) else (result,)


def _result(device, name, values, arguments, reads):
    for array in reads:
        if values.size and np.may_share_memory(values, array._values):
            return ndarray(device, values, is_view=True)
    launches = int(name not in UNLAUNCHED)
    if name in ("concatenate", "stack"):
        launches = len(reads)
    elif name == "where":
        launches += sum(not isinstance(value, ndarray) for value in arguments)
    elif name == "mean" and reads[0].dtype == np.float16:
        launches = 2
    elif name == "matmul":
        copies = sum(not _fits_product(array._values) for array in reads)
        device.note("launch", copies + 3 * (reads[0].ndim != reads[1].ndim))
    return _new(device, values, name, launches)


def _fits_product(values):
    """Whether a product takes an array as it lies in memory."""
    flags = values.flags
    return flags.c_contiguous or (flags.f_contiguous and values.ndim == 2)


def _check_mixture(name, arguments):
    """Refuse NumPy scalars that change the dtype, which CuPy 13 and 14 do differently, and dtypes
    that CuPy lacks.
    """
    arrays = [value for value in arguments if isinstance(value, ndarray)]
    if not arrays or any(isinstance(value, list) for value in arguments):
        raise TypeError(f"{name}: expected arrays of the device")
    dtype = np.result_type(*(value.dtype for value in arrays))
    for value in arguments:
        if isinstance(value, np.generic) and np.result_type(value.dtype, dtype) != dtype:
            raise TypeError(
                f"{name}: {value.dtype} scalar beside {dtype} arrays gives another dtype in each CuPy"
            )
    signatures = [types.partition("->")[0] for types in TABLE["ufuncs"].get(name, "").split()]
    dtypes = [value.dtype for value in arrays]
    fits = any(
        all(map(np.can_cast, dtypes, types)) for types in signatures if len(types) == len(dtypes)
    )
    if signatures and len(arrays) == len(arguments) and not fits:
        raise TypeError(f"CuPy: {name} is not supported for {dtypes}")


# ---- values --------------------------------------------------------------------------------------


def _to_python(kind):
    def convert(self):
        if _state.fusing:
            raise TypeError("fusing: no value is known yet")
        return kind(self.get())

    return convert


for _kind_of_value in (bool, int, float):
    setattr(ndarray, f"__{_kind_of_value.__name__}__", _to_python(_kind_of_value))
ndarray.__index__ = _to_python(operator.index)
ndarray.item = ndarray.tolist = _to_python(lambda values: values.tolist())


# ---- the module ----------------------------------------------------------------------------------


class _Ufunc:
    def __init__(self, device, name):
        self._device = device
        self._name = name
        self._function = getattr(np, name)

    def __call__(self, *arguments, **options):
        return _call(self._device, self._name, "ufuncs", self._function, arguments, options)

    def at(self, a, indices, b=None):
        if self._name not in AT:
            raise AttributeError(f"CuPy's {self._name} has no `at`")
        _indices(indices)
        self._function.at(a._values, _plain(indices), _plain(b))
        self._device.note("launch", 2)


class _Module(types.ModuleType):
    """`cupy` or a part of it, with what the table has."""

    def __init__(self, device, path, source):
        super().__init__(f"cupy.{path}".rstrip("."))
        self._device = device
        self._path = path
        self._source = source

    def __getattr__(self, name):
        full = f"{self._path}.{name}".lstrip(".")
        if full in TABLE["ufuncs"]:
            return _Ufunc(self._device, name)
        if full in TABLE["functions"]:
            function = getattr(self._source, name)
            return lambda *arguments, **options: _call(
                self._device, full, "functions", function, arguments, options
            )
        if full in TABLE["constants"] and not isinstance(
            getattr(self._source, name), type(np.ndarray.copy)
        ):
            return getattr(self._source, name)
        raise AttributeError(f"CuPy has no {full!r}")


def _asarray(device, array, dtype=None):
    """`cupy.asarray`: the same array, a cast one, or an upload."""
    if isinstance(array, ndarray):
        return array if dtype is None or array.dtype == dtype else array.astype(dtype)
    device.note("upload")
    return ndarray(device, np.array(array, dtype, order="C"))


def _fuse(device):
    """`cupy.fuse`: a function of elementwise operations, which becomes one kernel."""

    def decorate(function):
        if not inspect.isfunction(function) or not re.fullmatch(r"[a-z_]\w*", function.__name__):
            raise TypeError("only a function with a name can be fused")

        def fused(*arguments):
            if _state.fusing:
                return function(*arguments)
            _plain(arguments)
            _state.fusing = True
            try:
                results = _sequence(function(*arguments))
            finally:
                _state.fusing = False
            device.note("launch")
            return results if len(results) > 1 else results[0]

        return fused

    return decorate


def _make(device):
    cupy = _Module(device, "", np)
    values = {
        "__version__": TABLE["version"],
        "ndarray": ndarray,
        "asarray": lambda a, dtype=None: _asarray(device, a, dtype),
        "fuse": lambda: _fuse(device),
        "linalg": _Module(device, "linalg", np.linalg),
    }
    tricks = _Module(device, "lib.stride_tricks", np.lib.stride_tricks)
    values["lib"] = types.SimpleNamespace(stride_tricks=tricks)
    runtime = types.SimpleNamespace(getDeviceProperties=lambda number: {"name": b"a stand-in"})
    values["cuda"] = types.SimpleNamespace(
        runtime=runtime,
        Device=lambda *number: types.SimpleNamespace(id=0, synchronize=device.null.synchronize),
        Stream=lambda non_blocking=False: Stream(device, non_blocking),
    )
    vars(cupy).update(values)
    cupyx = types.ModuleType("cupyx")

    def empty_pinned(shape, dtype):
        device.pinned.append(np.empty(shape, dtype))
        return device.pinned[-1]

    cupyx.empty_pinned = empty_pinned
    return {"cupy": cupy, "cupyx": cupyx}


@contextlib.contextmanager
def strict_cupy():
    """Put the stand-in in the place of CuPy. At the end, AssertionError tells the faults left."""
    device = Device()
    modules = _make(device)
    modules_before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    engine.backend._device.cache_clear()
    try:
        yield device
        device.heal()
        device.null.synchronize()
    finally:
        engine.backend._device.cache_clear()
        for name, module in modules_before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module
    assert not device.faults, device.faults
