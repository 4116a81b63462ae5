"""What the commands on a run folder share: their flags, the lock, interruption."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import show
from engine.cli.machine import describe_machine
from engine.cli.option_forms import at_least, hide_seldom
from engine.errors import RunError
from engine.files.provenance import provenance
from engine.options import usable_cpus
from selfplay.interrupt import Stop, stop_flag
from selfplay.lock import folder_lock
from selfplay.run.config import SECTIONS, add_config_flags, flag_values, merged, read_toml
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import Ledger
from selfplay.run.phase_games import PlayBackend
from selfplay.run.workers import WorkerPool


def add_run_arguments(parser: argparse.ArgumentParser, is_brief: bool = False) -> None:
    """Declare the run folder, the first network and all settings; where `is_brief`, `--help` hides
    those in tables.
    """
    parser.usage = "%(prog)s RUN [options]"
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="continue the run in this folder, or create it"
    )
    text = "start a new run from this network, which also sets --net (default: random weights)"
    parser.add_argument("--initial", type=Path, metavar="FILE.dit", help=text)
    add_config_flags(parser)
    if is_brief:
        hide_seldom(
            parser,
            [f"{name}.{one.name}" for name, section in SECTIONS.items() for one in fields(section)],
        )


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
    """Do the work on the run that a command's flags name; as `work_in`."""
    values = read_toml(arguments.config) if arguments.config else {}
    values = merged(values, flag_values(arguments))
    return work_in(arguments.run, values, workers_text(arguments), work, arguments.initial)


def workers_text(arguments: argparse.Namespace) -> str:
    """Return where a command's games are played, in words; "" for one that plays none."""
    if not hasattr(arguments, "workers"):
        return ""
    if arguments.cluster is not None:
        return f"{arguments.workers or 'all'} on Ray"
    return str(arguments.workers or usable_cpus())


def work_in(
    path: Path,
    values: dict[str, Any],
    workers: str,
    work: Callable[[RunFolder, Stop], bool],
    initial: Path | None = None,
) -> int:
    """Open and lock the run, do the work until done or interrupted; returns the exit status.

    values, initial: as of `RunFolder`; workers: as in `workers_text`. Raises RunError for what the
    system refuses, such as writing to a full disk.
    """
    kind = "a self-play run"
    try:
        with (
            folder_lock(path, kind),
            stop_flag() as stop,
            closing(RunFolder(path, values, initial)) as run,
        ):
            run.ensure_first_network()
            _note_environment(run.ledger, workers)
            return 0 if work(run, stop.is_set) else INTERRUPTED
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise RunError(
            f"{path}: {error.strerror}{place}. Finished work is kept; the same command continues from there"
        ) from error


def _note_environment(ledger: Ledger, workers: str) -> None:
    """Enter what works on the run in this process; a command without workers leaves theirs as they
    were.
    """
    origin = provenance()
    machine = describe_machine()
    before = ledger.environments()
    ledger.note_environment({
        "aino": origin["aino"],
        "revision": origin.get("commit", ""),
        "processor": machine["processor"],
        "cores": machine["cores"],
        "workers": workers or (before[-1]["workers"] if before else ""),
        "libraries": ", ".join(f"{name} {machine[name]}" for name in ("python", "numpy", "numba", "blas")),
    })  # fmt: skip
