"""The only module that imports numba: the ``kernel`` decorator, its cache folder, three bit intrinsics and a
vector of sixteen floats.

Numba keys a cached kernel by the file that defines it, so a change in another module's callee would leave the old
machine code in the cache. Here every module's kernels get a folder of their own whose name is a hash over the source
of that module and of every project module it imports, directly or not.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import operator
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic, lower_builtin, models, overload, register_model, type_callable

CACHE_ENVIRONMENT_VARIABLE = "AINO_CACHE_DIR"
_SOURCE_ROOT = Path(__file__).resolve().parent.parent
_IMPORT = re.compile(
    r"^\s*from\s+((?:engine|selfplay)[\w.]*)\s+import\s+(?:\(([^)]*)\)|([^(\n]*))"
    r"|^\s*import\s+((?:engine|selfplay)[\w.]*)",
    re.MULTILINE,
)


def kernel(contract: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function to native code: GIL-free, cached on disk, division by zero as NumPy does it.

    ``contract`` lets multiply-adds fuse (inference only: it changes the last bit). Nothing uses full fast-math.
    The plain Python function stays reachable as ``.py_func``. A constant argument compiles a version of its own: call
    kernels with ``np.int64(CONSTANT)``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        folder = cache_folder(Path(function.__code__.co_filename))
        if folder is not None:
            numba.config.CACHE_DIR = str(folder)
        compiled = numba.njit(
            cache=folder is not None,
            nogil=True,
            error_model="numpy",
            no_cfunc_wrapper=True,  # nobody calls kernels from C, and it saves an eighth of the compile time
            fastmath={"contract"} if contract else False,
        )(function)
        if numba.config.DISABLE_JIT:
            compiled.py_func = function  # Numba gave back the function itself
        elif folder is not None:
            compiled._cache = _ForgivingCache(compiled._cache)
        return compiled

    return decorate


class _ForgivingCache:
    """Numba's cache of one kernel, where a full disk or a damaged file costs a compilation and not the kernel."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        try:
            return self._cache.load_overload(signature, target_context)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - reading a file that a power failure cut can raise anything
            with contextlib.suppress(OSError):
                self._cache.flush()
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            self._cache.save_overload(signature, data)


# ---- where compiled kernels live ----------------------------------------------------------------------------------


def cache_folder(source: Path) -> Path | None:
    """The folder for the kernels of one module, or None where no place on this machine can be written."""
    base = cache_base()
    return None if base is None else base / _closure_hash(source.resolve())


@functools.cache
def cache_base() -> Path | None:
    """First writable of $AINO_CACHE_DIR, the user's cache folder and the temporary folder; None if there is none."""
    candidates = [os.environ.get(CACHE_ENVIRONMENT_VARIABLE), _user_cache_folder(), _temporary_folder()]
    for candidate in candidates:
        if not candidate:
            continue
        folder = Path(candidate).expanduser() / "aino-kernels"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


def _user_cache_folder() -> str:
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA", "")
    if sys.platform == "darwin":
        return "~/Library/Caches"
    return os.environ.get("XDG_CACHE_HOME", "") or "~/.cache"


def _temporary_folder() -> str:
    """A folder of this user alone below the temporary one; "" where it is not: what lies in a cache is run."""
    if os.name != "posix":
        return tempfile.gettempdir()
    folder = Path(tempfile.gettempdir()) / f"aino-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return ""
    return str(folder) if status.st_uid == os.getuid() and not status.st_mode & 0o022 else ""


@functools.cache
def _closure_hash(source: Path) -> str:
    """Hash over a module's source and the sources of all project modules it reaches by imports."""
    digest = hashlib.sha256(numba.__version__.encode())
    if numba.config.BOUNDSCHECK:
        digest.update(b"bounds checked")  # Numba's own cache would hand out unchecked code
    reached: set[Path] = set()
    waiting = [source]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        waiting.extend(_project_imports(path))
    for path in sorted(reached):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def _project_imports(path: Path) -> tuple[Path, ...]:
    found = []
    for module, several, names, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
        base = _SOURCE_ROOT.joinpath(*(module or plain).split("."))
        words = re.findall(r"(\w+)(?:\s+as\s+\w+)?", several or names)
        submodules = [base / word for word in words]
        found += [p.with_suffix(".py") for p in (base, *submodules) if p.with_suffix(".py").is_file()]
    return tuple(found)


