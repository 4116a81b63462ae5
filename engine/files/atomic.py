"""Atomic file writing: neither a reader nor a machine that lost power ever sees half a file."""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LONGEST_NAME = 50  # characters of a file's name in the names of others, which may have 255 bytes
# Of a renaming that the system refuses.
_ATTEMPTS = 11
_PAUSE_S = 0.1


def real_path(path: Path | str) -> Path:
    """Return what a path and its links lead to. Links in a circle lead no further: `Path.resolve`
    raises RuntimeError for them, which no command tells as a fault of a file.
    """
    return Path(os.path.realpath(path))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let the system's OSError of the block name this file, unless it names another; one of our own
    words stays.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename = error.filename or str(path)
        raise


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary stream whose content appears at `path` complete or not at all.

    The stream writes a temporary file in the same folder, which is fsynced and renamed; then the
    folder is fsynced. If the block raises, the temporary file is removed and an older `path` stays
    as it was. Raises OSError, which names `path`.

    A file that is there may be somebody's own. So what a link leads to is written, not the link.
    The new file has the old one's permissions, and its owner, group and attributes as far as the
    system allows. A file that may not be written is not replaced. Another name of the same file, a
    hard link, keeps the old content. What is written to a device or a pipe goes there at once.
    """
    with naming(path):
        if path.is_symlink():
            with contextlib.suppress(FileNotFoundError):  # the link names a file that will be there
                path.stat()  # or tells that links go in a circle
            path = real_path(path)
        if path.is_dir():  # which may be `.` or `/`, without a name
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if path.exists() and not path.is_file():  # a device or a pipe, which must not be replaced
            with open(path, "wb") as stream:
                yield stream
            return
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        temporary = aside(path)
        try:
            with open(temporary, "xb", opener=_opener(path)) as stream:
                _inherit(path, temporary)
                yield stream
                stream.flush()
                make_durable(stream.fileno())
            replace(temporary, path)
        except BaseException as error:
            # On a read-only disk, the error of removing it would hide this one.
            if temporary.exists():
                temporary.unlink()
            if isinstance(error, OSError) and error.filename == str(temporary):
                error.filename = None
            raise
        sync_folder(path.parent)


def _opener(path: Path) -> Callable[[str, int], int]:
    """Return what makes a new file, for its owner alone if it is to replace one. The flags of "x"
    refuse to follow a planted link.
    """
    mode = 0o600 if path.exists() else 0o666
    return lambda name, flags: os.open(name, flags, mode)


def _inherit(path: Path, new: Path) -> None:
    """Give a new file the owner, the attributes and the permissions of the one it is to replace."""
    try:
        old = path.stat()
    except FileNotFoundError:
        return
    if hasattr(os, "chown"):
        for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):
            with contextlib.suppress(OSError):
                os.chown(new, owner, group)
    if hasattr(os, "listxattr"):
        names: list[str] = []
        with contextlib.suppress(OSError):  # of file systems that have none
            names = os.listxattr(path)
        for name in names:
            with contextlib.suppress(OSError):  # of the system's own
                os.setxattr(new, name, os.getxattr(path, name))
    new.chmod(stat.S_IMODE(old.st_mode))


def write_file(path: Path, content: str | bytes) -> None:
    """Write a whole file by `atomic_write`, text as UTF-8. Raises OSError, which names it.

    Names of files may have bytes that are no text: `?` stands for each."""
    if isinstance(content, str):
        content = content.encode(errors="replace")
    with atomic_write(path) as stream:
        stream.write(content)


def append(path: Path, text: str) -> None:
    """Add text to the end of a file, UTF-8; it is on the disk when this returns. Raises OSError,
    which names the file.

    On a disk that is full, nothing is added: half a text would spoil the next one, too. A process
    that is killed may leave a part of it: readers drop what follows the last line end.
    """
    left = text.encode(errors="replace")
    with naming(path), open(path, "ab", buffering=0) as stream:
        size = stream.seek(0, os.SEEK_END)
        try:
            while left:
                left = left[stream.write(left) :]
            make_durable(stream.fileno())
        except OSError:
            stream.truncate(size)
            raise
    if not size:
        sync_folder(path.parent)


def aside(path: Path) -> Path:
    """Return a hidden name beside `path`, a random one: in containers that share a folder, process
    ids are the same.
    """
    return path.with_name(f".{path.name[:LONGEST_NAME]}.{os.urandom(4).hex()}.tmp")


def replace(source: Path, target: Path) -> None:
    """Rename a file or a folder, over an older file if there is one.

    Windows refuses that while another program has the older one open, such as a virus scanner for a
    moment. So PermissionError is raised only once the system has refused for a second.
    """
    for attempt in range(_ATTEMPTS):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if attempt == _ATTEMPTS - 1:
                raise
        time.sleep(_PAUSE_S)


def remove_left_behind(folder: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote; nobody may be
    writing now.
    """
    for temporary in folder.glob(f".*.{'[0-9a-f]' * 8}.tmp"):  # the names of `aside`
        temporary.unlink()


def sync_folder(folder: Path) -> None:
    """Make renames and new names in the folder durable, where the system and file system can (not
    on Windows).
    """
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        make_durable(descriptor)
    finally:
        os.close(descriptor)


def make_durable(descriptor: int) -> None:
    """Write a file's bytes to the disk for good, where the file system can; devices such as
    /dev/null cannot.

    On macOS `fsync` leaves them in the disk's own memory.
    """
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    ways = [] if full_sync is None else [lambda: fcntl.fcntl(descriptor, full_sync)]
    for write in (*ways, lambda: os.fsync(descriptor)):
        try:
            write()
            return
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
