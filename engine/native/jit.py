"""The `kernel` decorator and where compiled kernels are kept.

Each kernel is kept by a hash of all that its machine code depends on (`dependencies`), in a folder for the compiler,
the processor and the version of Python. Installations of Aino share it, wherever they lie, as far as they are equal.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numba
from numba.core import sigutils
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.registry import cpu_target

from engine.files.atomic import write_file
from engine.files.user_folder import user_folder
from engine.native.dependencies import code_digest, kernel_digest, language_digest
from engine.native.whole import Kernel

CACHE_ENVIRONMENT_VARIABLE = "AINO_CACHE_DIR"
UNUSED_DAYS = 30  # Kernels that no process has asked for in this time are deleted. Set by hand.


def kernel(contract: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function to native code that releases the GIL, is cached on disk and divides by zero as NumPy does.

    `contract` lets multiply-adds fuse (inference only: it changes the last bit). Nothing uses full fast-math.
    The plain Python function stays available as `.py_func`. A literal argument compiles a separate version, so call
    kernels with `np.int64(CONSTANT)`.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        compiled = _compiled(function, fastmath={"contract"} if contract else False)
        if not numba.config.DISABLE_JIT and cache_folder() is not None:
            compiled._cache = _KernelCache(compiled)
        return compiled

    return decorate


def generated_kernel(name: str, parameters: str, statements: Iterable[str], names: Mapping[str, Any]) -> Any:
    """Make a kernel with these statements as its body, for code that has one line per row of a table.

    `names` are the globals that the statements use. The kernel is compiled into its callers and cached with them;
    called from Python, it is compiled again in every process.
    """
    namespace = dict(names)
    exec(f"def {name}({parameters}):\n" + "".join(f"    {line}\n" for line in statements), namespace)
    return _compiled(namespace[name])


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    if numba.config.DISABLE_JIT:
        function.py_func = function  # type: ignore[attr-defined]
        return function
    return Kernel(function, {"nogil": True, "error_model": "numpy", **options})


class _KernelLocator(_CacheLocator):
    """Tells Numba to keep a kernel in our folder, and leaves `numba.config` as others in the process set it."""

    def __init__(self, digest: str) -> None:
        self._digest = digest

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return ""  # The digest stands for the sources.

    def get_disambiguator(self) -> str:
        return self._digest


class _KernelFiles(CompileResultCacheImpl):
    def __init__(self, function: Callable[..., Any], digest: str) -> None:
        self._locator = _KernelLocator(digest)
        self._filename_base = self.get_filename_base(f"{function.__module__}.{function.__qualname__}", "")


class _Version(FunctionCache):
    """Numba's cache of one kernel, with the code and the constants that it has in this process."""

    def __init__(self, function: Callable[..., Any], digest: str) -> None:
        self._impl_class = functools.partial(_KernelFiles, digest=digest)
        super().__init__(function)


_lost: list[Any] = []  # signatures of kernels that could not be written to the cache


def loses_kernels() -> bool:
    """Whether a kernel of this process could not be kept, as on a full disk."""
    return bool(_lost)


class _KernelCache:
    """What Numba calls a kernel's cache: one `_Version` for each set of named tuples among the arguments.

    What a kernel depends on is known once it is called; then every module that it calls is imported. A full disk or a
    damaged file costs one compilation instead of raising.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._versions: dict[str, _Version] = {}

    @property
    def cache_path(self) -> str:  # which Numba's `stats` of a kernel tells
        return str(cache_folder())

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        version = self._version(signature)
        try:
            found = version.load_overload(signature, target_context)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - reading a file that a power failure cut can raise anything
            with contextlib.suppress(OSError):
                version.flush()
            return None
        if found is not None:
            _note_use(Path(version._cache_file._index_path))
        return found

    def save_overload(self, signature: Any, data: Any) -> None:
        try:
            self._version(signature).save_overload(signature, data)
        except OSError:
            _lost.append(signature)

    def _version(self, signature: Any) -> _Version:
        digest = kernel_digest(self._kernel, sigutils.normalize_signature(signature)[0])
        if digest not in self._versions:
            self._versions[digest] = _Version(self._kernel.py_func, digest)
        return self._versions[digest]


# ---- where compiled kernels live ----------------------------------------------------------------------------------


def cache_folder() -> Path | None:
    """Return the folder of this process's kernels, or None when no place on this machine is writable."""
    base = cache_base()
    return None if base is None else base / _compiler_hash()