# ---- bit intrinsics: one machine instruction each, plain Python beside it -----------------------------------------


@intrinsic
def _native_ctz(typing_context, x):
    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], context.get_constant(numba.types.boolean, False))

    return numba.types.int64(numba.types.uint64), codegen


@intrinsic
def _native_popcount(typing_context, x):
    def codegen(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return numba.types.int64(numba.types.uint64), codegen


@intrinsic
def _native_byteswap(typing_context, x):
    def codegen(context, builder, signature, arguments):
        return builder.bswap(arguments[0])

    return numba.types.uint64(numba.types.uint64), codegen


def ctz(x):
    """Number of trailing zero bits of a uint64: the lowest square of a bitboard; 64 for an empty one."""
    x = int(x)
    return (x & -x).bit_length() - 1 if x else 64


def popcount(x):
    """Number of set bits of a uint64."""
    return int(x).bit_count()


def byteswap(x):
    """A uint64 with its bytes reversed: a bitboard mirrored vertically (rank 1 <-> rank 8)."""
    return np.uint64(int.from_bytes(int(x).to_bytes(8, "little"), "big"))


@overload(ctz, inline="always")
def _ctz(x):
    return lambda x: _native_ctz(np.uint64(x))


@overload(popcount, inline="always")
def _popcount(x):
    return lambda x: _native_popcount(np.uint64(x))


@overload(byteswap, inline="always")
def _byteswap(x):
    return lambda x: _native_byteswap(np.uint64(x))


# ---- lanes: sixteen float32 as one value, NumPy arrays in plain Python --------------------------------------------
# Winograd transforms read six rows and write six. Numba's loop vectoriser must assume that these overlap and ends up
# several times slower than the memory; a vector type says what is meant. Machines with narrower registers split it.

LANES = 16
WIDE_REGISTERS = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))  # one lane fits one register
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


class _LanesType(numba.types.Type):
    def __init__(self) -> None:
        super().__init__("Lanes")


_lanes = _LanesType()


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend_type: Any) -> None:
        super().__init__(manager, frontend_type, _VECTOR)


def _vector_pointer(context, builder, array_type, array, offset):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), _VECTOR.as_pointer())


@intrinsic
def _native_load(typing_context, array, offset):
    def codegen(context, builder, signature, arguments):
        pointer = _vector_pointer(context, builder, signature.args[0], *arguments)
        return builder.load(pointer, align=4)

    return _lanes(array, numba.types.int64), codegen


@intrinsic
def _native_store(typing_context, array, offset, value):
    def codegen(context, builder, signature, arguments):
        pointer = _vector_pointer(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], pointer, align=4)
        return context.get_dummy_value()

    return numba.types.void(array, numba.types.int64, _lanes), codegen


@intrinsic
def _native_splat(typing_context, x):
    def codegen(context, builder, signature, arguments):
        empty = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(empty, arguments[0], ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(first, empty, everywhere)

    return _lanes(numba.types.float32), codegen


@intrinsic
def _native_spread(typing_context, array, offset):
    def codegen(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        number = builder.load(builder.gep(data, [arguments[1]]))
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), everywhere)

    return _lanes(array, numba.types.int64), codegen


@intrinsic
def _native_relu(typing_context, x):
    def codegen(context, builder, signature, arguments):
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        return builder.select(builder.fcmp_ordered(">", arguments[0], zero), arguments[0], zero)

    return _lanes(_lanes), codegen


@intrinsic
def _native_lane_sum(typing_context, x):
    def codegen(context, builder, signature, arguments):
        total, width = arguments[0], LANES
        while width > 1:  # fold the upper half onto the lower: a fixed tree, so the bits never vary
            width //= 2
            halves = [ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(k, k + width))) for k in (0, width)]
            low, high = (builder.shuffle_vector(total, total, half) for half in halves)
            total = builder.fadd(low, high)
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return numba.types.float32(_lanes), codegen


