"""What the commands on a run folder share: their flags, the lock, interruption."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import show
from engine.cli.machine import describe_machine
from engine.cli.option_forms import at_least
from engine.errors import RunError
from engine.files.provenance import provenance
from engine.options import usable_cpus
from selfplay.interrupt import Stop, stop_flag
from selfplay.lock import folder_lock
from selfplay.run.config import add_config_flags, flag_values, merged, read_toml
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import Ledger
from selfplay.run.phase_games import PlayBackend
from selfplay.run.workers import WorkerPool


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the run folder, the first network and all settings."""
    parser.usage = "%(prog)s RUN [options]"
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="continue the run in this folder, or create it"
    )
    text = "start a new run from this network, which also sets --net (default: random weights)"
    parser.add_argument("--initial", type=Path, metavar="FILE.dit", help=text)
    add_config_flags(parser)


def add_play_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where games are played. This is not configuration: the games are the same
    anywhere.
    """
    text = "play on N processes, or N tasks of the cluster (default: one for each processor, one for a GPU); "
    parser.add_argument(
        "--workers", type=at_least(0), default=0, metavar="N", help=text + "1 = in this process"
    )
    text = "play on a Ray cluster: its host:port, `auto` for the one this machine is part of, `local` for a new one"
    parser.add_argument("--cluster", metavar="ADDRESS", help=text)


@contextmanager
def play_backend(arguments: argparse.Namespace) -> Iterator[PlayBackend]:
    """Yield what plays the games in the block. Raises ConfigError for a missing cluster."""
    if arguments.cluster is not None:
        from selfplay.run.cluster import connected

        with connected(arguments.cluster, arguments.workers, show) as play:
            yield play
    else:
        yield WorkerPool(arguments.workers, show)


def work_on_run(arguments: argparse.Namespace, work: Callable[[RunFolder, Stop], bool]) -> int:
    """Open and lock the run that a command's flags name, and do the work until done or interrupted;
    returns the exit status.

    Raises RunError for what the system refuses, such as writing to a full disk.
    """
    path = arguments.run
    settings = read_toml(arguments.config) if arguments.config else {}
    settings = merged(settings, flag_values(arguments))
    try:
        with (
            folder_lock(path, "a self-play run"),
            stop_flag() as stop,
            closing(RunFolder(path, settings, arguments.initial)) as run,
        ):
            run.ensure_first_network()
            _note_environment(run.ledger, _workers_in_words(arguments))
            return 0 if work(run, stop.is_set) else INTERRUPTED
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise RunError(
            f"{path}: {error.strerror}{place}. Finished work is kept; the same command continues from there"
        ) from error


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
