"""`aino annotate PGN`: an annotated PGN and a web page, game by game."""

from __future__ import annotations

import argparse
import webbrowser
from dataclasses import replace
from pathlib import Path

import chess
import chess.pgn
from markupsafe import Markup
from rich.console import Console

from engine.board.pgn.annotations import game_name
from engine.board.pgn.game_reader import ReadGame
from engine.board.pgn.game_writer import game_text
from engine.board.pgn.move_words import ENGLISH
from engine.cli.command_line import INTERRUPTED
from engine.cli.console import harmless, make_console, say
from engine.cli.live_lines import live_line
from engine.cli.option_forms import add_flags, options_from_flags
from engine.files.atomic import append, real_path, write_file
from engine.files.output_files import check_output, free_names
from engine.files.text import searchable
from engine.native.interrupts import Uninterrupted
from engine.native.uptime import uptime_s
from engine.player import Engine
from engine.search.limits import Limits
from uci.annotate.comments import add_comments, how_reviewed, mend_result
from uci.annotate.game_page import game_section, render_game_page
from uci.annotate.move_review import GameReview
from uci.annotate.review import DEFAULT_LIMITS, ReviewInterrupted, review_game
from uci.common.limit_flags import add_limit_flags, limits_from_flags
from uci.common.reading import odd_result, read_every_game
from uci.common.waiting import ready_engine
from uci.language import _, later, several

# Pause between two writings of the page, in multiples of the time that the last one took.
_PAGE_PAUSE = 20.0
EXAMPLES = """\
examples:
  aino annotate game.pgn                    writes game.annotated.pgn and game.annotated.html
  aino annotate games.pgn --nodes 100000    more thorough and ten times slower
  aino annotate games.pgn --out /tmp/mine   writes /tmp/mine.pgn and /tmp/mine.html
  aino annotate games.pgn --side Morphy --open

A move is marked (??, ?, ?! or !) only where eight times the nodes agree. Finished games are saved at once; at Ctrl-C,
so is the reviewed part of the game in progress. An earlier review stays: the next one is written to
game.annotated-2.pgn and game.annotated-2.html.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "aino annotate PGN [options]"
    parser.add_argument("pgn", type=Path, metavar="PGN", help="review the games of this file")
    text = "write NAME.pgn and NAME.html, or into the folder NAME (default: the name of PGN with .annotated)"
    parser.add_argument("--out", type=Path, metavar="NAME", help=text)
    text = "judge only these moves: white, black, or a player by parts of the name (default: both sides')"
    parser.add_argument("--side", metavar="SIDE", help=text)
    parser.add_argument(
        "--open", action="store_true", help="show the page in the browser at the end"
    )
    add_limit_flags(parser, f"{DEFAULT_LIMITS.nodes:,} for each position")
    add_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Annotate all games; return exit status 1 if some could not be read, or only in part. Raises
    AinoErrors.
    """
    options = options_from_flags(arguments)
    limits = limits_from_flags(arguments, DEFAULT_LIMITS)
    games = read_every_game(arguments.pgn)
    base = _base(arguments)
    for path in _output_files(base):
        check_output(path, ())
    console, problems = make_console(), make_console(stderr=True)
    is_damaged = False
    output = None
    try:
        with ready_engine(console, replace(options, analyse_mode=True)) as engine:
            output = _Output(arguments.pgn, base, engine, limits)
            for read_game in games:
                _tell(problems, read_game, arguments.pgn)
                is_damaged |= bool(read_game.faults)
                if read_game.number and not read_game.start_fault:
                    side = _side(problems, read_game.game, arguments.side)
                    review = _review(engine, read_game.game, read_game.number, limits, side)
                    output.add(review)
                    say(console, _summary_line(review, read_game.number))
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, ReviewInterrupted) and interrupt.review and output:
            with Uninterrupted():
                output.add(interrupt.review)
        say(problems, _("interrupted"))
        return INTERRUPTED
    finally:
        if output is not None and output.finished:
            _finish(console, output, arguments.open)
    return int(is_damaged)


def _base(arguments: argparse.Namespace) -> Path:
    """Return the path of both outputs, but for their ends."""
    base: Path = arguments.pgn.with_name(f"{arguments.pgn.stem}.annotated")
    out: Path | None = arguments.out
    if out is None:
        return base
    if out.is_dir():
        return out / base.name
    return out


def _finish(console: Console, output: _Output, opens: bool) -> None:
    """Write the page of all games, say where they are, and show it if that is wanted."""
    with Uninterrupted():
        output.write_page()
    singular = later("{count} game in {pgn} and {page}")
    plural = later("{count} games in {pgn} and {page}")
    say(console, several(singular, plural, output.finished, pgn=output.pgn, page=output.html))
    if opens:
        webbrowser.open(real_path(output.html).as_uri())


