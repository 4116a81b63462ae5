"""The `kernel` decorator and where compiled kernels are kept.

Each kernel is kept by a hash of all that its machine code depends on (`dependencies`), in a folder
for the compiler, the processor and the version of Python. Installations of Aino share it, wherever
they lie, as far as they are equal.
"""

import contextlib
import functools
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numba
from numba.core.registry import cpu_target

from engine.files.atomic import write_file
from engine.files.user_folder import user_folder
from engine.native.dependencies import code_digest
from engine.native.kernel_use import note_use
from engine.native.numba_names import missing_name

CACHE_ENVIRONMENT_VARIABLE = "AINO_CACHE_DIR"
UNUSED_DAYS = 30  # Kernels that no process has asked for in this time are deleted. Set by hand.


def kernel(contract: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function to native code that releases the GIL, is cached on disk and divides by
    zero as NumPy does.

    `contract` lets multiply-adds fuse (inference only: it changes the last bit). Nothing uses full
    fast-math. The plain Python function stays available as `.py_func`. A literal argument compiles
    a separate version, so call kernels with `np.int64(CONSTANT)`.
    """
    return functools.partial(_compiled, fastmath={"contract"} if contract else False)


def generated_kernel(
    name: str, parameters: str, statements: Iterable[str], names: Mapping[str, Any]
) -> Any:
    """Make a kernel with these statements as its body, for code that has one line per row of a
    table.

    `names` are the globals that the statements use.
    """
    namespace = dict(names)
    exec(
        f"def {name}({parameters}):\n" + "".join(f"    {line}\n" for line in statements), namespace
    )
    return _compiled(namespace[name])


def _compiled(function: Callable[..., Any], fastmath: Any = False) -> Any:
    if numba.config.DISABLE_JIT:
        function.py_func = function  # type: ignore[attr-defined]
        return function
    options = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    if missing_name():
        return _compiled_by_numba(function, options)
    from engine.native.kernel_files import KernelFiles, PartFiles
    from engine.native.link_time import Kernel

    compiled = Kernel(function, options)
    if (folder := cache_folder()) is not None:
        compiled._cache = KernelFiles(compiled, folder)
        compiled._part._cache = PartFiles(compiled._part, folder)
    return compiled


def _compiled_by_numba(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Return a kernel that Numba compiles and keeps in its own way, by public names alone. Its cache
    knows a kernel by its file, so the folder is one for the code of all kernels.
    """
    folder = cache_folder()
    if folder is not None:
        numba.config.CACHE_DIR = str(folder / f"numba-{sources_hash()}")
    has_file = not function.__code__.co_filename.startswith("<")
    return numba.njit(cache=folder is not None and has_file, **options)(function)


def slow_start_reason() -> str:
    """Return why the first search takes longer than it needs to; "" where it does not."""
    if not missing_name():
        return ""
    return (
        f"Numba {numba.__version__} has no {missing_name()}, which Aino builds on: the first search "
        "compiles more than three times as long. `pip install 'numba<0.69'` brings one that has it"
    )


# ---- where compiled kernels live -----------------------------------------------------------------


def cache_folder() -> Path | None:
    """Return the folder of this process's kernels, or None when no place on this machine is
    writable.
    """
    base = cache_base()
    if base is None:
        return None
    return base / _compiler_hash()


@functools.cache
def sources_hash() -> str:
    """Hash over the code of all sources from which kernels are made; a changed comment leaves it as
    it is.
    """
    return _noted(sorted(Path(__file__).parents[1].rglob("*.py")))[:16]


@functools.cache
def cache_base() -> Path | None:
    """First writable of $AINO_CACHE_DIR, the user's cache folder and the temporary folder; None if
    there is none.
    """
    candidates = [user_folder("cache"), _temporary_folder()]
    chosen = os.path.expanduser(os.environ.get(CACHE_ENVIRONMENT_VARIABLE, ""))
    if chosen and not chosen.startswith("~"):  # of nobody
        candidates.insert(0, Path(chosen))
    for candidate in filter(None, candidates):
        folder = candidate / "aino-kernels"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            return folder
    return None


def _temporary_folder() -> Path | None:
    """Return this user's folder below the temporary one; None unless it is private, because cached
    code is run.

    None where the system has no temporary folder that can be written, as in a container whose files
    are read-only.
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
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        return None
    return folder


def remove_unused() -> None:
    """Delete the kernels, and the marks that all are compiled, that no process has used for
    UNUSED_DAYS days.
    """
    base = cache_base()
    if base is None:
        return
    long_ago = time.time() - UNUSED_DAYS * 86400
    for path in base.glob("*/*"):
        with contextlib.suppress(OSError):  # another process may be at it
            if path.stat().st_mtime < long_ago:
                path.unlink()


@functools.cache
def _compiler_hash() -> str:
    """Hash over what compiles kernels, for which processor."""
    own = sorted(Path(__file__).parent.glob("*.py"))
    processor = cpu_target.target_context.codegen().magic_tuple()
    is_checked = bool(numba.config.BOUNDSCHECK)
    parts = (numba.__version__, sys.implementation.cache_tag, processor, is_checked, _noted(own))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _noted(paths: Sequence[Path]) -> str:
    """Return the digest of sources, noted by their sizes and times: a process would parse them for
    45 to 400 ms.
    """
    if (base := cache_base()) is None:
        return code_digest(paths)
    states = []
    for path in paths:
        stat = path.stat()
        states.append((str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    note = base / "sources" / hashlib.sha256(repr((sys.version, states)).encode()).hexdigest()[:16]
    with contextlib.suppress(OSError, ValueError):  # no note, or a damaged one
        text = note.read_text("ascii")
        int(text, 16)
        note_use(note)
        return text
    digest = code_digest(paths)
    with contextlib.suppress(OSError):
        note.parent.mkdir(exist_ok=True)
        write_file(note, digest)
    return digest
