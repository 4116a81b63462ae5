"""Games, data and training: everything that makes Aino's networks, and the `aino-train` command.

records/      games and training targets in memory and on disk; imports none of the other packages
data/         reads labels and games, samples training batches
teachers/     another engine's value net, run in this process to label positions
games/        games of self-play and gate, many at once
training/     what a network family is; the learner, batches, losses and held-out scores
families/     the network families: their batches, gradients and scores
run/          run folders: configuration, run database, generate, fit, gate, loop, supervised pretraining
report/       the report of a run as one HTML file
matches/      matches between UCI engines, and their statistics
suites/       test suites and puzzles
commands/     the `aino-train` subcommands
main.py       the table of `aino-train` subcommands
"""

from importlib.util import find_spec
from pathlib import Path

# Someone's own `engine.py` earlier on the path would hide ours; the error names it.
_engine = find_spec("engine")
if _engine and Path(str(_engine.origin)).parent.parent != Path(__file__).parent.parent:
    raise ImportError(
        f"{_engine.origin} hides Aino's package 'engine': rename it, or start Python in another folder"
    )
