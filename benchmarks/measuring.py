"""Helpers for the measuring commands: arguments, output, speeds in turns, games to search, engines,
memory, a tree's fingerprint.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import chess
import numpy as np

from engine import Engine
from engine.cli.command_line import CommandParser
from engine.files.json_text import json_text
from engine.options import EngineOptions

EVALUATORS = ("sparse", "hybrid", "network", "material")
GAME = """e4 e5 Nf3 Nc6 Bb5 a6 Ba4 Nf6 O-O Be7 Re1 b5 Bb3 d6 c3 O-O h3 Na5 Bc2 c5 d4 Qc7 Nbd2 cxd4 cxd4 Nc6 Nb3 a5 Be3
    a4 Nbd2 Bd7 Rc1 Qb7 Qe2 Rfe8 Bd3 b4 a3 h6 axb4 exd4 Nxd4 Nxb4 Bb1 d5 e5 Ne4"""

Row = Mapping[str, object]


Setting = int | float | str | list[int] | list[float]


def new_parser(
    documentation: str | None, **settings: Setting | tuple[Setting, str]
) -> argparse.ArgumentParser:
    """Return a parser with the script's docstring as its help, a --json flag, and a flag for each
    setting, given as its default or as the default and what it is.

    Whole numbers begin at 1. A setting that is a list takes several values, or none.
    """
    parser = CommandParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    for name, setting in settings.items():
        default, text = setting if isinstance(setting, tuple) else (setting, "")
        example = default[0] if isinstance(default, list) else default
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=at_least(1) if isinstance(example, int) else type(example),
            nargs="*" if isinstance(default, list) else None,
            default=default,
            help=f"{text} (default %(default)s)",
        )
    return parser


def existing(text: str) -> Path:
    """Return the path of a file or folder that is there; the type of an argument."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text}: no such file or folder")
    return path


def program(text: str) -> str:
    """Return the command of a program that is there; the type of an argument."""
    if not (words := shlex.split(text)) or shutil.which(words[0]) is None:
        raise argparse.ArgumentTypeError(f"{text!r}: no such program")
    return text


def at_least(least: int) -> Callable[[str], int]:
    """Return the type of an argument that is a number of at least this."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"expected at least {least}, got {text}")
        return int(text)

    return number


def report(rows: Sequence[Row], as_json: bool) -> None:
    """Print rows with the same columns, as a table or as one JSON list."""
    if as_json:
        print(json_text(list(rows), indent=2))
        return
    lines = (
        [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)] if rows else []
    )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        first, *cells = map(str.rjust, line, widths)
        print("  ".join([first.strip().ljust(widths[0]), *cells]))


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


# Does some work, and returns how many units it was.
Run = Callable[[], int]


def counted(work: Callable[[], object], units: int = 1) -> Run:
    """Return a run of work that is always as many units."""

    def run() -> int:
        work()
        return units

    return run


def take_turns(
    runs: Mapping[str, Run],
    rounds: int,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Return units a second, by name and round.

    All take turns, round by round, so that a busy machine slows all of them. In each round, a run
    is repeated for about so many seconds. Its first call may compile and allocate, and is not
    counted.
    """
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            begun = clock()
            done = run()
            while (passed := clock() - begun) < seconds:
                done += run()
            speeds[name].append(done / max(passed, 1e-9))
    return speeds


class Progress:
    """Reports the progress of long work on stderr, at most once every ten seconds."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = name, total
        self._begun = self._told = time.monotonic()

    def update(self, done: int) -> None:
        """Report that `done` of the total is done."""
        now = time.monotonic()
        if now - self._told >= 10.0 and done:
            self._told = now
            left = (now - self._begun) * (self._total - done) / done
            print(
                f"{self._name}: {done:,} of {self._total:,}, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )


def game_boards() -> list[chess.Board]:
    """Every position of one quiet game, each with its move history."""
    board = chess.Board()
    boards = [board.copy()]
    for san in GAME.split():
        board.push_san(san)
        boards.append(board.copy())
    return boards


def new_engine(evaluator: str, threads: int = 1, hash_mib: int = 64) -> Engine:
    """Return an engine with the named evaluator and compiled kernels."""
    engine = Engine(EngineOptions(evaluator=evaluator, threads=threads, hash_mib=hash_mib))
    engine.warm_up()
    return engine


def tree_hash(engine: Engine) -> str:
    """Return a fingerprint of every node and edge of the engine's tree, without scratch arrays."""
    from engine.search.tree.arrays import EDGE_FIELDS, EDGES, NO_NODE, NODE_FIELDS, NODES

    tree = engine._search.tree
    nodes, edges = int(tree.counters[NODES]), int(tree.counters[EDGES])
    digest = hashlib.sha256(f"{nodes} {edges}".encode())
    used = tree.order[:nodes]
    place = np.full(len(tree.nodes) + 1, NO_NODE, np.int32)
    place[used] = range(nodes)
    for name in sorted(NODE_FIELDS.keys() - {"seen_in"}):
        digest.update(getattr(tree, name)[used].tobytes())
    for name in EDGE_FIELDS:
        values = getattr(tree, name)[:edges]
        digest.update((place[values] if name == "child" else values).tobytes())
    return digest.hexdigest()[:16]
