"""`aino analyse`: the best lines of one position or of many, as a table for people or as JSON for
programs.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import chess
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from engine.cli.command_line import INTERRUPTED
from engine.cli.console import make_console, say
from engine.cli.live_lines import show_view
from engine.cli.option_forms import add_flags, options_from_flags
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.job import SearchInterrupted
from engine.search.limits import Limits
from engine.search.result import SearchInfo, SearchResult
from uci.common.board_view import choose_style, render_board
from uci.common.evaluation import Evaluation
from uci.common.limit_flags import USUAL_LINES, add_limit_flags, limits_from_flags
from uci.common.reading import BadLine, Source, add_source_flags, read_sources
from uci.common.waiting import ready_engine
from uci.language import speak

LINE_PLIES = 16  # plies shown of each line without a mate


def searched_lines(result: SearchResult) -> list[SearchInfo]:
    """Return the lines whose first move was visited: a proven win may end the search before it
    tries all.
    """
    tried = {child.move for child in result.children if child.visits > 0}
    lines = []
    for info in result.infos:
        if info.multipv == 1 or not result.children or info.pv[0] in tried:
            lines.append(info)
    return lines


def as_table(board: chess.Board, infos: Sequence[SearchInfo]) -> Group:
    """Return a row for each line: rank, White's score and chances, moves. Below them, the totals of
    the search.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("White", justify="right", no_wrap=True)
    table.add_column("W/D/L %", justify="right", no_wrap=True)
    table.add_column("line")
    for info in infos:
        evaluation = Evaluation.of_info(info).seen_by_white(board.turn)
        line = Text(board.variation_san(info.line(LINE_PLIES)))
        table.add_row(
            f"{info.multipv}.", Text(evaluation.text, "bold"), evaluation.shares_text, line
        )
    first = infos[0]
    work = (f"depth {first.depth}/{first.seldepth}, {first.nodes:,} nodes in {first.time_ms / 1000:.1f} s, "
            f"{first.nps:,} nodes/s, tree {first.hashfull / 10:.0f}% full")  # fmt: skip
    return Group(table, Text(work, "dim"))


def as_json(source: Source, result: SearchResult) -> dict[str, Any]:
    """Return a position's analysis in plain types; scores and chances (per mille) are seen by the
    side to move.
    """
    board = source.board
    return {
        "name": source.name,
        "fen": board.fen(),
        "side_to_move": chess.COLOR_NAMES[board.turn],
        "best_move": result.best_move and result.best_move.uci(),
        "nodes": result.nodes,
        "time_ms": result.time_ms,
        "lines": [_line_as_json(board, info) for info in searched_lines(result)],
    }


def _line_as_json(board: chess.Board, info: SearchInfo) -> dict[str, Any]:
    is_mate = info.score_mate is not None
    return {
        "rank": info.multipv,
        "score_cp": None if is_mate else info.score_cp,
        "mate": info.score_mate,
        "wdl": list(Evaluation.of_info(info).wdl),
        "depth": info.depth,
        "seldepth": info.seldepth,
        "moves": [move.uci() for move in info.pv],
        "san": board.variation_san(info.pv),
    }


# Options may stand before and after the position.
parse = argparse.ArgumentParser.parse_intermixed_args

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
    add_source_flags(
        parser, "take a FEN, a PGN file, startpos, or - for one FEN per line of standard input"
    )
    add_limit_flags(parser, "five seconds", with_infinite=True)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per position, each on one line"
    )
    add_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Analyse the positions in turn; return exit status 1 if a line held no position. Raises
    AinoErrors.

    Ctrl-C ends the analysis with the result so far.
    """
    speak("en")  # all of its words are English
    options = options_from_flags(arguments, EngineOptions(multi_pv=USUAL_LINES))
    limits = limits_from_flags(arguments, Limits(movetime_ms=5000))
    sources = list(
        read_sources(arguments.position, arguments.game, arguments.ply, options.chess960)
    )
    console, problems = make_console(), make_console(stderr=True)
    with ready_engine(console, replace(options, analyse_mode=True)) as engine:
        for source in sources:
            if isinstance(source, BadLine):
                if arguments.json:
                    print(
                        json.dumps({"line": source.number, "error": str(source.error)}), flush=True
                    )
                else:
                    say(problems, f"line {source.number}: {source.error}")
                continue
            for note in source.notes:
                say(problems, note)
            is_live = console.is_terminal and not arguments.json
            try:
                result = _analyse(console, engine, source, limits, is_live)
            except SearchInterrupted as interrupt:
                _print(console, source, interrupt.result, arguments.json)
                return 0 if limits.infinite else INTERRUPTED
            _print(console, source, result, arguments.json)
    return int(any(isinstance(source, BadLine) for source in sources))


def _analyse(
    console: Console, engine: Engine, source: Source, limits: Limits, is_live: bool
) -> SearchResult:
    engine.set_position(source.board)
    if not any(source.board.legal_moves):
        limits = replace(limits, infinite=False)  # nothing to wait for
    if not is_live:
        return engine.start(limits).result()
    with Live(Text("thinking"), console=console, auto_refresh=False, transient=True) as view:

        def show(infos: Sequence[SearchInfo]) -> None:
            view.update(as_table(source.board, infos), refresh=True)

        return engine.start(limits, show).result()


def _print(console: Console, source: Source, result: SearchResult, as_object: bool) -> None:
    if as_object:
        print(json.dumps(as_json(source, result)), flush=True)
        return
    board = source.board
    say(console, f"{source.name}, {chess.COLOR_NAMES[board.turn]} to move")
    console.print(render_board(board, chess.WHITE, choose_style(console)))
    if result.infos:
        show_view(as_table(board, searched_lines(result)))
    else:
        ending = "checkmate" if board.is_checkmate() else "stalemate"
        say(console, f"the game is over: {board.result()}, {ending}")
