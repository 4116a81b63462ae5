"""Integer vectors for kernels: 32 int16 (shorts) or 16 int32 (ints) as one value, and dot products of both.

As in `lanes`, a value is a NumPy array in plain Python and one vector when compiled, which machines with narrower
registers split. Integers wrap around, and the result is the same with every instruction set: `dot_bytes` is one
instruction where the processor has AVX-512 VNNI, three with AVX2, and elsewhere computes the same sums from products.
`dot_shorts` is written in the form that LLVM turns into the processor's own sums of products of pairs.
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

from engine.native.lanes import LANES
from engine.native.lanes import _lanes as _floats

SHORTS = 32
INTS = 16
BYTES = 64  # bytes in one vector
_PROCESSOR = llvmlite.binding.get_host_cpu_features()

_I16, _I32 = ir.IntType(16), ir.IntType(32)
_BYTE_VECTOR = ir.VectorType(ir.IntType(8), SHORTS)
_SHORT_VECTOR = ir.VectorType(_I16, SHORTS)
_INT_VECTOR = ir.VectorType(_I32, INTS)


class _ShortsType(numba.types.Type):
    def __init__(self) -> None:
        super().__init__("Shorts")


class _IntsType(numba.types.Type):
    def __init__(self) -> None:
        super().__init__("Ints")


_shorts, _ints = _ShortsType(), _IntsType()


@register_model(_ShortsType)
class _ShortsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend_type: Any) -> None:
        super().__init__(manager, frontend_type, _SHORT_VECTOR)


@register_model(_IntsType)
class _IntsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend_type: Any) -> None:
        super().__init__(manager, frontend_type, _INT_VECTOR)


# ---- instructions ---------------------------------------------------------------------------------------------------


def _pointer(context, builder, vector, array_type, array, offset):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())


def _loader(kind, vector):
    @intrinsic
    def native_load(typing_context, array, offset):
        def codegen(context, builder, signature, arguments):
            return builder.load(_pointer(context, builder, vector, signature.args[0], *arguments), align=1)

        return kind(array, numba.types.int64), codegen

    return native_load


def _storer(kind, vector):
    @intrinsic
    def native_store(typing_context, array, offset, value):
        def codegen(context, builder, signature, arguments):
            pointer = _pointer(context, builder, vector, signature.args[0], *arguments[:2])
            builder.store(arguments[2], pointer, align=1)
            return context.get_dummy_value()

        return numba.types.void(array, numba.types.int64, kind), codegen

    return native_store


_native_load_shorts, _native_store_shorts = _loader(_shorts, _SHORT_VECTOR), _storer(_shorts, _SHORT_VECTOR)
_native_load_ints, _native_store_ints = _loader(_ints, _INT_VECTOR), _storer(_ints, _INT_VECTOR)


@intrinsic
def _native_clipped_product(typing_context, first, second):
    def codegen(context, builder, signature, arguments):
        least, most = ir.Constant(_SHORT_VECTOR, [0] * SHORTS), ir.Constant(_SHORT_VECTOR, [127] * SHORTS)
        clipped = []
        for x in arguments:
            x = builder.select(builder.icmp_signed(">", x, least), x, least)
            clipped.append(builder.select(builder.icmp_signed("<", x, most), x, most))
        return builder.lshr(builder.mul(*clipped), ir.Constant(_SHORT_VECTOR, [7] * SHORTS))

    return _shorts(_shorts, _shorts), codegen


@intrinsic
def _native_store_low_bytes(typing_context, array, offset, value):
    def codegen(context, builder, signature, arguments):
        pointer = _pointer(context, builder, _BYTE_VECTOR, signature.args[0], *arguments[:2])
        builder.store(builder.trunc(arguments[2], _BYTE_VECTOR), pointer, align=1)
        return context.get_dummy_value()

    return numba.types.void(array, numba.types.int64, _shorts), codegen


def _to_floats(first):
    @intrinsic
    def native_floats(typing_context, shorts):
        def codegen(context, builder, signature, arguments):
            half = ir.Constant(ir.VectorType(_I32, LANES), list(range(first, first + LANES)))
            shorts = builder.shuffle_vector(arguments[0], arguments[0], half)
            wide = builder.sext(shorts, ir.VectorType(_I32, LANES))
            return builder.sitofp(wide, ir.VectorType(ir.FloatType(), LANES))

        return _floats(_shorts), codegen

    return native_floats


_native_low_floats, _native_high_floats = _to_floats(0), _to_floats(LANES)


@intrinsic
def _native_splat_int(typing_context, x):
    def codegen(context, builder, signature, arguments):
        empty = ir.Constant(_INT_VECTOR, ir.Undefined)
        first = builder.insert_element(empty, arguments[0], ir.Constant(_I32, 0))
        return builder.shuffle_vector(first, empty, ir.Constant(_INT_VECTOR, [0] * INTS))

    return _ints(numba.types.int32), codegen


@intrinsic
def _native_splat_short(typing_context, x):
    def codegen(context, builder, signature, arguments):
        empty = ir.Constant(_SHORT_VECTOR, ir.Undefined)
        first = builder.insert_element(empty, arguments[0], ir.Constant(_I32, 0))
        return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_I32, SHORTS), [0] * SHORTS))

    return _shorts(numba.types.int16), codegen


@intrinsic
def _native_clip_shorts(typing_context, x, most):
    def codegen(context, builder, signature, arguments):
        x, most = arguments
        least = ir.Constant(_SHORT_VECTOR, [0] * SHORTS)
        x = builder.select(builder.icmp_signed(">", x, least), x, least)
        return builder.select(builder.icmp_signed("<", x, most), x, most)

    return _shorts(_shorts, _shorts), codegen


@intrinsic
def _native_high_product(typing_context, first, second):
    def codegen(context, builder, signature, arguments):
        wide = ir.VectorType(_I32, SHORTS)
        product = builder.mul(*(builder.sext(x, wide) for x in arguments))
        return builder.trunc(builder.ashr(product, ir.Constant(wide, [16] * SHORTS)), _SHORT_VECTOR)

    return _shorts(_shorts, _shorts), codegen


@intrinsic
def _native_dot_shorts(typing_context, total, first, second):
    def codegen(context, builder, signature, arguments):
        total, *shorts = arguments
        products = builder.mul(*(builder.sext(x, ir.VectorType(_I32, SHORTS)) for x in shorts))
        pairs = [
            builder.shuffle_vector(products, products, ir.Constant(_INT_VECTOR, list(range(k, SHORTS, 2))))
            for k in (0, 1)
        ]
        return builder.add(total, builder.add(*pairs))

    return _ints(_ints, _shorts, _shorts), codegen


@intrinsic
def _native_sum_ints(typing_context, ints):
    def codegen(context, builder, signature, arguments):
        kind = ir.FunctionType(_I32, [_INT_VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.vector.reduce.add.v16i32")
        return builder.call(function, arguments)

    return numba.types.int32(_ints), codegen


@intrinsic
def _dot_by_instruction(typing_context, total, unsigned_bytes, signed_bytes):
    def codegen(context, builder, signature, arguments):
        kind = ir.FunctionType(_INT_VECTOR, [_INT_VECTOR] * 3)
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.vpdpbusd.512")
        return builder.call(function, arguments)

    return _ints(_ints, _ints, _ints), codegen


@intrinsic
def _dot_by_products(typing_context, total, unsigned_bytes, signed_bytes):
    def codegen(context, builder, signature, arguments):
        total, *bytes_ = arguments
        eight, sixteen = ir.Constant(_SHORT_VECTOR, [8] * SHORTS), ir.Constant(_INT_VECTOR, [16] * INTS)
        unsigned, signed = (builder.bitcast(x, _SHORT_VECTOR) for x in bytes_)
        even = builder.and_(unsigned, ir.Constant(_SHORT_VECTOR, [255] * SHORTS))
        odd = builder.lshr(unsigned, eight)
        # The extreme product, 255 * -128, fits an int16; only the sums need more bits.
        products = builder.mul(even, builder.ashr(builder.shl(signed, eight), eight))
        for pair in (products, builder.mul(odd, builder.ashr(signed, eight))):
            pair = builder.bitcast(pair, _INT_VECTOR)
            total = builder.add(total, builder.ashr(builder.shl(pair, sixteen), sixteen))
            total = builder.add(total, builder.ashr(pair, sixteen))
        return total

    return _ints(_ints, _ints, _ints), codegen


@intrinsic
def _dot_by_pairs(typing_context, total, unsigned_bytes, signed_bytes):
    def codegen(context, builder, signature, arguments):
        def call(name: str, result: ir.Type, *operands: Any) -> Any:
            kind = ir.FunctionType(result, [operand.type for operand in operands])
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), operands)

        total, *bytes_ = arguments
        half, shorts = ir.VectorType(_I32, INTS // 2), ir.VectorType(_I16, INTS)
        ones, sums = ir.Constant(shorts, [1] * INTS), []
        for first in (0, INTS // 2):
            part = ir.Constant(half, list(range(first, first + INTS // 2)))
            operands = [builder.bitcast(builder.shuffle_vector(x, x, part), _BYTE_VECTOR) for x in bytes_]
            pairs = call("llvm.x86.avx2.pmadd.ub.sw", shorts, *operands)
            sums.append(call("llvm.x86.avx2.pmadd.wd", half, pairs, ones))
        return builder.add(total, builder.shuffle_vector(*sums, ir.Constant(_INT_VECTOR, list(range(INTS)))))

    return _ints(_ints, _ints, _ints), codegen


def _dot_instruction() -> Any:
    if _PROCESSOR.get("avx512vnni"):
        return _dot_by_instruction
    return _dot_by_pairs if _PROCESSOR.get("avx2") else _dot_by_products


_native_dot_bytes = _dot_instruction()


def _lower_operator(operation: Callable[..., Any], instruction: str) -> None:
    @type_callable(operation)
    def typing(context):
        return lambda a, b: a if a == b and a in (_shorts, _ints) else None

    for kind in (_ShortsType, _IntsType):

        @lower_builtin(operation, kind, kind)
        def lower(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments)


_lower_operator(operator.add, "add")
_lower_operator(operator.sub, "sub")
_lower_operator(operator.mul, "mul")


# ---- what kernels call: plain Python, and the instruction that it is compiled to -------------------------------------


def load_shorts(array, offset):
    """Load 32 numbers of a contiguous int16 [n] array from ``offset`` on, unchecked when compiled. Supports + - *."""
    return array[offset : offset + SHORTS].copy()


def store_shorts(array, offset, shorts):
    """Write 32 numbers into a contiguous int16 [n] array from ``offset`` on; unchecked when compiled."""
    array[offset : offset + SHORTS] = shorts


def load_ints(array, offset):
    """Load 16 ints of a contiguous int32 [n] array, or 64 bytes of an int8 one, from ``offset`` on.

    Unchecked when compiled. Supports + - *; bytes are operands of `dot_bytes`.
    """
    return array[offset : offset + BYTES // array.itemsize].copy().view(np.int32)


def store_ints(array, offset, ints):
    """Write 16 numbers into a contiguous int32 [n] array from ``offset`` on; unchecked when compiled."""
    array[offset : offset + INTS] = ints


def splat_int(x):
    """One int32 in all sixteen lanes."""
    return np.full(INTS, x, np.int32)


def low_floats(shorts):
    """The first sixteen of 32 shorts as floats (`lanes`)."""
    return shorts[:LANES].astype(np.float32)


def high_floats(shorts):
    """The last sixteen of 32 shorts as floats (`lanes`)."""
    return shorts[LANES:].astype(np.float32)


def clipped_product(first, second):
    """a * b >> 7 of two vectors of shorts, after both are clipped to 0..127."""
    return np.clip(first, 0, 127) * np.clip(second, 0, 127) >> 7


def store_low_bytes(array, offset, shorts):
    """Write the low byte of each of 32 shorts into a contiguous uint8 [n] array; unchecked when compiled."""
    array[offset : offset + SHORTS] = shorts.astype(np.uint8)


def splat_short(x):
    """One int16 in all 32 lanes."""
    return np.full(SHORTS, x, np.int16)


def clip_shorts(shorts, most):
    """min(max(x, 0), most) in every lane."""
    return np.minimum(np.maximum(shorts, np.int16(0)), most)


def high_product(first, second):
    """a * b >> 16 of two vectors of shorts, rounded down."""
    return (first.astype(np.int32) * second >> 16).astype(np.int16)


def dot_shorts(total, first, second):
    """Add a * b of lanes 2 i and 2 i + 1 of two vectors of shorts to total[i]."""
    return total + (first.astype(np.int32) * second).reshape(INTS, 2).sum(axis=1, dtype=np.int32)


def sum_ints(ints):
    """The sum of the sixteen lanes."""
    return ints.sum(dtype=np.int32)


def dot_bytes(total, unsigned_bytes, signed_bytes):
    """Add the four products of lane i's bytes, unsigned times signed, to total[i] in every lane i.

    Unsigned bytes are at most 128: the sum of two products then fits 16 bits, as AVX2's instruction needs.
    """
    products = unsigned_bytes.view(np.uint8).astype(np.int32) * signed_bytes.view(np.int8)
    return total + products.reshape(INTS, 4).sum(axis=1, dtype=np.int32)


@overload(load_shorts, inline="always")
def _load_shorts(array, offset):
    return lambda array, offset: _native_load_shorts(array, np.int64(offset))


@overload(store_shorts, inline="always")
def _store_shorts(array, offset, shorts):
    return lambda array, offset, shorts: _native_store_shorts(array, np.int64(offset), shorts)


@overload(load_ints, inline="always")
def _load_ints(array, offset):
    return lambda array, offset: _native_load_ints(array, np.int64(offset))


@overload(store_ints, inline="always")
def _store_ints(array, offset, ints):
    return lambda array, offset, ints: _native_store_ints(array, np.int64(offset), ints)


@overload(splat_int, inline="always")
def _splat_int(x):
    return lambda x: _native_splat_int(np.int32(x))


@overload(low_floats, inline="always")
def _low_floats(shorts):
    return lambda shorts: _native_low_floats(shorts)


@overload(high_floats, inline="always")
def _high_floats(shorts):
    return lambda shorts: _native_high_floats(shorts)


@overload(clipped_product, inline="always")
def _clipped_product(first, second):
    return lambda first, second: _native_clipped_product(first, second)


@overload(store_low_bytes, inline="always")
def _store_low_bytes(array, offset, shorts):
    return lambda array, offset, shorts: _native_store_low_bytes(array, np.int64(offset), shorts)


@overload(splat_short, inline="always")
def _splat_short(x):
    return lambda x: _native_splat_short(np.int16(x))


@overload(clip_shorts, inline="always")
def _clip_shorts(shorts, most):
    return lambda shorts, most: _native_clip_shorts(shorts, most)


@overload(high_product, inline="always")
def _high_product(first, second):
    return lambda first, second: _native_high_product(first, second)


@overload(dot_shorts, inline="always")
def _dot_shorts(total, first, second):
    return lambda total, first, second: _native_dot_shorts(total, first, second)


@overload(sum_ints, inline="always")
def _sum_ints(ints):
    return lambda ints: _native_sum_ints(ints)


@overload(dot_bytes, inline="always")
def _dot_bytes(total, unsigned_bytes, signed_bytes):
    return lambda total, unsigned_bytes, signed_bytes: _native_dot_bytes(total, unsigned_bytes, signed_bytes)
