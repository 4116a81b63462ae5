"""`aino play`: sets up a terminal game from the command line and saves it."""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import chess
from rich.console import Console

from engine.board.fen import parse_fen
from engine.console import make_console, say
from engine.errors import ConfigError
from engine.option_forms import add_flags, options_from_flags
from engine.options import EngineOptions
from uci.game.clock import GameClock, parse_time_control
from uci.game.ends import UNFINISHED, GameEnd
from uci.game.game_file import default_path, save
from uci.game.level import DEFAULT_LEVEL, LEVEL_FORMS, Level, parse_level
from uci.play.game import GameSettings, TerminalGame
from uci.play.loop import play
from uci.play.record import record_of
from uci.terminal.board_view import choose_style
from uci.terminal.reading import board_at, read_game
from uci.terminal.waiting import ready_engine

__all__ = ["EXAMPLES", "add_arguments", "run"]

_CHESS960_STARTS = 960
EXAMPLES = """\
examples:
  aino play                                 you have White, Aino thinks two seconds a move
  aino play --side black --level "elo 1000" --clock 10+5
  aino play --load game.pgn                 go on with a game
  aino play --chess960                      a random start position of Fischer Random
  aino play --side none --level "time 1"    watch Aino play itself

In the game 'help' lists what you can type. Whatever ends it, the game is saved as PGN.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "aino play [options]"
    sides = ("white", "black", "random", "none")
    parser.add_argument("--side", choices=sides, default="white", help="choose your side; none = watch (default white)")
    level = parser.add_mutually_exclusive_group()
    level.add_argument("--level", metavar="LEVEL", help=f"set Aino's strength: {LEVEL_FORMS}, or full (default)")
    level.add_argument("--movetime", metavar="S", help="the same as --level 'time S'")
    level.add_argument("--nodes", metavar="N", help="the same as --level 'nodes N'")
    parser.add_argument("--black-level", metavar="LEVEL", help="set another level for Black, with --side none")
    parser.add_argument("--clock", metavar="M[+S]", help="play with clocks: minutes, plus seconds per move")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--fen", help="start from this position")
    start.add_argument("--load", type=Path, metavar="FILE", help="continue a game of this PGN file")
    start.add_argument("--position", type=int, metavar="N", help="start from this Chess960 position, 0 to 959")
    parser.add_argument("--game", type=int, default=1, metavar="N", help="use game number N of --load (default 1)")
    parser.add_argument("--ply", type=int, metavar="N", help="keep N plies of the loaded game (default: all)")
    parser.add_argument("--pgn", type=Path, metavar="FILE", help="save the game here (default aino-DATE-TIME.pgn)")
    parser.add_argument("--bar", action="store_true", help="show the evaluation bar under the board")
    parser.add_argument("--ascii", action="store_true", help="draw the board with letters")
    add_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plays one game; whatever ends it, a game with moves in it is saved. Raises AinoErrors for bad arguments."""
    options = options_from_flags(arguments)
    board = _board(arguments, options.chess960)
    console = make_console()
    settings = _settings(arguments, options, console)
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives input() a history and line editing

    engine = ready_engine(console, options)
    game = TerminalGame(console, engine, board, settings)
    end = UNFINISHED
    try:
        with _leaving_by_signal():
            end = play(game, _ask)
    finally:
        _finish(console, game, end, arguments.pgn)
        engine.close()
    return 0


def _settings(arguments: argparse.Namespace, options: EngineOptions, console: Console) -> GameSettings:
    level = _level(arguments, options)
    black_level = parse_level(arguments.black_level) if arguments.black_level else level
    human = {"white": chess.WHITE, "black": chess.BLACK, "none": None}.get(arguments.side, random.random() < 0.5)
    return GameSettings(
        human=human,
        levels={chess.WHITE: level, chess.BLACK: black_level if human is None else level},
        style=choose_style(console, arguments.ascii),
        clock=GameClock(parse_time_control(arguments.clock)) if arguments.clock else None,
        bar=arguments.bar,
    )


def _level(arguments: argparse.Namespace, options: EngineOptions) -> Level:
    if arguments.level is not None:
        return parse_level(arguments.level)
    if arguments.nodes is not None:
        return parse_level(f"nodes {arguments.nodes}")
    if arguments.movetime is not None:
        return parse_level(f"time {arguments.movetime}")
    strength_is_limited = options.limit_strength or arguments.elo is not None  # the engine's own options may limit it
    return Level(elo=options.elo) if strength_is_limited else DEFAULT_LEVEL


def _board(arguments: argparse.Namespace, chess960: bool) -> chess.Board:
    if arguments.load is not None:
        return board_at(read_game(arguments.load, arguments.game), arguments.ply)
    if arguments.fen is not None:
        return parse_fen(arguments.fen, chess960)
    if arguments.position is None and not chess960:
        return chess.Board()
    number = random.randrange(_CHESS960_STARTS) if arguments.position is None else arguments.position
    if not 0 <= number < _CHESS960_STARTS:
        raise ConfigError(f"--position: bad value {number}, expected 0 to {_CHESS960_STARTS - 1}")
    return chess.Board.from_chess960_pos(number)


def _ask(prompt: str) -> str:
    line = input(prompt)
    if not sys.stdin.isatty():
        print(line)  # input that was not typed must still appear in the transcript
    return line


@contextlib.contextmanager
def _leaving_by_signal() -> Iterator[None]:
    """A closed terminal, or a polite kill, leaves the game as Ctrl-C does."""
    names = [getattr(signal, name) for name in ("SIGHUP", "SIGTERM") if hasattr(signal, name)]
    before = {name: signal.signal(name, signal.default_int_handler) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _finish(console: Console, game: TerminalGame, end: GameEnd, pgn: Path | None) -> None:
    """Saves the game, then tells the result: a terminal that is gone cannot be told. Shows what cannot be saved."""
    told = f"{end.result}: {end.reason}\n" if end.result != "*" else ""
    if game.board.move_stack:
        record = record_of(game, end)
        path = pgn or default_path(game.settings.started)
        try:
            save(record, path)
        except OSError as error:
            told += f"cannot save the game in {path}: {error}\n\n{record}"
        else:
            told += f"saved to {path}"
    if told:
        say(console, told.rstrip())