def annotate_game(console: Console, engine: Engine, game: chess.pgn.Game, source: Path) -> None:
    """Annotate one game beside its `source` file; Ctrl-C keeps what is done."""
    base = source.with_name(f"{source.stem}.annotated")
    output = _Output(source, base, engine, DEFAULT_LIMITS)
    engine.set_options(replace(engine.options, analyse_mode=True))
    try:
        review: GameReview | None = _review(engine, game, 1, DEFAULT_LIMITS)
    except ReviewInterrupted as interrupt:
        review = interrupt.review
    if review is not None:
        with Uninterrupted():
            output.add(review)
            output.write_page()
        say(
            console,
            f"{_summary_line(review, 1)}\n"
            + _("in {pgn} and {page}", pgn=output.pgn, page=output.html),
        )


def _tell(problems: Console, game: ReadGame, path: Path) -> None:
    """Report what is wrong or odd with a game, and in which language it was read."""
    if game.letters != ENGLISH.name:
        say(problems, f"game {game.number}: read as {game.letters}")
    for fault in game.faults:
        line = f"{path}:{fault}"
        if game.number:
            line = f"game {game.number}: {line}; "
            line += "skipping the game" if game.start_fault else "reading that line up to there"
        say(problems, line)
    if game.number and not game.start_fault and (odd := odd_result(game)):
        say(problems, f"game {game.number}: {odd}")


def _side(problems: Console, game: chess.pgn.Game, asked_side: str | None) -> chess.Color | None:
    """Return the side of a game whose moves are judged; None for both. Says so where a name is
    nobody's.
    """
    if asked_side is None:
        return None
    if asked_side.lower() in chess.COLOR_NAMES:
        return asked_side.lower() == "white"
    words = searchable(asked_side.replace(",", " ")).split()
    white, black = game.headers.get("White", "?"), game.headers.get("Black", "?")
    is_white, is_black = (
        all(word in searchable(name) for word in words) for name in (white, black)
    )
    if not (is_white or is_black):
        say(problems, f"no {asked_side!r} in {white} - {black}: both sides are judged")
    if is_white == is_black:
        return None
    return is_white


def _review(
    engine: Engine,
    game: chess.pgn.Game,
    number: int,
    limits: Limits,
    side: chess.Color | None = None,
) -> GameReview:
    title = harmless(_("game {number}: {name}", number=number, name=game_name(game.headers)))
    with live_line(title) as line:

        def on_ply(done: int, total: int) -> None:
            line.update(done / total, several("{count} position", "{count} positions", done))

        return review_game(engine, game, limits, on_ply, side)


def _summary_line(review: GameReview, number: int) -> str:
    headers = review.game.headers
    sides = []
    for side in review.sides:
        name = chess.COLOR_NAMES[side].title()
        player = headers.get(name, "?").strip("? ") or _(name)
        sides.append(f"{player}: {review.summary(side)}")
    game = _("game {number}, {result}.", number=number, result=headers.get("Result", "*"))
    return f"{game} {'; '.join(sides)}"


class _Output:
    """The two output files, under names that are free. The PGN grows game by game; the page is
    rewritten now and then, and at the end.
    """

    def __init__(self, source: Path, base: Path, engine: Engine, limits: Limits) -> None:
        self.pgn, self.html = _output_files(base)
        self.finished = 0
        self._title = source.name
        self._how = how_reviewed(engine.evaluator.name, limits)
        self._sections: list[tuple[str, Markup]] = []
        self._next_page_s = 0.0

    def add(self, review: GameReview) -> None:
        """Save one finished game. Raises OSError."""
        mend_result(review.game)
        pgn = game_text(add_comments(review, self._how))
        self._sections.append(game_section(review, self.finished + 1, pgn))
        if self.finished:
            append(self.pgn, pgn)
        else:
            self.pgn, self.html = free_names(self.pgn, self.html)
            write_file(self.pgn, pgn)
        self.finished += 1
        if uptime_s() >= self._next_page_s:
            self.write_page()

    def write_page(self) -> None:
        """Write the page of all games so far."""
        begun = uptime_s()
        write_file(self.html, render_game_page(self._title, self._sections, self._how))
        self._next_page_s = uptime_s() + _PAGE_PAUSE * (uptime_s() - begun)


def _output_files(base: Path) -> tuple[Path, Path]:
    # As people write who think of one of them.
    name = base.name.removesuffix(".pgn").removesuffix(".html")
    return base.with_name(f"{name}.pgn"), base.with_name(f"{name}.html")
