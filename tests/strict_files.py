"""A system that renames no open file and replaces none, as Windows does not.

Only Linux tells which files a process has open; elsewhere nothing is checked.
"""

import contextlib
import os
from pathlib import Path

_DESCRIPTORS = Path("/proc/self/fd")


def open_files():
    """The paths of all files that this process has open."""
    paths = set()
    for descriptor in _DESCRIPTORS.glob("*"):
        with contextlib.suppress(OSError):  # of the one that listed them
            paths.add(os.readlink(descriptor))
    return paths


def strict(call):
    """A call of the system that refuses files, and folders of files, that are open."""

    def refusing(*names, **options):
        opened = open_files()
        for name in names:
            place = os.path.realpath(os.path.dirname(os.fspath(name)) or ".")
            path = os.path.join(place, os.path.basename(os.fspath(name)))
            if any(f"{file}{os.sep}".startswith(f"{path}{os.sep}") for file in opened):
                words = "The process cannot access the file because it is being used"
                raise PermissionError(13, words, str(names[0]), 32, str(names[-1]))
        call(*names, **options)

    return refusing