@intrinsic
def _native_where_positive(typing_context, sign, x):
    def codegen(context, builder, signature, arguments):
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        return builder.select(builder.fcmp_ordered(">", arguments[0], zero), arguments[1], zero)

    return _lanes(_lanes, _lanes), codegen


@intrinsic
def _native_minimum(typing_context, x, limit):
    def codegen(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered("<", *arguments), *arguments)

    return _lanes(_lanes, _lanes), codegen


@intrinsic
def _native_scale_by_power(typing_context, x, shifted):
    def codegen(context, builder, signature, arguments):
        integers = ir.VectorType(ir.IntType(32), LANES)
        bits, power = (builder.bitcast(argument, integers) for argument in arguments)
        return builder.bitcast(builder.add(bits, builder.shl(power, ir.Constant(integers, [23] * LANES))), _VECTOR)

    return _lanes(_lanes, _lanes), codegen


def _lower_operator(operation: Callable[..., Any], instruction: str) -> None:
    @type_callable(operation)
    def typing(context):
        return lambda a, b: _lanes if a == _lanes and b == _lanes else None

    @lower_builtin(operation, _LanesType, _LanesType)
    def lower(context, builder, signature, arguments):
        return getattr(builder, instruction)(*arguments, flags=("contract",))


_lower_operator(operator.add, "fadd")
_lower_operator(operator.sub, "fsub")
_lower_operator(operator.mul, "fmul")
_lower_operator(operator.truediv, "fdiv")


def load(array, offset):
    """Sixteen floats of a contiguous float32 [n] from ``offset`` on, unchecked when compiled; they know + - * /."""
    return array[offset : offset + LANES].copy()


def store(array, offset, lanes):
    """Write sixteen floats into a contiguous float32 [n] array from ``offset`` on; unchecked when compiled."""
    array[offset : offset + LANES] = lanes


def splat(x):
    """One number in all sixteen lanes."""
    return np.full(LANES, x, np.float32)


def spread(array, offset):
    """One float of a contiguous float32 [n] array in all sixteen lanes; unchecked when compiled."""
    return np.full(LANES, array[offset], np.float32)


def relu(lanes):
    """max(x, 0) in every lane."""
    return np.maximum(lanes, np.float32(0))


def lane_sum(lanes):
    """The sum of the sixteen lanes, halves added pairwise."""
    while len(lanes) > 1:
        lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
    return lanes[0]


def minimum(lanes, limit):
    """The smaller of two numbers in every lane."""
    return np.minimum(lanes, limit)


def scale_by_power(lanes, shifted):
    """x * 2^n in every lane, for a result that is a normal number; n is given as 1.5 * 2^23 + n.

    A float that large counts in ones, so that its last bits are n: they are added to the exponent of x.
    """
    return (lanes * np.exp2(shifted - np.float32(1.5 * 2**23))).astype(np.float32)


def where_positive(sign, lanes):
    """x where the lane's ``sign`` is > 0, else 0: what ReLU does to a gradient."""
    return np.where(sign > 0, lanes, np.float32(0))


@overload(load, inline="always")
def _load(array, offset):
    return lambda array, offset: _native_load(array, offset)


@overload(store, inline="always")
def _store(array, offset, lanes):
    return lambda array, offset, lanes: _native_store(array, offset, lanes)


@overload(splat, inline="always")
def _splat(x):
    return lambda x: _native_splat(np.float32(x))


@overload(spread, inline="always")
def _spread(array, offset):
    return lambda array, offset: _native_spread(array, offset)


@overload(relu, inline="always")
def _relu(lanes):
    return lambda lanes: _native_relu(lanes)


@overload(lane_sum, inline="always")
def _lane_sum(lanes):
    return lambda lanes: _native_lane_sum(lanes)


@overload(minimum, inline="always")
def _minimum(lanes, limit):
    return lambda lanes, limit: _native_minimum(lanes, limit)


@overload(scale_by_power, inline="always")
def _scale_by_power(lanes, shifted):
    return lambda lanes, shifted: _native_scale_by_power(lanes, shifted)


@overload(where_positive, inline="always")
def _where_positive(sign, lanes):
    return lambda sign, lanes: _native_where_positive(sign, lanes)
