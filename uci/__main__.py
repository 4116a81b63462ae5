"""`python -m uci`: the `aino` command where its script is not on the path."""

import sys

from uci.main import main

if __name__ == "__main__":
    sys.exit(main())
