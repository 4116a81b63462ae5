"""`aino-train loop`: generate, fit, gate, again and again."""

import argparse
import math
from contextlib import closing
from pathlib import Path

from engine.cli.live_lines import log, shell_word, show
from engine.cli.option_forms import at_least
from engine.errors import ConfigError
from selfplay.commands.runs import add_play_arguments, add_run_arguments, play_backend, work_on_run
from selfplay.families.planes.custom import is_custom
from selfplay.interrupt import Stop
from selfplay.run.anchors import measuring
from selfplay.run.config import stored_config
from selfplay.run.folder import RunFolder, best_net
from selfplay.run.ledger import Ledger, Phase
from selfplay.run.phases import adopt_candidate, run_generations

EXAMPLES = """example:
  aino-train loop run1 --initial first.dit --generations 10
  aino-train report run1
  aino-train loop run1 --until fit                             plays the next games, and stops
  aino-train loop run1 --candidate mine.dit --generations 1    lets this network play the match, and trains none

Without --initial it starts from random weights. Ctrl-C stops at once; the same command continues, and counts
--generations anew.
"""

ANCHOR_GAMES = 12  # of each network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    add_play_arguments(parser)
    text = "score on this file's games; same as --fit.heldout"
    parser.add_argument("--heldout", dest="fit.heldout", metavar="FILE", help=text)
    text = f"measure promoted networks on fixed anchors in the background; same as --anchors.games {ANCHOR_GAMES}"
    parser.add_argument(
        "--anchors", action="store_const", const=ANCHOR_GAMES, dest="anchors.games", help=text
    )
    text = "stop after N generations from now on, the unfinished one included (default: run until interrupted)"
    parser.add_argument("--generations", type=at_least(1), metavar="N", help=text)
    text = "begin no generation once the run has worked for this many hours, over all sessions"
    parser.add_argument("--hours", type=float, default=math.inf, metavar="X", help=text)
    text = (
        "stop before training (fit) or before the match of the candidate (gate), once that is next"
    )
    parser.add_argument("--until", choices=("fit", "gate"), help=text)
    text = "use this network, trained elsewhere, as the candidate instead of training the one that is due"
    parser.add_argument("--candidate", type=Path, metavar="FILE.dit", help=text)


def run(arguments: argparse.Namespace) -> int:
    if not arguments.hours > 0:  # NaN is no time either
        raise ConfigError(f"--hours: expected above 0, got {arguments.hours:g}")
    until = Phase(arguments.until) if arguments.until else None
    with play_backend(arguments) as play:

        def work(folder: RunFolder, stop: Stop) -> bool:
            if arguments.candidate is not None:
                adopt_candidate(folder, arguments.candidate)
            with measuring(folder, log, stop) as finish:
                return (
                    run_generations(
                        folder, arguments.generations, stop, play, arguments.hours, until
                    )
                    and finish()
                )

        status = work_on_run(arguments, work)
    best = best_net(arguments.run)
    if best.is_file():
        run_name, net_name = shell_word(arguments.run), shell_word(best)
        if has_promoted(arguments.run):
            show(f"the best network so far is {best}")
        else:
            show(f"no candidate was promoted yet; {best} is the network that the run began with")
        net = stored_config(arguments.run / "config.toml").net
        evaluator = f"--evaluator {net} " if is_custom(net) else ""
        show(f"  play against it:  aino play {evaluator}--weights-file {net_name}")
        show(f"  see the run:      aino-train report {run_name}")
        show(f"  continue: aino-train loop {run_name}")
    return status


def has_promoted(run: Path) -> bool:
    """Whether a candidate of the run has become its best network."""
    with closing(Ledger(run / "ledger.sqlite", is_copy=True)) as ledger:
        return any(gate.accepted for gate in ledger.gates().values())
