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
    if sys.platform == "win32":
        variable, usual = ("LOCALAPPDATA", "Local") if kind == "cache" else ("APPDATA", "Roaming")
        names = [os.environ.get(variable, ""), f"~/AppData/{usual}"]
    elif sys.platform == "darwin":
        names = ["~/Library/Caches" if kind == "cache" else "~/Library/Application Support"]
    else:
        names = [os.environ.get(f"XDG_{kind.upper()}_HOME", ""), _USUAL[kind]]
    paths = (Path(os.path.expanduser(name)) for name in names)
    # The standard ignores a relative one.
    return next((path for path in paths if path.is_absolute()), None)
