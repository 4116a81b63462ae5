"""What a process of ours needs to find our modules."""

from __future__ import annotations

import os
import sys


def child_environment() -> dict[str, str]:
    """An environment in which `python -P -m MODULE` finds the modules that this process does.

    Without -P it would look into the working folder first, and run whatever lies there under our modules' names.
    """
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
