"""What a kernel's machine code depends on: its own code, that of all kernels it reaches, and the
constants they use.

Numba keys a cached kernel by the file that defines it, so a change in another module's callee would
leave the old machine code in the cache, and a changed comment would compile everything again. Here
the key is made of Python's byte code, without docstrings and line numbers. The instructions that
`engine.native` adds to Numba in LLVM's language count all together, by `code_digest`.
"""

import enum
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
from numba.core import types

from engine.native.by_type import ByType

_CONSTANTS = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    np.generic,
    np.dtype,
    enum.Enum,
    types.Type,
)


class _Part(NamedTuple):
    """A function by itself."""

    digest: bytes  # of its code, the constants it uses and the names of the functions it calls
    calls: tuple[Any, ...]  # functions, kernels and `ByType`s


def kernel_digest(kernel: Any, signature: Iterable[Any]) -> str:
    """Hash over what decides the machine code of a kernel for arguments of these Numba types.

    Of the kernels of a `ByType`, only those for types among the arguments count.
    """
    kinds = {kind.__qualname__: kind for kind in _tuples_in(signature)}
    parts = {_part(function).digest for function in _reached(kernel, set(kinds.values()))}
    fields = sorted((name, kind._fields) for name, kind in kinds.items())
    return _hash(repr(fields).encode(), *sorted(parts)).hex()[:24]


def code_digest(paths: Iterable[Path]) -> str:
    """Hash over the byte code of sources, without docstrings, comments and line numbers."""
    return _hash(*map(_code_of, paths)).hex()


def _code_of(path: Path) -> bytes:
    source = path.read_bytes()
    try:
        return _code_text(
            compile(source, path.name, "exec", dont_inherit=True, optimize=2), None
        ).encode()
    except (SyntaxError, ValueError):  # a file that somebody is writing
        return source


def _tuples_in(kinds: Iterable[Any]) -> Iterator[Any]:
    """Yield the classes of the named tuples among Numba types, and of those inside them."""
    for kind in kinds:
        if isinstance(kind, types.BaseTuple):  # type: ignore[attr-defined]
            yield from _tuples_in(kind.types)
        if isinstance(kind, types.BaseNamedTuple):  # type: ignore[attr-defined]
            yield kind.instance_class


def _reached(kernel: Any, kinds: set[type]) -> Iterator[Any]:
    """All functions and kernels that a kernel calls, directly or not, itself included, each of them
    once.
    """
    seen: set[int] = set()
    waiting = [kernel]
    while waiting:
        called = waiting.pop()
        if id(called) in seen:
            continue
        seen.add(id(called))
        if isinstance(called, ByType):
            waiting += map(called.kernels.__getitem__, kinds & called.kernels.keys())
        else:
            yield called
            waiting += _part(called).calls


def _function_of(called: Any) -> FunctionType | None:
    """Return the Python function behind a kernel, or itself; None for anything else."""
    function = getattr(called, "py_func", called)
    if isinstance(function, FunctionType):
        return function
    return None


@functools.cache
def _part(called: Any) -> _Part:
    function = _function_of(called)
    assert function is not None
    calls = []
    options = getattr(called, "targetoptions", {})
    lines = [
        f"{called.__module__}.{function.__qualname__} {sorted(zip(options, map(str, options.values()), strict=True))}",
        _code_text(function.__code__, function.__doc__),
    ]
    for name, value in _used(function):
        lines.append(f"{name} = {_text(value)}")
        if isinstance(value, ByType) or _function_of(value) is not None:
            calls.append(value)
    return _Part(_hash(*map(str.encode, lines)), tuple(calls))


def _used(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function takes from around it: globals, attributes of modules, cells of
    closures, defaults.
    """
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            value = function.__globals__[name]
            yield name, value
            if isinstance(value, ModuleType):
                names_of_module: Mapping[str, Any] = vars(value)
                for inner in sorted(_names(function.__code__) & names_of_module.keys()):
                    yield f"{name}.{inner}", names_of_module[inner]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, cell.cell_contents
    for number, value in enumerate(function.__defaults__ or ()):
        yield f"default {number}", value


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _code_text(code: CodeType, doc: str | None) -> str:
    constants = code.co_consts
    if doc is not None and constants and constants[0] == doc:
        constants = constants[1:]
    names = code.co_names, code.co_varnames, code.co_freevars
    return repr((code.co_code, *names, code.co_argcount, list(map(_text, constants))))


def _text(value: Any) -> str:
    """Return a text of a constant that is the same in every process; functions and other objects
    give their names.
    """
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name} {_text(value.value)}"
    if isinstance(value, _CONSTANTS):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, CodeType):
        return _code_text(value, None)
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {_hash(np.ascontiguousarray(value).tobytes()).hex()}"
    if isinstance(value, tuple):
        return f"{type(value).__qualname__}({', '.join(map(_text, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_text, value)))}}}"
    if isinstance(value, type) and issubclass(value, enum.Enum):
        return f"{value.__qualname__} {list(map(_text, value))}"
    if isinstance(value, type):
        return f"{value.__qualname__} {getattr(value, '_fields', ())}"
    function = _function_of(value)
    if function is not None:
        return f"{function.__module__}.{function.__qualname__}"
    return f"{type(value).__name__} {getattr(value, '__name__', '')}"


def _hash(*texts: bytes) -> bytes:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(len(text).to_bytes(8, "little"))
        digest.update(text)
    return digest.digest()
