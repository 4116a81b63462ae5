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


def strict(rename):
    """A renaming that refuses files, and folders of files, that are open."""

    def renaming(source, target, **options):
        opened = open_files()
        for name in (source, target):
            place = os.path.realpath(os.path.dirname(os.fspath(name)) or ".")
            path = os.path.join(place, os.path.basename(os.fspath(name)))
            if any(one == path or one.startswith(f"{path}{os.sep}") for one in opened):
                words = "The process cannot access the file because it is being used"
                raise PermissionError(13, words, str(source), 32, str(target))
        rename(source, target, **options)

    return renaming
