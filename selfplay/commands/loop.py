"""`aino-train loop`: generate, fit, gate, again and again."""

import argparse
import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import log, shell_word, show
from engine.cli.machine import describe_machine
from engine.cli.option_forms import at_least
from engine.errors import ConfigError, RunError
from engine.files.provenance import provenance
from engine.options import usable_cpus
from selfplay.families.planes.custom import is_custom
from selfplay.interrupt import Stop, stop_flag
from selfplay.lock import folder_lock
from selfplay.run.anchors import measuring
from selfplay.run.config import add_config_flags, flag_values, merged, read_toml, stored_config
from selfplay.run.folder import RunFolder, best_net
from selfplay.run.ledger import Ledger
from selfplay.run.phase_games import PlayBackend
from selfplay.run.phases import adopt_candidate, run_generations
from selfplay.run.workers import WorkerPool

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
    parser.usage = "%(prog)s RUN [options]"
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="continue the run in this folder, or create it"
    )
    parser.add_argument(
        "--initial",
        type=Path,
        metavar="FILE.dit",
        help="start a new run from this network, which also sets --net (default: random weights)",
    )
    add_config_flags(parser)
    # Not configuration: the games are the same anywhere.
    text = "play on N processes, or N tasks of the cluster (default: one for each processor, one for a GPU); "
    parser.add_argument(
        "--workers", type=at_least(0), default=0, metavar="N", help=text + "1 = in this process"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="play on a Ray cluster: its host:port, `auto` for the one this machine is part of, `local` for a new one",
    )
    parser.add_argument(
        "--heldout",
        dest="fit.heldout",
        metavar="FILE",
        help="score on this file's games; same as --fit.heldout",
    )
    parser.add_argument(
        "--anchors",
        action="store_const",
        const=ANCHOR_GAMES,
        dest="anchors.games",
        help=f"measure promoted networks on fixed anchors in the background; same as --anchors.games {ANCHOR_GAMES}",
    )
    parser.add_argument(
        "--generations",
        type=at_least(1),
        metavar="N",
        help="stop after N generations from now on, the unfinished one included (default: run until interrupted)",
    )
    parser.add_argument(
        "--hours",
        type=float,
        default=math.inf,
        metavar="X",
        help="begin no generation once the run has worked for this many hours, over all sessions",
    )
    parser.add_argument(
        "--until",
        choices=("fit", "gate"),
        help="stop before training (fit) or before the match of the candidate (gate), once that is next",
    )
    parser.add_argument(
        "--candidate",
        type=Path,
        metavar="FILE.dit",
        help="use this network, trained elsewhere, as the candidate instead of training the one that is due",
    )


def run(arguments: argparse.Namespace) -> int:
    if not arguments.hours > 0:  # NaN is no time either
        raise ConfigError(f"--hours: expected above 0, got {arguments.hours:g}")
    with _play_backend(arguments) as play:
        finished = _work(arguments, play)
    best = best_net(arguments.run)
    if best.is_file():
        _show_next_steps(arguments.run, best)
    return 0 if finished else INTERRUPTED


@contextmanager
def _play_backend(arguments: argparse.Namespace) -> Iterator[PlayBackend]:
    """Yield what plays the games in the block. Raises ConfigError for a missing cluster."""
    if arguments.cluster is not None:
        from selfplay.run.cluster import connected

        with connected(arguments.cluster, arguments.workers, show) as play:
            yield play
    else:
        yield WorkerPool(arguments.workers, show)


def _work(arguments: argparse.Namespace, play: PlayBackend) -> bool:
    """Open and lock the run, and work until all is done (True) or interrupted (False).

    Raises RunError for what the system refuses, such as writing to a full disk.
    """
    path = arguments.run
    settings = flag_values(arguments)
    if arguments.config:
        settings = merged(read_toml(arguments.config), settings)
    try:
        with (
            folder_lock(path, "a self-play run"),
            stop_flag() as stop,
            closing(RunFolder(path, settings, arguments.initial)) as folder,
        ):
            folder.ensure_first_network()
            _note_environment(folder.ledger, _workers_in_words(arguments))
            return _generations(arguments, folder, stop.is_set, play)
    except OSError as error:
        refusal = f"{path}: {error.strerror}"
        if error.filename:
            refusal += f" ({error.filename})"
        raise RunError(
            f"{refusal}. Finished work is kept; the same command continues from there"
        ) from error


def _generations(
    arguments: argparse.Namespace, folder: RunFolder, stop: Stop, play: PlayBackend
) -> bool:
    """Carry out the generations, and measure on anchors; False if interrupted."""
    if arguments.candidate is not None:
        adopt_candidate(folder, arguments.candidate)
    with measuring(folder, log, stop) as finish:
        done = run_generations(
            folder, arguments.generations, stop, play, arguments.hours, arguments.until
        )
        return done and finish()


def _show_next_steps(run: Path, best: Path) -> None:
    if has_promoted(run):
        show(f"the best network so far is {best}")
    else:
        show(f"no candidate was promoted yet; {best} is the network that the run began with")
    net = stored_config(run / "config.toml").net
    player = "aino play"
    if is_custom(net):
        player += f" --evaluator {net}"
    show(f"  play against it:  {player} --weights-file {shell_word(best)}")
    show(f"  see the run:      aino-train report {shell_word(run)}")
    show(f"  continue: aino-train loop {shell_word(run)}")


def _workers_in_words(arguments: argparse.Namespace) -> str:
    """Return where a command's games are played."""
    if arguments.cluster is not None:
        return f"{arguments.workers or 'all'} on Ray"
    return str(arguments.workers or usable_cpus())


def _note_environment(ledger: Ledger, workers: str) -> None:
    """Enter what works on the run in this process."""
    origin = provenance()
    machine = describe_machine()
    ledger.note_environment({
        "aino": origin["aino"],
        "revision": origin.get("commit", ""),
        "processor": machine["processor"],
        "cores": machine["cores"],
        "workers": workers,
        "libraries": ", ".join(f"{name} {machine[name]}" for name in ("python", "numpy", "numba", "blas")),
    })  # fmt: skip


def has_promoted(run: Path) -> bool:
    """Whether a candidate of the run has become its best network."""
    with closing(Ledger(run / "ledger.sqlite", is_copy=True)) as ledger:
        return bool(ledger.promoted())
