"""`aino analyse`: the best lines of one position or of many."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

import chess
from rich.console import Console
from rich.live import Live
from rich.text import Text

from engine.cli.command_line import INTERRUPTED
from engine.cli.console import make_console, say
from engine.cli.live_lines import show_view
from engine.cli.option_forms import add_flags, options_from_flags
from engine.player import Engine
from engine.search.limits import Limits, SearchInterrupted
from engine.search.result import SearchInfo, SearchResult
from uci.analyse.view import as_json, as_table, game_over_text, searched_lines
from uci.language import speak
from uci.terminal.board_view import choose_style, render_board
from uci.terminal.limit_flags import add_limit_flags, limits_from_flags
from uci.terminal.reading import BadLine, Source, add_source_flags, read_sources
from uci.terminal.waiting import ready_engine

parse = argparse.ArgumentParser.parse_intermixed_args  # options may stand before and after the position

_DEFAULT_LIMITS = Limits(movetime_ms=5000)
_DEFAULT_LINES = 3
EXAMPLES = """\
examples:
  aino analyse startpos
  aino analyse "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR w KQkq - 0 4"
  aino analyse game.pgn --ply 24 --infinite     the position after 24 half-moves, until Ctrl-C
  aino analyse - --json --nodes 1000 < many.fen     one JSON object a line

Scores and chances are White's; in JSON they are the side to move's, as in UCI.
If a line of standard input has no position, Aino reports it, in JSON as {"line": N, "error": ...}, and analyses the
rest. It skips blank lines and those that begin with #.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "aino analyse POSITION [options]"
    add_source_flags(parser, "take a FEN, a PGN file, startpos, or - for one FEN per line of standard input")
    add_limit_flags(parser, "five seconds", with_infinite=True)
    parser.add_argument("--json", action="store_true", help="print one JSON object per position, each on one line")
    add_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Analyse the positions in turn; return exit status 1 if a line held no position. Raises AinoErrors.

    Ctrl-C ends the analysis with the result so far.
    """
    speak("en")  # all of its words are English
    options = options_from_flags(arguments)
    if arguments.multi_pv is None and arguments.config is None:
        options = replace(options, multi_pv=_DEFAULT_LINES)
    limits = limits_from_flags(arguments, _DEFAULT_LIMITS)
    sources = list(read_sources(arguments.position, arguments.game, arguments.ply, options.chess960))
    console, problems = make_console(), make_console(stderr=True)
    with ready_engine(console, replace(options, analyse_mode=True)) as engine:
        for source in sources:
            if isinstance(source, BadLine):
                _print_fault(problems, source, arguments.json)
                continue
            for note in source.notes:
                say(problems, note)
            try:
                result = _analyse(console, engine, source, limits, live=console.is_terminal and not arguments.json)
            except SearchInterrupted as interrupt:
                _print(console, source, interrupt.result, arguments.json)
                return 0 if limits.infinite else INTERRUPTED
            _print(console, source, result, arguments.json)
    return int(any(isinstance(source, BadLine) for source in sources))


def _analyse(console: Console, engine: Engine, source: Source, limits: Limits, live: bool) -> SearchResult:
    engine.set_position(source.board)
    if not any(source.board.legal_moves):
        limits = replace(limits, infinite=False)  # nothing to wait for
    if not live:
        return engine.start(limits).result()
    with Live(Text("thinking"), console=console, auto_refresh=False, transient=True) as view:

        def show(infos: Sequence[SearchInfo]) -> None:
            view.update(as_table(source.board, infos), refresh=True)

        return engine.start(limits, show).result()


def _print_fault(problems: Console, bad: BadLine, as_object: bool) -> None:
    if as_object:
        print(json.dumps({"line": bad.number, "error": str(bad.error)}), flush=True)
    else:
        say(problems, f"line {bad.number}: {bad.error}")


def _print(console: Console, source: Source, result: SearchResult, as_object: bool) -> None:
    if as_object:
        print(json.dumps(as_json(source, result)), flush=True)
        return
    board = source.board
    say(console, f"{source.name}, {chess.COLOR_NAMES[board.turn]} to move")
    console.print(render_board(board, chess.WHITE, choose_style(console)))
    if not result.infos:
        say(console, game_over_text(board))
    else:
        show_view(as_table(board, searched_lines(result)))
