"""`aino-train openings`: sample a set of balanced openings, or of endings to play out, from text labels."""

import argparse
import json
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import chess

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import LOG_S, live_line, show
from engine.cli.setting_flags import add_flag
from engine.errors import DataError
from engine.files.atomic import append, write_file
from selfplay.commands.referee import quiet_driver
from selfplay.data.kinds import LABELS, data_files
from selfplay.data.sampled_positions import KINDS, sample_endings, sample_openings
from selfplay.interrupt import StopFlag, Stopped, stopped
from selfplay.lock import file_lock
from selfplay.matches.contestant import ENGINE_HELP, parse_contestant
from selfplay.matches.opening_book import write_openings
from selfplay.teachers.uci_engine import UciEngine

EXAMPLES = """examples:
  aino-train openings --data labels/ --count 5000 --out openings.epd
  aino-train openings --data labels/ --endings won --engine stockfish --nodes 1000000 --count 400 --out won.epd

Aino writes the endings that it found even if they are fewer than --count, and after Ctrl-C. The same command then
continues with the engine's judgements so far, kept in FILE.epd.judged.
"""
PATIENCE_S = 600.0  # Wait this long for an engine's judgement. Set by hand, for busy machines.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = "sample from these text labels (aino-train label): files or folders"
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="FILE", help=text)
    add_flag(parser, "--count", 5000, "sample this many positions")
    add_flag(parser, "--seed", 1, "seed the sampling with this")
    text = "sample endings instead, in which the side to move wins (by 2.2 to 7 pawns) or holds a draw by one move"
    parser.add_argument("--endings", choices=KINDS, help=text)
    parser.add_argument(
        "--engine", default="stockfish", metavar="ENGINE", help=f"judge endings with this engine: {ENGINE_HELP}"
    )
    add_flag(parser, "--nodes", 1_000_000, "let that engine search this many nodes for each ending")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.epd", help="write the positions here")


def run(arguments: argparse.Namespace) -> int:
    files = [file for file, _ in data_files(arguments.data, LABELS)]
    if arguments.endings is not None:
        return _sample_endings(arguments, files)
    found = sample_openings(files, arguments.count, arguments.seed)
    write_openings(arguments.out, found)
    show(f"{arguments.out}: {len(found)} positions")
    return 0


class Judgements:
    """An engine's judgements beside the file that is made from them, so that a command that was stopped goes on.

    known: labels by FEN. The file's first line tells whose judgements they are; those of another engine are not used.
    """

    def __init__(self, out: Path, teacher: Mapping[str, Any]) -> None:
        self._path = out.with_name(f"{out.name}.judged")
        self.known: dict[str, list[tuple[str, int]]] = {}
        lines = self._path.read_text(encoding="utf-8").split("\n")[:-1] if self._path.is_file() else []
        head = json.dumps(teacher)
        if lines[:1] == [head]:
            self.known = {fen: [(move, score) for move, score in labels] for fen, labels in map(json.loads, lines[1:])}
        write_file(self._path, "".join(f"{line}\n" for line in [head, *map(json.dumps, self.known.items())]))

    def add(self, fen: str, labels: list[tuple[str, int]]) -> None:
        """Keep a judgement; a process that is killed does not lose it."""
        self.known[fen] = labels
        append(self._path, json.dumps([fen, labels]) + "\n")

    def remove(self) -> None:
        """Remove the file, when everything has been sampled."""
        self._path.unlink()


def _sample_endings(arguments: argparse.Namespace, files: list[Path]) -> int:
    """Write the endings that are found, however the search for them ends."""
    found: list[tuple[chess.Board, int]] = []
    contestant, lines = parse_contestant(arguments.engine), 2 if arguments.endings == "held" else 1
    teacher = {"command": contestant.command, "options": contestant.options, "nodes": arguments.nodes, "lines": lines}
    quiet_driver()
    with StopFlag(), file_lock(arguments.out):
        judged = Judgements(arguments.out, teacher)
        try:
            engine = UciEngine(contestant, lines, arguments.nodes, PATIENCE_S)
            with closing(engine), live_line(f"endings {arguments.out.name}", LOG_S) as line:
                judge = partial(_judge, engine, judged)
                for ending in sample_endings(files, arguments.endings, arguments.count, arguments.seed, judge):
                    found.append(ending)
                    line.update(len(found) / arguments.count, f"{len(found)} of {arguments.count}")
        except Stopped:
            show("stopped; the same command continues")
            return INTERRUPTED
        except DataError as error:
            if not found:
                raise
            show(str(error))
        finally:
            if found:
                write_openings(arguments.out, found)
                show(f"{arguments.out}: {len(found)} positions")
        judged.remove()
    return 0


def _judge(engine: UciEngine, judged: Judgements, fen: str) -> list[tuple[str, int]]:
    """Return the engine's labels, which are kept. Raises Stopped instead of asking the engine after Ctrl-C."""
    if fen not in judged.known:
        if stopped():
            raise Stopped
        engine.new_game(chess960=False)
        judged.add(fen, engine.labels(fen, ()))
    return judged.known[fen]