@functools.cache
def sources_hash() -> str:
    """Hash over the code of all sources from which kernels are made; a changed comment leaves it as it is."""
    paths = sorted(Path(__file__).parents[1].rglob("*.py"))
    return _noted("sources", paths, lambda: code_digest(paths))[:16]


@functools.cache
def cache_base() -> Path | None:
    """First writable of $AINO_CACHE_DIR, the user's cache folder and the temporary folder; None if there is none."""
    chosen = os.path.expanduser(os.environ.get(CACHE_ENVIRONMENT_VARIABLE, ""))
    usable = chosen and not chosen.startswith("~")  # of nobody
    for candidate in (Path(chosen) if usable else None, user_folder("cache"), _temporary_folder()):
        if candidate is None:
            continue
        folder = candidate / "aino-kernels"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            return folder
    return None


def _temporary_folder() -> Path | None:
    """Return this user's folder below the temporary one; None unless it is private, because cached code is run.

    None where the system has no temporary folder that can be written, as in a container whose files are read-only.
    """
    try:
        temporary = Path(tempfile.gettempdir())
        if os.name != "posix":
            return temporary
        folder = temporary / f"aino-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    return folder if status.st_uid == os.getuid() and not status.st_mode & 0o022 else None


def _note_use(index: Path) -> None:
    """Keep a kernel from `remove_unused`."""
    with contextlib.suppress(OSError):  # It may be there to be read only.
        os.utime(index)


def remove_unused() -> None:
    """Delete the kernels, and the marks that all are compiled, that no process has used for UNUSED_DAYS days."""
    base = cache_base()
    long_ago = time.time() - UNUSED_DAYS * 86400
    for path in [] if base is None else base.glob("*/*"):
        with contextlib.suppress(OSError):  # another process may be at it
            if path.suffix != ".nbc" and path.stat().st_mtime < long_ago:
                for data in path.parent.glob(f"{glob.escape(path.stem)}.*.nbc"):
                    data.unlink()
                path.unlink()


@functools.cache
def _compiler_hash() -> str:
    """Hash over what compiles kernels, for which processor.

    Numba keeps kernels of several processors and versions of Python apart in one folder, but what else lies there, such
    as the mark that everything is compiled, is about one of them.
    """
    processor = cpu_target.target_context.codegen().magic_tuple()
    bounds = "bounds checked" if numba.config.BOUNDSCHECK else ""  # Numba's own cache key ignores bounds checking
    parts = (numba.__version__, sys.implementation.cache_tag, processor, bounds, _language())
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _language() -> str:
    return _noted("language", sorted(Path(__file__).parent.glob("*.py")), lambda: language_digest())


def _noted(kind: str, paths: Iterable[Path], compute: Callable[[], str]) -> str:
    """Return a digest of sources, noted by their sizes and times: a process would parse them for 45 to 400 ms."""
    if (base := cache_base()) is None:
        return compute()
    found = [(str(path), path.stat()) for path in paths]
    states = [(path, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for path, one in found]
    note = base / kind / hashlib.sha256(repr((sys.version, states)).encode()).hexdigest()[:16]
    with contextlib.suppress(OSError, ValueError):  # no note, or a damaged one
        text = note.read_text("ascii")
        int(text, 16)
        _note_use(note)
        return text
    digest = compute()
    with contextlib.suppress(OSError):
        note.parent.mkdir(exist_ok=True)
        write_file(note, digest)
    return digest
