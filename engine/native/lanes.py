"""Sixteen float32 as one value, for kernels: a NumPy array in plain Python, one vector when compiled.

Winograd transforms read six rows and write six. Numba's loop vectoriser must assume that the rows overlap, and its code
runs several times slower than memory allows; a vector type makes the intent explicit. On machines with
narrower registers one value fills several. Multiplications and additions of lanes may fuse even in kernels without
``contract``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, overload, register_model, type_callable

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


# ---- instructions ---------------------------------------------------------------------------------------------------


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
def _native_prefetch(typing_context, array, offset):
    def codegen(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        builder.call(fetch, [pointer, number(0), number(3), number(1)])  # for reading, into all caches, of data
        return context.get_dummy_value()

    return numba.types.void(array, numba.types.int64), codegen


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
def _native_square_root(typing_context, x):
    def codegen(context, builder, signature, arguments):
        kind, name = ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.sqrt.v{LANES}f32"
        root = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(root, arguments)

    return _lanes(_lanes), codegen


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


# ---- what kernels call: plain Python, and the instruction that it is compiled to -------------------------------------


def load(array, offset):
    """Load 16 floats of a contiguous float32 [n] from ``offset`` on, unchecked when compiled. Supports + - * /."""
    return array[offset : offset + LANES].copy()


def store(array, offset, lanes):
    """Write sixteen floats into a contiguous float32 [n] array from ``offset`` on; unchecked when compiled."""
    array[offset : offset + LANES] = lanes


def splat(x):
    """Copy one number to all sixteen lanes."""
    return np.full(LANES, x, np.float32)


def spread(array, offset):
    """Copy one float of a contiguous float32 [n] array to all sixteen lanes; unchecked when compiled."""
    return np.full(LANES, array[offset], np.float32)


def prefetch(array, offset):
    """Begin to bring ``array[offset]`` and its neighbours into the cache; the place may lie outside the array."""


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


def square_root(lanes):
    """The square root in every lane."""
    return np.sqrt(lanes)


def scale_by_power(lanes, shifted):
    """x * 2^n in every lane, where ``shifted`` is 1.5 * 2^23 + n and the result is a normal number.

    Floats of that size have a spacing of 1, so the last bits of ``shifted`` are n; they are added to the exponent of x.
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


@overload(prefetch, inline="always")
def _prefetch(array, offset):
    return lambda array, offset: _native_prefetch(array, offset)


@overload(relu, inline="always")
def _relu(lanes):
    return lambda lanes: _native_relu(lanes)


@overload(lane_sum, inline="always")
def _lane_sum(lanes):
    return lambda lanes: _native_lane_sum(lanes)


@overload(minimum, inline="always")
def _minimum(lanes, limit):
    return lambda lanes, limit: _native_minimum(lanes, limit)


@overload(square_root, inline="always")
def _square_root(lanes):
    return lambda lanes: _native_square_root(lanes)


@overload(scale_by_power, inline="always")
def _scale_by_power(lanes, shifted):
    return lambda lanes, shifted: _native_scale_by_power(lanes, shifted)


@overload(where_positive, inline="always")
def _where_positive(sign, lanes):
    return lambda sign, lanes: _native_where_positive(sign, lanes)
