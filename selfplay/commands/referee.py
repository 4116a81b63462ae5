"""Flags shared by `match` and `ladder`: time control, openings, adjudication, concurrency."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from selfplay.matches.adjudication import Adjudication, DrawRule, ResignRule
from selfplay.matches.control import TimeControl
from selfplay.matches.opening_book import DEFAULT_PLIES, OpeningBook, load_book

DEFAULT_CLOCK = "1+0.1"
MARGIN_MS = 20.0


def add_referee_flags(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    control = parser.add_argument_group(f"time control (default --tc {DEFAULT_CLOCK})")
    either = control.add_mutually_exclusive_group()
    either.add_argument("--tc", metavar="BASE+INC", help="play with a clock: base time and increment in seconds")
    either.add_argument("--movetime", metavar="S", help="think for this many seconds per move")
    text = "search this many nodes per move; may be combined with --tc or --movetime"
    control.add_argument("--nodes", metavar="N", help=text)
    text = "let a clock be overstepped by this many milliseconds (default %(default)s)"
    control.add_argument("--margin-ms", type=float, default=MARGIN_MS, metavar="MS", help=text)
    text = "stop an engine that answers this many seconds late; it loses the game (default %(default)s)"
    control.add_argument("--patience", type=float, default=30.0, metavar="S", help=text)
    _add_opening_flags(parser.add_argument_group("openings, each played with both colours"))
    _add_ending_flags(parser.add_argument_group("games that end early"))
    text = "play this many games at once (default %(default)s)"
    parser.add_argument("--concurrency", type=int, default=1, metavar="N", help=text)


def _add_opening_flags(group: argparse._ArgumentGroup) -> None:
    text = "read openings from a .pgn or .epd file, plain or in a .zip (default: Aino's own set)"
    group.add_argument("--openings", type=Path, metavar="FILE", help=text)
    text = "take this many plies from each PGN opening (default %(default)s)"
    group.add_argument("--opening-plies", type=int, default=DEFAULT_PLIES, metavar="N", help=text)
    text = "shuffle the openings with this random seed (default %(default)s)"
    group.add_argument("--seed", type=int, default=1, help=text)
    group.add_argument("--chess960", action="store_true", help="play by Chess960 rules; needs Chess960 openings")


def _add_ending_flags(group: argparse._ArgumentGroup) -> None:
    draw, resign = str(DrawRule()), str(ResignRule())
    text = "call a draw when both engines' scores stay within CP for MOVES moves after move FROM (off; alone %(const)s)"
    group.add_argument("--draw", nargs="?", const=draw, metavar="MOVES:CP:FROM", help=text)
    text = "call a loss when both engines score a side at -CP or worse for MOVES moves each (off; alone %(const)s)"
    group.add_argument("--resign", nargs="?", const=resign, metavar="MOVES:CP", help=text)
    text = "call a draw after this many plies (default %(default)s)"
    group.add_argument("--longest", type=int, default=400, metavar="PLIES", help=text)


def quiet_driver() -> None:
    """Keep the driver of UCI engines from logging lines that it does not expect, such as `info string` at the start."""
    logging.getLogger("chess.engine").setLevel(logging.CRITICAL)


def control_of(arguments: argparse.Namespace) -> TimeControl:
    """The time control. Raises ConfigError."""
    given = TimeControl.of(arguments.tc, arguments.movetime, arguments.nodes, arguments.margin_ms)
    return given or TimeControl.parse(DEFAULT_CLOCK, arguments.margin_ms)


def book_of(arguments: argparse.Namespace) -> OpeningBook:
    """The openings. Raises DataError."""
    return load_book(arguments.openings, arguments.opening_plies, arguments.chess960)


def adjudication_of(arguments: argparse.Namespace) -> Adjudication:
    """The rules for ending games early. Raises ConfigError."""
    return Adjudication(
        DrawRule.parse(arguments.draw) if arguments.draw else None,
        ResignRule.parse(arguments.resign) if arguments.resign else None,
    )
