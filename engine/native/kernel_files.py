"""Kernels on disk: the machine code of those that Python calls, and the translations of those that
others call.

A file is named by all that its content depends on, so that processes share it. A full disk or a
damaged file costs one compilation instead of raising.
"""

import contextlib
import hashlib
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from llvmlite import binding
from numba.core import serialize, sigutils
from numba.core.compiler import CompileResult
from numba.core.funcdesc import ExternalFunctionDescriptor
from numba.core.typing import signature as signature_of

from engine.files.atomic import aside, replace
from engine.native.dependencies import kernel_digest
from engine.native.kernel_use import lost, note_use, used
from engine.native.link_time import UNRESOLVED, PartLibrary

_ADDRESS = "numba.dynamic.globals"  # Prefix of a variable with an address of this process.

# Translations by name, with the types that their functions return.
_parts = dict[str, tuple[PartLibrary, Any]]()


class KernelFiles:
    """What Numba calls a kernel's cache, for one that Python calls.

    What a kernel depends on is known once it is called; then every module that it calls is
    imported.
    """

    suffix = "kernel"

    def __init__(self, kernel: Any, folder: Path) -> None:
        self._kernel, self._folder = kernel, folder

    @property
    def cache_path(self) -> str:  # which Numba's `stats` of a kernel tells
        return str(self._folder)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return the result of an earlier compilation, or None."""
        arguments, _ = sigutils.normalize_signature(signature)
        name = self._name(arguments)
        # Code takes memory by what this registers, also where nothing is compiled.
        target_context.refresh()
        try:
            return self._load(name, arguments, target_context)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - reading a file that a power failure cut can raise anything
            with contextlib.suppress(OSError):
                self._path(name).unlink()
            used.discard(self._path(name))
            return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep a compilation's result, unless it is of this process alone."""
        name = self._name(sigutils.normalize_signature(signature)[0])
        content = self._content(name, result)
        path = self._path(name)
        temporary = aside(path)
        try:
            if content is not None:
                path.parent.mkdir(exist_ok=True)
                temporary.write_bytes(content)
                replace(temporary, path)
                self._note(path)
        except OSError:
            lost.append(signature)
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _content(self, name: str, result: Any) -> bytes | None:
        if result.library.has_dynamic_globals:
            return None
        return serialize.dumps(result._reduce())

    def _load(self, name: str, arguments: Any, target_context: Any) -> Any:
        return CompileResult._rebuild(target_context, *pickle.loads(self._read(name)))

    def _read(self, name: str) -> bytes:
        content = self._path(name).read_bytes()
        note_use(self._path(name))
        self._note(self._path(name))
        return content

    def _note(self, path: Path) -> None:
        used.add(path)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.{self.suffix}"

    def _name(self, arguments: Any) -> str:
        function = self._kernel.py_func
        of = f"{function.__module__}.{function.__qualname__}{arguments} {kernel_digest(self._kernel, arguments)}"
        return f"{function.__name__.strip('<>')}-{hashlib.sha256(of.encode()).hexdigest()[:24]}"


class PartFiles(KernelFiles):
    """The same for a kernel as others call it: by a name that its translation has in every process."""

    suffix = "part"

    def _note(self, path: Path) -> None:
        """No process needs it that has the kernels of which it is a part."""

    def _content(self, name: str, result: Any) -> bytes | None:
        library = result.library
        described = result.fndesc
        kind = result.signature.return_type
        callees = [
            callee for callee in library._linking_libraries if isinstance(callee, PartLibrary)
        ]
        variables = [variable.name for variable in library._final_module.global_variables]
        if (
            any(variable.startswith((UNRESOLVED, _ADDRESS)) for variable in variables)
            or result.environment.consts
            or not all(callee.name in _parts for callee in callees)
        ):
            return None
        for foreign in dict.fromkeys(library._linking_libraries):
            if foreign not in callees:
                library._final_module.link_in(foreign._get_module_for_linking(), preserve=True)
        library._linking_libraries = callees
        for function in library._final_module.functions:
            if not function.is_declaration and function.name != described.mangled_name:
                # Numba's own, whose names are of this process.
                function.linkage = binding.Linkage.internal
        library._final_module.get_function(described.mangled_name).name = name
        described.mangled_name = library._name = name
        _parts[name] = library, kind
        return serialize.dumps(
            (kind, library._final_module.as_bitcode(), [callee.name for callee in callees])
        )

    def _load(self, name: str, arguments: Any, target_context: Any) -> Any:
        library, kind = self._part(name, target_context.codegen())
        return SimpleNamespace(
            signature=signature_of(kind, *arguments),
            fndesc=ExternalFunctionDescriptor(name, kind, arguments),
            library=library,
            # There is no address: by this, other functions find the translation.
            entry_point=object(),
            objectmode=False,
            metadata=None,
        )

    def _part(self, name: str, codegen: Any) -> tuple[PartLibrary, Any]:
        if name not in _parts:
            kind, code, callees = pickle.loads(self._read(name))
            library = PartLibrary(codegen, name)
            library._final_module = binding.parse_bitcode(code)
            library._linking_libraries = [self._part(callee, codegen)[0] for callee in callees]
            library._finalized = True
            _parts[name] = library, kind
        return _parts[name]
