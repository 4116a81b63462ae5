"""The `aino` command: UCI for chess GUIs, play and tools in the terminal. Imports `engine`, never
`selfplay`.
"""

from importlib.util import find_spec
from pathlib import Path

# Someone's own `engine.py` earlier on the path would hide ours; the error names it.
_spec = find_spec("engine")
if _spec and Path(str(_spec.origin)).parent.parent != Path(__file__).parent.parent:
    raise ImportError(
        f"{_spec.origin} hides Aino's package 'engine': rename it, or start Python in another folder"
    )

from engine import __version__ as __version__  # noqa: E402
