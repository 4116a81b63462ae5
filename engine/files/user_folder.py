"""Where the system keeps a user's files."""

import os
import sys
from pathlib import Path

_USUAL = {"cache": "~/.cache", "config": "~/.config", "data": "~/.local/share"}


def user_folder(kind: str) -> Path | None:
    """Return the folder for the user's "cache", "config" or "data" of all programs.

    None where the user has no home: without HOME and without an entry in the table of users, as in
    containers.
    """
    is_cache = kind == "cache"
    if sys.platform == "win32" and is_cache:
        names = [os.environ.get("LOCALAPPDATA", ""), "~/AppData/Local"]
    elif sys.platform == "win32":
        names = [os.environ.get("APPDATA", ""), "~/AppData/Roaming"]
    elif sys.platform == "darwin":
        names = ["~/Library/Caches" if is_cache else "~/Library/Application Support"]
    else:
        names = [os.environ.get(f"XDG_{kind.upper()}_HOME", ""), _USUAL[kind]]
    paths = (Path(os.path.expanduser(name)) for name in names)
    # The standard ignores a relative one.
    return next((path for path in paths if path.is_absolute()), None)
