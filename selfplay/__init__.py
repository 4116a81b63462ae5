"""Games, data and training: everything that makes Aino's networks, and the `aino-train` command.

records/      games and training targets in memory and on disk; imports none of the other packages
data/         reads labels and games, samples training batches
teachers/     another engine's value net, run in this process to label positions
games/        games of self-play and gate, many at once
training/     the parts of each network family, the learner, held-out scores, supervised pretraining
run/          run folders: configuration, run database, generate, fit, gate, loop
report/       the report of a run as one HTML file
matches/      matches between UCI engines, and their statistics
suites/       test suites and puzzles
commands/     the `aino-train` subcommands
main.py       the table of `aino-train` subcommands
"""

from importlib.util import find_spec
from pathlib import Path

# Someone's own `engine.py` earlier on the path would hide ours; the error names it.
_found = find_spec("engine")
if _found and Path(str(_found.origin)).parent.parent != Path(__file__).parent.parent:
    raise ImportError(
        f"{_found.origin} hides Aino's package 'engine': rename it, or start Python in another folder"
    )
