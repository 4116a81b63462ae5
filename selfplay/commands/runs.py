"""What the commands on a run folder share: their flags, the lock, interruption."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import show
from engine.cli.setting_flags import hide_seldom
from engine.errors import ConfigError, RunError
from selfplay.interrupt import Stop, StopFlag
from selfplay.lock import folder_lock
from selfplay.run.config import SECTIONS, add_config_flags, flag_values, merged, read_toml
from selfplay.run.folder import RunFolder
from selfplay.run.playing import PlayBackend
from selfplay.run.workers import WorkerPool


def add_run_arguments(parser: argparse.ArgumentParser, *sections: str) -> None:
    """Declare the run folder, the first network and all settings; `--help` shows those of `sections` alone."""
    parser.usage = "%(prog)s RUN [options]"
    parser.add_argument("run", type=Path, metavar="RUN", help="continue the run in this folder, or create it")
    text = "start a new run from this network, which also sets --net (default: random weights)"
    parser.add_argument("--initial", type=Path, metavar="FILE.dit", help=text)
    if "fit" in sections:
        text = "score on this file's games; same as --fit.heldout"
        parser.add_argument("--heldout", dest="fit.heldout", metavar="FILE", help=text)
    add_config_flags(parser)
    if others := SECTIONS.keys() - sections:
        hide_seldom(parser, [f"{section}.{one.name}" for section in others for one in fields(SECTIONS[section])])


def add_play_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where games are played. This is not configuration: the games are the same anywhere."""
    text = "play on N processes, or N tasks of the cluster (default: one for each processor, one for a GPU); "
    parser.add_argument("--workers", type=int, default=0, metavar="N", help=text + "1 = in this process")
    text = "play on a Ray cluster: its host:port, `auto` for the one this machine is part of, `local` for a new one"
    parser.add_argument("--cluster", metavar="ADDRESS", help=text)


@contextmanager
def play_backend(arguments: argparse.Namespace) -> Iterator[PlayBackend]:
    """Yield what plays the games in the block. Raises ConfigError for bad flags or a missing cluster."""
    if arguments.workers < 0:
        raise ConfigError(f"--workers: expected 0 or more, got {arguments.workers}")
    if arguments.cluster is not None:
        from selfplay.run.cluster import connected

        with connected(arguments.cluster, arguments.workers, show) as play:
            yield play
    else:
        yield WorkerPool(arguments.workers, show)


def work_on_run(arguments: argparse.Namespace, work: Callable[[RunFolder, Stop], bool]) -> int:
    """Open and lock the run, do the work until done or interrupted; returns the exit status.

    Raises RunError for what the system refuses, such as writing to a full disk.
    """
    values = read_toml(arguments.config) if arguments.config else {}
    values = merged(values, flag_values(arguments))
    try:
        with (
            folder_lock(arguments.run, "a self-play run"),
            StopFlag() as stop,
            closing(RunFolder(arguments.run, values, arguments.initial)) as run,
        ):
            run.ensure_first_network()
            return 0 if work(run, stop.is_set) else INTERRUPTED
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise RunError(
            f"{arguments.run}: {error.strerror}{place}. Finished work is kept; the same command continues from there"
        ) from error
