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
    origin = {"aino": __version__}
    if commit := _commit(SOURCE_ROOT):
        origin["commit"] = commit
    origin["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    origin["command"] = shlex.join(_FOLDERS.sub(r"\1", word) for word in sys.argv)
    return origin


@cache
def _commit(root: Path) -> str:
    """Return the commit of a repository's work tree; "" where this is none, or Git is not
    installed.
    """
    if not (root / ".git").exists():
        return ""
    # `describe --dirty` would write the index: killed meanwhile, it left a lock, and the user's Git
    # refused to work.
    words = "git --no-optional-locks status --porcelain=2 --branch -uno".split()
    try:
        status = subprocess.run(words, cwd=root, capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    lines = status.stdout.splitlines()
    headers = [line for line in lines if line.startswith(b"#")]
    commit = headers[0].removeprefix(b"# branch.oid ").decode()
    if commit == "(initial)":
        return ""
    if len(headers) < len(lines):  # which tell of a changed file each
        return f"{commit}-dirty"
    return commit
