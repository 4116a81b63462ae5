"""`python -m engine`: the `aino` command, as `python -m uci`."""

from __future__ import annotations

import sys

from uci.main import main

if __name__ == "__main__":
    sys.exit(main())
