"""`aino-train label`: teacher labels for positions, from any UCI engine with MultiPV."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from engine.command_line import INTERRUPTED
from engine.errors import ConfigError
from engine.live_lines import live_line, show
from selfplay.data.label_engine import LabelEngine
from selfplay.data.label_positions import LabelFile, LabelProgress, label_positions, labelled_keys
from selfplay.data.label_tasks import LabelTask, Sampling, positions_of_file, tasks_of_games
from selfplay.data.label_tree import TreeSampling, positions_of_trees
from selfplay.data.pgn import PgnSelection, read_pgn
from selfplay.data.teacher import teacher_files
from selfplay.interrupt import StopFlag
from selfplay.lock import FolderLock
from selfplay.matches.contestant import parse_contestant
from selfplay.records.game import training_game
from selfplay.records.replay import published_games, published_generations

EXAMPLE = """examples:
positions that self-play reaches, and answers to moves it only thought of
  aino-train label --engine "cmd=stockfish option.Hash=1" --run run1 --per-game 20 --deviate 0.5 \\
    --count 200000 --concurrency 2 --known labels/part1.txt.xz --out labels/part5.txt.xz
positions that the search of games' positions looks at, for `aino-train pretrain --tree-labels`
  aino-train label --engine "cmd=stockfish option.Hash=1" --pgn games.pgn --per-game 8 --tree 14 \\
    --multipv 3 --count 400000 --concurrency 2 --out labels/searched1.txt.xz
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = EXAMPLE
    text = "UCI engine: a command, or words cmd=COMMAND option.NAME=VALUE"
    parser.add_argument("--engine", required=True, metavar="ENGINE", help=text)
    text = "write the labels here; run the same command again to continue"
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.txt.xz", help=text)
    _add_source_flags(parser.add_argument_group("positions (at least one source)"))
    _add_search_flags(parser.add_argument_group("search"))


def _add_source_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--pgn", type=Path, nargs="+", default=[], metavar="FILE", help="label positions of PGN games")
    group.add_argument("--pgn-min-elo", type=int, default=0, metavar="ELO", help="minimum Elo of both players (any)")
    text = "label these positions, one per line (EPD or FEN)"
    group.add_argument("--epd", type=Path, nargs="+", default=[], metavar="FILE", help=text)
    group.add_argument("--run", type=Path, metavar="RUN", help="label positions of a run's games, newest first")
    text = "label at most N positions per game, drawn at random (default: all)"
    group.add_argument("--per-game", type=int, default=0, metavar="N", help=text)
    text = "replace this share of positions by the one after another move (in a run's games, one the search visited)"
    group.add_argument("--deviate", type=float, default=0.0, metavar="X", help=text)
    group.add_argument("--seed", type=int, default=1, help="random seed (default %(default)s)")
    text = "replace each position by about N positions from Aino's search tree of it"
    group.add_argument("--tree", type=int, default=0, metavar="N", help=text)
    text = "nodes per search for --tree; each search varies from half to twice this (default %(default)s)"
    group.add_argument("--tree-nodes", type=int, default=600, metavar="N", help=text)
    text = "skip positions that are in these label files or folders"
    group.add_argument("--known", type=Path, nargs="+", default=[], metavar="PATH", help=text)
    text = "stop when the file has N positions (default %(default)s)"
    group.add_argument("--count", type=int, default=100_000, metavar="N", help=text)


def _add_search_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--nodes", type=int, default=3_000, help="nodes per position (default %(default)s)")
    group.add_argument("--multipv", type=int, default=5, metavar="N", help="moves per position (default %(default)s)")
    group.add_argument("--timeout", type=float, default=60.0, metavar="S", help="per position (default %(default)s s)")
    group.add_argument("--concurrency", type=int, default=1, metavar="N", help="parallel engines (default %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Start or continue labelling."""
    _check(arguments)
    tasks = _tasks(arguments)
    with FolderLock(arguments.out.parent), closing(LabelFile(arguments.out)) as out, StopFlag() as stop:
        if out.cut_bytes:
            show(f"{out.part}: cut a torn line of {out.cut_bytes} bytes")
        finished = _label(arguments, tasks, out, stop.is_set)
        if not finished:
            show(f"stopped at {len(out.keys):,} positions; the same command continues")
            return INTERRUPTED
        out.finish()
    count = arguments.count
    short = "" if len(out.keys) >= count else f"; {count:,} were asked for, the sources have no more"
    show(f"{arguments.out}: {len(out.keys):,} positions{short}")
    return 0


def _label(arguments: argparse.Namespace, tasks: Iterator[LabelTask], out: LabelFile, stop: Callable[[], bool]) -> bool:
    contestant = parse_contestant(arguments.engine)
    new_engine = partial(
        LabelEngine, contestant.command, contestant.options, arguments.multipv, arguments.nodes, arguments.timeout
    )
    known = _known_keys(arguments.known)
    show(f"{arguments.out.name}: {len(out.keys):,} positions so far, {len(known):,} known from elsewhere")
    with live_line(f"labels {arguments.out.name}") as line:

        def report(now: LabelProgress) -> None:
            speed = f"{now.positions_per_s:,.1f} positions/s"
            line.update(now.positions / now.of_positions, f"{now.positions:,} of {now.of_positions:,}, {speed}")

        return label_positions(
            tasks, new_engine, out, known, arguments.count, arguments.concurrency, report, show, stop
        )


def _check(arguments: argparse.Namespace) -> None:
    if not (arguments.pgn or arguments.epd or arguments.run):
        raise ConfigError("nothing to label: give at least one of --pgn, --epd and --run")
    for name in ("nodes", "multipv", "concurrency", "count", "tree_nodes"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name.replace('_', '-')}: expected at least 1, got {getattr(arguments, name)}")
    if not 0.0 <= arguments.deviate <= 1.0:
        raise ConfigError(f"--deviate: expected 0..1, got {arguments.deviate}")


def _tasks(arguments: argparse.Namespace) -> Iterator[LabelTask]:
    sampling = Sampling(arguments.per_game, arguments.deviate, arguments.seed)
    selection = PgnSelection(least_elo=arguments.pgn_min_elo)
    sources = [positions_of_file(path) for path in arguments.epd]
    sources += [tasks_of_games(read_pgn(path, selection), sampling) for path in arguments.pgn]
    if arguments.run:
        replay = arguments.run / "replay"
        generations = published_generations(replay)
        if not generations:
            raise ConfigError(f"{replay}: no published games there")
        for generation in reversed(generations):
            games = published_games(replay, generation)
            sources.append(tasks_of_games((training_game(game, value_share=0.0) for game in games), sampling))
    tasks = chain.from_iterable(sources)
    if arguments.tree > 0:
        return positions_of_trees(tasks, TreeSampling(arguments.tree, arguments.tree_nodes, arguments.seed))
    return tasks


def _known_keys(paths: list[Path]) -> np.ndarray:
    keys = [labelled_keys(path) for path in teacher_files(paths)]
    return np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.uint64)
