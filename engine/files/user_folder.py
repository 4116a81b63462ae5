"""Where the system keeps a user's files."""

from __future__ import annotations

import os
import sys

_USUAL = {"cache": "~/.cache", "config": "~/.config", "data": "~/.local/share"}


def user_folder(kind: str) -> str:
    """The folder for the user's "cache", "config" or "data" of all programs; it may begin with ~."""
    if sys.platform == "win32":
        variable, usual = ("LOCALAPPDATA", "Local") if kind == "cache" else ("APPDATA", "Roaming")
        return os.environ.get(variable, f"~/AppData/{usual}")
    if sys.platform == "darwin":
        return "~/Library/Caches" if kind == "cache" else "~/Library/Application Support"
    return os.environ.get(f"XDG_{kind.upper()}_HOME", "") or _USUAL[kind]
