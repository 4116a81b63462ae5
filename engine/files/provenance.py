"""Where a file comes from: Aino's version and commit, the date, and the command that wrote it."""

import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from engine.version import __version__

SOURCE_ROOT = Path(__file__).resolve().parents[2]
# The folders of a path that begins at the root, a drive, or above the working folder; on Windows
# with backslashes.
_FOLDERS = re.compile(r"(^|=)(?:[A-Za-z]:)?(?:\.\.)?[/\\](?:.*[/\\])?(?=[^/\\])")


def provenance() -> dict[str, str]:
    """Return the origin of a file that is written now. Paths in the command lose their folders,
    which mean nothing elsewhere.

    There is a `commit` if Aino runs from its repository; it ends in "-dirty" if files were changed
    since.
    """
    commit = _commit(SOURCE_ROOT)
    return {
        "aino": __version__,
        **({"commit": commit} if commit else {}),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(_FOLDERS.sub(r"\1", word) for word in sys.argv),
    }


@cache
def _commit(root: Path) -> str:
    """Return the commit of a repository's work tree; "" where this is none, or Git is not
    installed.
    """
    if not (root / ".git").exists():
        return ""
    # `describe --dirty` would write the index: killed meanwhile, it left a lock, and the user's Git
    # refused to work.
    words = [
        "git",
        "--no-optional-locks",
        "-C",
        str(root),
        "status",
        "--porcelain=2",
        "--branch",
        "-uno",
    ]
    try:
        told = subprocess.run(
            words, capture_output=True, timeout=10, check=True
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return ""
    oid = next(line.split()[2].decode() for line in told if line.startswith(b"# branch.oid "))
    return (
        ""
        if oid == "(initial)"
        else oid + "-dirty" * any(not line.startswith(b"#") for line in told)
    )
