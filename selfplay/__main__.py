"""`python -m selfplay`: the `aino-train` command where its script is not on the path."""

import sys

from selfplay.main import main

if __name__ == "__main__":
    sys.exit(main())
