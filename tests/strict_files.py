"""A system that renames no open file and replaces none, as Windows does not.

Only Linux tells which files a process has open; elsewhere nothing is checked.
"""

import os
from pathlib import Path

_DESCRIPTORS = Path("/proc/self/fd")


def open_files():
    """The paths of all files that this process has open."""
    found = set()
    for descriptor in os.listdir(_DESCRIPTORS) if _DESCRIPTORS.is_dir() else ():
        try:
            found.add(os.readlink(_DESCRIPTORS / descriptor))
        except OSError:  # the one that listed them
            continue
    return found


def strict(call):
    """A call of the system that refuses files, and folders of files, that are open."""

    def refusing(*names, **options):
        opened = open_files()
        for name in names:
            place = os.path.realpath(os.path.dirname(os.fspath(name)) or ".")
            path = os.path.join(place, os.path.basename(os.fspath(name)))
            if any(one == path or one.startswith(f"{path}{os.sep}") for one in opened):
                words = "The process cannot access the file because it is being used"
                raise PermissionError(13, words, str(names[0]), 32, str(names[-1]))
        call(*names, **options)

    return refusing
