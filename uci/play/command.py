"""`aino play`: sets up a terminal game from the command line and saves it."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import random
import sys
from pathlib import Path

import chess
from rich.console import Console

from engine.board.fen import parse_fen
from engine.errors import ConfigError
from engine.options import add_flags, options_from_flags
from engine.player import Engine
from engine.search.limits import Limits
from uci.play.board_view import choose_style
from uci.play.game import GameEnd, TerminalGame
from uci.play.record import default_path, game_from_board, save

__all__ = ["add_arguments", "run"]

_DEFAULT_MOVETIME_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--side", choices=("white", "black", "random"), default="white", help="your side")
    level = parser.add_mutually_exclusive_group()
    level.add_argument("--movetime", type=float, metavar="S", help="seconds that Aino thinks about a move (default 2)")
    level.add_argument("--nodes", type=int, metavar="N", help="positions that Aino looks at for a move: its strength")
    parser.add_argument("--fen", default=chess.STARTING_FEN, help="position to start from")
    parser.add_argument("--pgn", type=Path, metavar="FILE", help="file that gets the game (default aino-DATE-TIME.pgn)")
    parser.add_argument("--ascii", action="store_true", help="draw the board with letters")
    add_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plays one game; whatever ends it, a game with moves in it is saved. Raises ConfigError and FenError."""
    limits = _limits(arguments)
    options = options_from_flags(arguments)
    board = parse_fen(arguments.fen, options.chess960)
    human = {"white": chess.WHITE, "black": chess.BLACK}.get(arguments.side, random.random() < 0.5)
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives input() a history and line editing

    console = Console()
    started = datetime.datetime.now()
    with console.status("Getting ready (the first start compiles, and takes a while)"):
        engine = Engine(options)
        engine.warm_up()
    game = TerminalGame(console, engine, board, human, limits, choose_style(console, arguments.ascii), _ask)
    end = GameEnd("*", "unterminated")
    try:
        end = game.play()
    finally:
        engine.close()
        _finish(console, game, end, human, started, arguments.pgn)
    return 0


def _ask(prompt: str) -> str:
    line = input(prompt)
    if not sys.stdin.isatty():
        print(line)  # nobody has typed it, and the transcript wants it
    return line


def _limits(arguments: argparse.Namespace) -> Limits:
    if arguments.nodes is not None:
        if arguments.nodes < 1:
            raise ConfigError(f"--nodes: bad value {arguments.nodes}, expected 1 or more")
        return Limits(nodes=arguments.nodes)
    seconds = _DEFAULT_MOVETIME_S if arguments.movetime is None else arguments.movetime
    if not 0.001 <= seconds <= 86_400:
        raise ConfigError(f"--movetime: bad value {seconds}, expected 0.001 to 86400 seconds")
    return Limits(movetime_ms=round(1000 * seconds))


def _finish(
    console: Console, game: TerminalGame, end: GameEnd, human: chess.Color, started: datetime.datetime, pgn: Path | None
) -> None:
    """Tells the result and saves the game; shows it where it cannot be saved."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    if end.result != "*":
        say(f"{end.result}: {end.reason}")
    if not game.board.move_stack:
        return
    names = {human: "You", not human: "Aino"}
    record = game_from_board(game.board, names, end.result, end.reason, started)
    path = pgn or default_path(started)
    try:
        save(record, path)
    except OSError as error:
        say(f"cannot save the game: {error}\n\n{record}")
    else:
        say(f"saved to {path}")
