"""`aino-train label`: teacher labels for positions, from any UCI engine with MultiPV."""

import argparse
import math
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import live_line, show
from engine.cli.setting_flags import add_files, add_flag
from engine.errors import ConfigError
from selfplay.commands.referee import quiet_driver
from selfplay.data.kinds import LABELS, PGN, POSITIONS, data_files
from selfplay.data.pgn import read_pgn
from selfplay.interrupt import Stop, StopFlag
from selfplay.lock import file_lock
from selfplay.matches.contestant import parse_contestant
from selfplay.teachers.label_positions import LabelFile, label_positions, labelled_keys
from selfplay.teachers.label_tasks import LabelTask, positions_of_file, positions_of_trees, tasks_of_games
from selfplay.teachers.uci_engine import UciEngine

EXAMPLES = """examples:
label positions of games, but none that is labelled elsewhere
  aino-train label --engine "cmd=stockfish option.Hash=1" --data games.pgn --per-game 20 --count 200000 \\
    --concurrency 2 --known labels/part1.txt.xz --out labels/part5.txt.xz
label positions from Aino's search trees of a PGN file's games, for `aino-train pretrain`
  aino-train label --engine "cmd=stockfish option.Hash=1" --data games.pgn --per-game 8 --tree 14 \\
    --multipv 3 --count 400000 --concurrency 2 --out labels/searched1.txt.xz
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = "ask this UCI engine: a command, or words cmd=COMMAND option.NAME=VALUE"
    parser.add_argument("--engine", required=True, metavar="ENGINE", help=text)
    text = "write the labels here; run the same command again to continue"
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.txt.xz", help=text)
    _add_source_flags(parser.add_argument_group("positions"))
    _add_search_flags(parser.add_argument_group("search"))


def _add_source_flags(group: argparse._ArgumentGroup) -> None:
    text = "label positions of PGN games, or of lists with one per line (EPD or FEN); the content tells the kind"
    add_files(group, "--data", text)
    text = "skip games in which a player is rated below this Elo (default: none)"
    group.add_argument("--pgn-min-elo", type=int, default=0, metavar="ELO", help=text)
    text = "label at most N positions per game, sampled at random (default: all)"
    group.add_argument("--per-game", type=int, default=0, metavar="N", help=text)
    text = "label only games that trainings hold out (one in 64 by a hash of the moves)"
    group.add_argument("--held-out", action="store_true", help=text)
    add_flag(group, "--seed", 1, "seed all samples with this")
    text = "replace each position by about N positions from Aino's search tree of it"
    group.add_argument("--tree", type=int, default=0, metavar="N", help=text)
    text = "search those trees for this many visits; each takes half, once or twice as many"
    add_flag(group, "--tree-visits", 600, text)
    add_files(group, "--known", "skip positions that are in these text labels: files or folders")
    add_flag(group, "--count", 100_000, "stop when the file has N positions")


def _add_search_flags(group: argparse._ArgumentGroup) -> None:
    add_flag(group, "--nodes", 3_000, "let the engine search this many nodes per position")
    add_flag(group, "--multipv", 5, "score this many moves per position")
    add_flag(group, "--timeout", 60.0, "give up on a position after this many seconds", "S")
    add_flag(group, "--concurrency", 1, "run this many engines in parallel")


def run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    tasks, teacher = _tasks(arguments), _teacher(arguments)
    with file_lock(arguments.out), closing(LabelFile(arguments.out, teacher)) as out, StopFlag() as stop:
        if out.cut_bytes:
            show(f"{out.part}: cut off an incomplete last line of {out.cut_bytes} bytes")
        finished = _label(arguments, tasks, out, stop.is_set)
        if not finished:
            show(f"stopped at {len(out.keys):,} positions; the same command continues")
            return INTERRUPTED
        out.finish()
    wanted = f" of {arguments.count:,}: the sources have no more" if len(out.keys) < arguments.count else ""
    show(f"{arguments.out}: {len(out.keys):,} positions{wanted}")
    return 0


def _label(arguments: argparse.Namespace, tasks: Iterator[LabelTask], out: LabelFile, stop: Stop) -> bool:
    quiet_driver()
    contestant = parse_contestant(arguments.engine)
    new_engine = partial(UciEngine, contestant, arguments.multipv, arguments.nodes, arguments.timeout)
    known = _known_keys(arguments.known)
    show(f"{arguments.out.name}: {len(out.keys):,} positions so far, {len(known):,} known from elsewhere")
    with live_line(f"labels {arguments.out.name}") as line:
        return label_positions(
            tasks, new_engine, out, known, arguments.count, arguments.concurrency, line.update, show, stop
        )


def _teacher(arguments: argparse.Namespace) -> dict[str, Any]:
    """All that the labels of a position depend on, and what kind of positions they are."""
    engine = parse_contestant(arguments.engine)
    return {
        "command": list(engine.command),
        "options": dict(engine.options),
        "nodes": arguments.nodes,
        "multipv": arguments.multipv,
        "tree": arguments.tree > 0,
        "held_out": arguments.held_out,
    }


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.data:
        raise ConfigError("nothing to label: give --data FILE")
    for name in ("nodes", "multipv", "concurrency", "count", "tree_visits"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name.replace('_', '-')}: expected at least 1, got {getattr(arguments, name)}")
    if not 0.0 < arguments.timeout < math.inf:
        raise ConfigError(f"--timeout: expected finite seconds above 0, got {arguments.timeout}")


def _tasks(arguments: argparse.Namespace) -> Iterator[LabelTask]:
    sampling = arguments.per_game, arguments.seed, arguments.tree > 0, arguments.held_out
    tasks = chain.from_iterable(
        tasks_of_games(read_pgn(path, arguments.pgn_min_elo), *sampling) if kind == PGN else positions_of_file(path)
        for path, kind in data_files(arguments.data, PGN, POSITIONS)
    )
    if arguments.tree > 0:
        return positions_of_trees(tasks, arguments.tree, arguments.tree_visits, arguments.seed)
    return tasks


def _known_keys(paths: list[Path]) -> np.ndarray:
    keys = [labelled_keys(file) for file, _ in data_files(paths, LABELS)]
    return np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.uint64)
