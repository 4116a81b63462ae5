"""`aino explain POSITION`: one web page about one position."""

import argparse
from dataclasses import replace
from pathlib import Path

import chess

from engine.board.notation import board_after
from engine.cli.console import make_console, say, waiting
from engine.cli.live_lines import live_line
from engine.cli.option_forms import add_flags, options_from_flags
from engine.errors import ConfigError
from engine.files.atomic import write_file
from engine.files.output_files import free_names, output_file
from engine.player import Engine
from uci.common.limit_flags import MOST_NODES, checked
from uci.common.reading import add_source_flags, read_source
from uci.common.waiting import ready_engine
from uci.explain.insight import find_threat, judge_at_sight, wins
from uci.explain.observe import Observation, observe_search
from uci.explain.position_page import render_position_page
from uci.language import speak

# Options may stand before and after the position.
parse = argparse.ArgumentParser.parse_intermixed_args

_DEFAULT_NODES = 100_000
_THREAT_SHARE = 4  # the search of the opponent's threat gets one node in this many
EXAMPLES = """\
examples:
  aino explain startpos
  aino explain "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR b KQkq - 3 3" --out scholar.html
  aino explain game.pgn --ply 24

The page is one file to open in a browser.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "aino explain POSITION [options]"
    add_source_flags(parser, "take a FEN, a PGN file, startpos, or - for standard input")
    text = "search this many positions, as `aino analyse --nodes N` does (default %(default)s)"
    parser.add_argument("--nodes", type=int, default=_DEFAULT_NODES, metavar="N", help=text)
    text = "write the page here (default %(default)s); where a file is, under the next free name"
    parser.add_argument(
        "--out", type=output_file, default=Path("aino-explain.html"), metavar="FILE", help=text
    )
    add_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the page and print where it is. Raises AinoErrors."""
    speak("en")  # all of its words are English
    options = options_from_flags(arguments)
    nodes = checked("--nodes", arguments.nodes, 2, MOST_NODES)
    source = read_source(arguments.position, arguments.game, arguments.ply, options.chess960)
    if not any(source.board.legal_moves):
        raise ConfigError(f"{source.name}: the game is over, so there is no move to explain")
    console, problems = make_console(), make_console(stderr=True)
    for note in source.notes:
        say(problems, note)
    board = source.board
    with ready_engine(console, replace(options, analyse_mode=True)) as engine:
        with live_line("Searching") as line:
            observation = observe_search(
                engine,
                board,
                nodes,
                lambda done: line.update(done / (2 * nodes), f"{done:,} nodes"),
            )
        title = "A position explained" if source.name == board.fen() else source.name
        with waiting(console, "Looking at threats"):
            page = _page(engine, observation, title)
    (path,) = free_names(arguments.out)
    write_file(path, page)
    pv = board.variation_san(observation.result.infos[0].pv)
    say(console, f"{chess.COLOR_NAMES[board.turn].title()}: {observation.evaluation.text}, {pv}")
    say(console, f"wrote {path}")
    return 0


def _page(engine: Engine, observation: Observation, title: str) -> str:
    """Return the page of a search, with what it does not show."""
    board = observation.board
    passed = board_after(board, chess.Move.null())
    nodes = max(100, observation.snapshots[-1].nodes // _THREAT_SHARE)
    return render_position_page(
        title=title,
        evaluator=engine.evaluator.name,
        observation=observation,
        first_sight=judge_at_sight(engine.evaluator, board),
        threat=find_threat(engine, board, nodes),
        wins=[wins(board), [] if board.is_check() else wins(passed)],
    )
