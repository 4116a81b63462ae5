"""`aino puzzles`: puzzles of one's own mistakes and of Lichess's file, in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import functools
import sqlite3
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from engine.cli.console import make_console, say, waiting
from engine.errors import DataError, MoveError
from engine.options import EngineOptions
from engine.player import Engine
from uci.common.board_view import BoardStyle, choose_style, render_board
from uci.common.waiting import ready_engine
from uci.game.game_file import games_folder
from uci.game.move_input import read_human_move
from uci.language import _, later, shows_own_letters, translate_help
from uci.library.cooperative import finish
from uci.library.solving import REFUTATION, Attempt
from uci.library.training import Trainer
from uci.play.asking import ask_line

_QUESTION = later("Your move (answer, next, quit): ")
EXAMPLES = """\
examples:
  aino puzzles                                    those that are due, then new ones
  aino puzzles --import lichess_db_puzzle.csv.zst    take up Lichess's puzzles, from database.lichess.org
  aino puzzles --list                             how you stand

Puzzles of your own mistakes come from reviews of your games (My games on the board in the browser).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "aino puzzles [options]"
    text = "import the puzzles of this file in Lichess's format, and end"
    parser.add_argument("--import", dest="file", type=Path, metavar="CSV", help=text)
    parser.add_argument(
        "--list",
        action="store_true",
        help="show rating, streak, and the puzzles that there are, and end",
    )
    parser.add_argument("--ascii", action="store_true", help="draw the board with letters")
    parser.add_argument(
        "--own-letters",
        action="store_true",
        help="show moves with your language's letters for pieces",
    )
    translate_help(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask puzzle after puzzle until the person leaves. Raises AinoErrors."""
    try:
        return _solve(arguments)
    except sqlite3.Error as error:  # of a disk that is full, or of a damaged file
        raise DataError(f"{games_folder()}: {error}") from error


def _solve(arguments: argparse.Namespace) -> int:
    console = make_console()
    shows_own_letters.set(arguments.own_letters)
    with contextlib.closing(Trainer(games_folder())) as trainer:
        if trainer.problem:
            say(console, trainer.problem)
        if arguments.file is not None:
            with waiting(console, _("Reading {file}", file=arguments.file)):
                says = finish(trainer.adding(arguments.file, str(arguments.file)))
            say(console, says)
            return 0
        trainer.add_own()
        say(console, trainer.standing.text)
        if arguments.list:
            say(console, trainer.stock())
            return 0
        puzzle = trainer.next()
        if puzzle is None:
            told = later(
                "No puzzles yet: review your games in `aino play --web`, or take some up with --import."
            )
            say(console, _(told))
        style = choose_style(console, arguments.ascii)
        with contextlib.suppress(EOFError, KeyboardInterrupt), contextlib.ExitStack() as leave:
            load = functools.cache(
                lambda: leave.enter_context(ready_engine(console, EngineOptions(analyse_mode=True)))
            )
            while puzzle is not None:
                attempt = Attempt(trainer, puzzle)
                if not _ask(console, attempt, style, load):
                    break
                say(console, f"{attempt.says} {puzzle.origin} {trainer.standing.text}")
                puzzle = trainer.next()
    return 0


def _ask(console: Console, attempt: Attempt, style: BoardStyle, load: Callable[[], Engine]) -> bool:
    """Ask for moves until a puzzle is over; return False where the person leaves."""
    while not attempt.is_over:
        console.print(render_board(attempt.board, attempt.side, style))
        say(console, attempt.says)
        word = ask_line(_(_QUESTION)).strip()
        if word in ("quit", "q"):
            return False
        if word in ("answer", "next"):
            attempt.give_up()
            continue
        try:
            _play(attempt, word, load)
        except MoveError as error:
            say(console, str(error))
    return True


def _play(attempt: Attempt, word: str, load: Callable[[], Engine]) -> None:
    """Play a move, and let an engine, which is loaded for the first wrong one, refute it. Raises
    MoveError.
    """
    attempt.play(read_human_move(attempt.board, word))
    if attempt.failed is None:
        return
    answer = None
    if any(attempt.refuted.legal_moves):
        load().set_position(attempt.refuted)
        answer = load().start(REFUTATION).result()
    attempt.refute(answer)
