"""The ``kernel`` decorator and where compiled kernels are kept.

Numba keys a cached kernel by the file that defines it, so a change in another module's callee would leave the old
machine code in the cache. Here each module's kernels get their own folder, named by a hash of all that they depend on:
the sources of that module and of every project module that it imports, directly or indirectly, and what compiles them
for which processor. Installations with equal sources share it, wherever they lie.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.registry import cpu_target

from engine.native.whole import ByType, Kernel

CACHE_ENVIRONMENT_VARIABLE = "AINO_CACHE_DIR"
UNUSED_DAYS = 30  # Kernels that no process has asked for in this time are deleted. Set by hand.
_SOURCE_ROOT = Path(__file__).resolve().parents[2]
_IMPORT = re.compile(
    r"^\s*from\s+((?:engine|selfplay)[\w.]*)\s+import\s+(?:\(([^)]*)\)|([^(\n]*))"
    r"|^\s*import\s+((?:engine|selfplay)[\w.]*)",
    re.MULTILINE,
)


def kernel(contract: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function to native code that releases the GIL, is cached on disk and divides by zero as NumPy does.

    ``contract`` lets multiply-adds fuse (inference only: it changes the last bit). Nothing uses full fast-math.
    The plain Python function stays available as ``.py_func``. A literal argument compiles a separate version, so call
    kernels with ``np.int64(CONSTANT)``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        compiled = _compiled(function, fastmath={"contract"} if contract else False)
        if not numba.config.DISABLE_JIT and cache_folder(Path(function.__code__.co_filename)) is not None:
            compiled._cache = _KernelCache(function)
        return compiled

    return decorate


def kernel_by_type(stub: Callable[..., Any]) -> tuple[Any, Callable[[type, Any], None]]:
    """Dispatch kernels (model, leaves, leaf) on the type of ``model``, a NamedTuple.

    Returns the function that kernels call, and a function that registers a kernel for a type. Numba cannot cache a
    kernel that takes a function as argument, but it caches a call that the caller's compilation resolves by type. The
    caller's module must import the registering modules, if only for type checking, so that its cache key covers them.
    """
    function = ByType(stub)
    return function, function.register


def generated_kernel(name: str, parameters: str, statements: Iterable[str], names: Mapping[str, Any]) -> Any:
    """Make a kernel with these statements as its body, for code that has one line per row of a table.

    ``names`` are the globals that the statements use. The kernel is compiled into its callers and cached with them;
    called from Python, it is compiled again in every process.
    """
    namespace = dict(names)
    exec(f"def {name}({parameters}):\n" + "".join(f"    {line}\n" for line in statements), namespace)
    function = namespace[name]
    return _compiled(function)


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    if numba.config.DISABLE_JIT:
        function.py_func = function  # type: ignore[attr-defined]
        return function
    return Kernel(function, {"nogil": True, "error_model": "numpy", **options})


class _KernelLocator(_CacheLocator):
    """Tells Numba to keep a kernel in our folder, and leaves ``numba.config`` as others in the process set it."""

    def __init__(self, folder: Path, function: Callable[..., Any]) -> None:
        self._folder = folder
        self._lineno = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: Callable[..., Any], source: str) -> _KernelLocator | None:
        folder = cache_folder(Path(source))
        if folder is None:
            return None
        _note_use(folder)
        return cls(folder, function)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return ""  # The folder's name stands for the sources.

    def get_disambiguator(self) -> str:
        return str(self._lineno)


class _KernelCacheFiles(CompileResultCacheImpl):
    _locator_classes: ClassVar = [_KernelLocator]


class _KernelCache(FunctionCache):
    """Numba's cache of one kernel. A full disk or a damaged file costs one compilation instead of raising."""

    _impl_class = _KernelCacheFiles

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(signature, target_context)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - reading a file that a power failure cut can raise anything
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(signature, data)


# ---- where compiled kernels live ----------------------------------------------------------------------------------


def cache_folder(source: Path) -> Path | None:
    """The folder for one module's kernels, or None when no place on this machine is writable."""
    base = cache_base()
    return None if base is None else base / _closure_hash(source.resolve())


@functools.cache
def cache_base() -> Path | None:
    """First writable of $AINO_CACHE_DIR, the user's cache folder and the temporary folder; None if there is none."""
    candidates = [os.environ.get(CACHE_ENVIRONMENT_VARIABLE, ""), _user_cache_folder(), _temporary_folder()]
    for candidate in candidates:
        path = os.path.expanduser(candidate)
        if not path or path.startswith("~"):  # unset, or there is no home folder
            continue
        folder = Path(path) / "aino-kernels"
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
    """This user's folder below the temporary one; "" unless it is private to the user, because cached code is run."""
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
def _note_use(folder: Path) -> None:
    """Keep a folder from `remove_unused`, once in a process."""
    with contextlib.suppress(OSError):  # It is not there yet, or may only be read.
        os.utime(folder)


def remove_unused() -> None:
    """Delete the kernels of versions that no process has used for UNUSED_DAYS days."""
    base = cache_base()
    for folder in [] if base is None else base.iterdir():
        with contextlib.suppress(OSError):  # another process may be at it
            if time.time() - folder.stat().st_mtime > UNUSED_DAYS * 86400:
                shutil.rmtree(folder)


@functools.cache
def _closure_hash(source: Path) -> str:
    """Hash over a module's source, those of all project modules it reaches by imports, the compiler and the processor.

    Numba keeps kernels of several processors and versions of Python apart in one folder, but what else lies there, such
    as the mark that everything is compiled, is about one of them.
    """
    processor = cpu_target.target_context.codegen().magic_tuple()
    digest = hashlib.sha256(repr((numba.__version__, sys.implementation.cache_tag, processor)).encode())
    if numba.config.BOUNDSCHECK:
        digest.update(b"bounds checked")  # Numba's own cache key ignores bounds checking
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
