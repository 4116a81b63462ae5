"""Functions that are plain Python outside kernels, and LLVM code of our own inside them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

Emit = Callable[[Any, Any, Any, Any], Any]  # (context, builder, signature, arguments) -> the value, as Numba lowers


def instruction(plain: Callable[..., Any], signature: Callable[..., Any]) -> Callable[[Emit], Emit]:
    """Decorate what writes the code that kernels have in place of calls of a `plain` function.

    `signature` gives Numba's for the types of the arguments, which are converted to it.
    """

    def register(emit: Emit) -> Emit:
        @type_callable(plain)
        def typer(context: Any) -> Callable[..., Any]:
            def signature_of(*arguments: Any) -> Any:
                return signature(*arguments)

            signature_of.pysig = inspect.signature(plain)  # type: ignore[attr-defined]  # Numba binds the call by it.
            return signature_of

        lower_builtin(plain, types.VarArg(types.Any))(emit)
        return emit

    return register


def element_address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """The address of an element of a contiguous array."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def everywhere(builder: Any, vector: ir.VectorType, number: Any) -> Any:
    """A vector with one number in all its lanes."""
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)
