"""Functions that are plain Python outside kernels, and LLVM code of our own inside them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import lower_builtin, models, register_model, type_callable
from numba.types import int64, void

# From the builder of LLVM's code, and from the arguments, to the value.
Emit = Callable[..., Any]


class Elements(NamedTuple):
    """A contiguous array, as what writes code gets it."""

    builder: Any
    first: Any  # the address of its first element
    dtype: Any  # of Numba's

    def address(self, index: Any, vector: ir.VectorType | None = None) -> Any:
        """Return the address of an element, or of a vector that begins with it."""
        place = self.builder.gep(self.first, [index])
        if vector is not None:
            place = self.builder.bitcast(place, vector.as_pointer())
        return place


def instruction(plain: Callable[..., Any], signature: Callable[..., Any]) -> Callable[[Emit], Emit]:
    """Decorate what writes the code that kernels have in place of calls of a `plain` function.

    `signature` gives Numba's for the types of the arguments, which are converted to it. Arrays are
    given as `Elements`. What writes nothing that has a value returns None.
    """

    def register(emit: Emit) -> Emit:
        @type_callable(plain)
        def typer(context: Any) -> Callable[..., Any]:
            def signature_of(*arguments: Any) -> Any:
                return signature(*arguments)

            signature_of.pysig = inspect.signature(plain)  # type: ignore[attr-defined]  # Numba binds the call by it.
            return signature_of

        @lower_builtin(plain, types.VarArg(types.Any))
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            operands = list(arguments)
            for place, kind in enumerate(signature.args):
                if isinstance(kind, types.Array):
                    array = context.make_array(kind)(context, builder, operands[place])
                    operands[place] = Elements(builder, array.data, kind.dtype)
            value = emit(builder, *operands)
            if value is None:
                value = context.get_dummy_value()
            return value

        return emit

    return register


def everywhere(builder: Any, vector: ir.VectorType, number: Any) -> Any:
    """Return a vector with one number in all its lanes."""
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


def call(builder: Any, name: str, result: Any, *operands: Any) -> Any:
    """Return what an instruction of LLVM's gives for operands."""
    kind = ir.FunctionType(result, [operand.type for operand in operands])
    return builder.call(get_or_insert_function(builder.module, kind, name), operands)


# ---- vectors: values of one machine register or several ------------------------------------------


_vectors: dict[str, Any] = {}  # types by name, as a pickled one finds itself again


def vector_type(name: str, vector: ir.VectorType, number: Any) -> Any:
    """Return a Numba type for values that are one `vector` of LLVM's, of numbers of a Numba type;
    both are attributes of the type.
    """
    kind = type(
        f"_{name}Type",
        (types.Type,),
        {"vector": vector, "number": number, "__reduce__": lambda self: (_vector, (name,))},
    )

    @register_model(kind)
    class Model(models.PrimitiveModel):
        def __init__(self, manager: Any, frontend_type: Any) -> None:
            super().__init__(manager, frontend_type, vector)

    return _vectors.setdefault(name, kind(name))


def _vector(name: str) -> Any:
    return _vectors[name]


def lower_operators(kind: Any, operators: Mapping[Callable[..., Any], str], **options: Any) -> None:
    """Let kernels apply Python's operators to two vectors of a type: each becomes the builder's
    instruction.
    """
    for operation, name in operators.items():

        @type_callable(operation)
        def typing(context: Any) -> Callable[[Any, Any], Any]:
            return lambda a, b: kind if a == b == kind else None

        @lower_builtin(operation, type(kind), type(kind))
        def lower(
            context: Any, builder: Any, signature: Any, arguments: Any, name: str = name
        ) -> Any:
            return getattr(builder, name)(*arguments, **options)


def loads(kind: Any) -> Callable[..., Any]:
    """Return (array, offset) -> a vector of a contiguous array of the same or of smaller numbers,
    unchecked when compiled.
    """

    def load(array: Any, offset: Any) -> Any:
        size = kind.vector.count * kind.number.bitwidth // 8
        return array[offset : offset + size // array.itemsize].copy().view(kind.number.name)

    @instruction(load, lambda array, offset: kind(array, int64))
    def lower(builder: Any, array: Any, offset: Any) -> Any:
        return builder.load(array.address(offset, kind.vector), align=1)

    return load


def store_vector(array: Any, offset: Any, vector: Any) -> None:
    """Write a vector of any type into a contiguous array, unchecked when compiled."""
    array[offset : offset + len(vector)] = vector


@instruction(store_vector, lambda array, offset, vector: void(array, int64, vector))
def _store_vector(builder: Any, array: Any, offset: Any, vector: Any) -> None:
    builder.store(vector, array.address(offset, vector.type), align=1)


def spreads(kind: Any) -> Callable[..., Any]:
    """Return (array, offset) -> one number of a contiguous array in all lanes, unchecked when
    compiled.
    """

    def spread(array: Any, offset: Any) -> Any:
        return np.full(kind.vector.count, array[offset])

    @instruction(spread, lambda array, offset: kind(array, int64))
    def lower(builder: Any, array: Any, offset: Any) -> Any:
        return everywhere(builder, kind.vector, builder.load(array.address(offset)))

    return spread


def splats(kind: Any) -> Callable[..., Any]:
    """Return x -> one number in all lanes."""

    def splat(x: Any) -> Any:
        return np.full(kind.vector.count, x, kind.number.name)

    @instruction(splat, lambda x: kind(kind.number))
    def lower(builder: Any, x: Any) -> Any:
        return everywhere(builder, kind.vector, x)

    return splat
