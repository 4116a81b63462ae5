"""`aino play`: sets up a terminal game from the command line and saves it."""

import argparse
import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import replace

import chess
from rich.console import Console

from engine.board.pgn.move_words import typed_position
from engine.cli.command_line import INTERRUPTED, handling_signals
from engine.cli.console import make_console, say
from engine.cli.option_forms import add_flags, options_from_flags
from engine.errors import ConfigError
from engine.files.output_files import check_earlier, output_file
from engine.files.text import GAMES, LOOKED_AT, kind_of
from engine.options import EngineOptions
from uci.common.board_view import choose_style
from uci.common.limit_flags import USUAL_LINES, checked
from uci.common.waiting import ready_engine
from uci.game.clock import GameClock, parse_time_control
from uci.game.game_file import LAST, games_folder, load_game
from uci.game.level import (
    DEFAULT_LEVEL,
    DEFAULT_NAME,
    LEVEL_FORMS,
    EloLevel,
    Level,
    PeopleLevel,
    levels_text,
    parse_level,
)
from uci.game.timed_game import Setup, chess960_start, saved_game
from uci.help_language import translate_help
from uci.language import _, later, letters_shown, show_own_letters, shown_moves
from uci.play.asking import ask_line
from uci.play.game import TerminalGame, TerminalSettings
from uci.play.loop import sit_down
from uci.play.typed_commands import typed_words

DEFAULT_SIDE = "white"
NO_CLOCK = "none"
_SIDES = ("white", "black", "random")
EXAMPLES = """\
examples:
  aino play                                 asks for your side, the level and the clock
  aino play --side black --level "elo 1000" --clock 10+5
  aino play --load last                     continue the game saved last
  aino play --chess960                      a random start position of Fischer Random
  aino play --web --host 0.0.0.0            a board in the browser, also for a phone in this network

During the game, type 'help' for a list of commands. Aino always saves the game.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "aino play [options]"
    _add_game(parser.add_argument_group("the game"))
    _add_start(parser.add_argument_group("where it starts"))
    shown = parser.add_argument_group("what it shows and saves")
    text = "save the game in this file (default: a new file)"
    shown.add_argument("--pgn", type=output_file, metavar="FILE", help=text)
    shown.add_argument("--scores", action="store_true", help="show what Aino thinks of its moves")
    shown.add_argument("--ascii", action="store_true", help="draw the board with letters")
    shown.add_argument(
        "--own-letters",
        action=argparse.BooleanOptionalAction,
        help="show moves with your language's letters for pieces",
    )
    _add_browser(parser.add_argument_group("board in the browser"))
    add_flags(parser)
    translate_help(parser)


def _add_game(group: argparse._ArgumentGroup) -> None:
    text = f"choose {', '.join(_SIDES)}, or none to watch"
    group.add_argument("--side", choices=(*_SIDES, "none"), metavar="SIDE", help=text)
    group.add_argument("--level", metavar="LEVEL", help=f"set Aino's strength: {LEVEL_FORMS}")
    group.add_argument(
        "--black-level", metavar="LEVEL", help="set another level for Black (with --side none)"
    )
    group.add_argument(
        "--clock", metavar="M[+S]", help="play with clocks: minutes, plus seconds a move"
    )


def _add_start(group: argparse._ArgumentGroup) -> None:
    start = group.add_mutually_exclusive_group()
    start.add_argument("--fen", help="start from this position")
    start.add_argument(
        "--position", type=int, metavar="N", help="start from this Chess960 position, 0 to 959"
    )
    start.add_argument(
        "--load", metavar="FILE", help=f"continue a game of this PGN file, or the {LAST} one"
    )
    group.add_argument(
        "--game",
        type=int,
        metavar="N",
        help="continue its game number N (default 1; of last: the last)",
    )
    group.add_argument(
        "--ply", type=int, metavar="N", help="continue it after N plies (default: at its end)"
    )


def _add_browser(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--web", action="store_true", help="play on a board in the browser")
    group.add_argument(
        "--no-browser", action="store_true", help="print the address and open no browser"
    )
    text = "listen on this address (default %(default)s; 0.0.0.0 for phones)"
    group.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help=text)
    group.add_argument(
        "--port", type=int, default=0, metavar="N", help="listen on this port (default: a free one)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Play until the player leaves; whatever ends a game, it is saved if it has moves. Raises
    AinoErrors for bad arguments.
    """
    lines = USUAL_LINES if arguments.web else 1
    options = options_from_flags(arguments, EngineOptions(multi_pv=lines))
    # Behind UTF-16, which has NUL bytes, the games that are added in UTF-8 would be no text.
    if arguments.pgn:
        check_earlier(
            arguments.pgn,
            lambda file: kind_of(file.read(LOOKED_AT).replace(b"\0", b"\1")) == GAMES,
            "a file of games",
        )
    show_own_letters(arguments.own_letters)
    if _asks_first(arguments) and not arguments.web and sys.stdin.isatty():
        try:
            arguments.side, arguments.level, arguments.clock = ask_choices(ask_line, print)
        except EOFError:
            return INTERRUPTED
    console = make_console()
    setup = _chosen(_start(console, arguments, options.chess960), arguments, options)
    if arguments.web:
        _play_in_browser(console, arguments, options, setup)
    else:
        _play_here(console, arguments, options, setup)
    return 0


def _play_here(
    console: Console, arguments: argparse.Namespace, options: EngineOptions, setup: Setup
) -> None:
    """Play in the terminal, game after game."""
    style = choose_style(console, arguments.ascii)
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives input() a history and line editing

    with ready_engine(console, options, wait=False) as engine:
        if not engine.is_prepared:
            news = later(
                "Aino is compiling for this machine. This happens only once. You can already move."
            )
            say(console, _(news))
        settings = TerminalSettings(
            style, arguments.pgn, setup.human is not None, arguments.scores, engine.options
        )
        game = TerminalGame(console, engine, setup, settings, ask_line)
        _complete_with_tab(lambda text: completions(game.board, text))
        say(console, _("The game will be saved in {path}", path=arguments.pgn or games_folder()))
        if arguments.load is not None:
            say(console, game.sides_text)
        # A closed terminal or SIGTERM leaves the game as Ctrl-C does.
        with handling_signals("SIGHUP SIGTERM", signal.default_int_handler):
            while (following := sit_down(game)) is not None:
                game = following


def _asks_first(arguments: argparse.Namespace) -> bool:
    """Whether nothing on the command line says what game is wanted."""
    chosen = ("side", "level", "clock", "fen", "load", "position", "elo", "config")
    return all(getattr(arguments, name) is None for name in chosen) and not arguments.limit_strength


def _complete_with_tab(complete: Callable[[str], list[str]]) -> None:
    readline = sys.modules.get("readline")
    if readline is None:
        return
    readline.set_completer_delims(" ")
    readline.set_completer(lambda text, number: [*complete(text), None][number])
    is_libedit = "libedit" in (readline.__doc__ or "")  # as with Python on macOS
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")


def _play_in_browser(
    console: Console, arguments: argparse.Namespace, options: EngineOptions, setup: Setup
) -> None:
    if setup.human is None:
        refusal = later(
            "--web needs a side: white, black or random; `aino play --side none` shows Aino's own games"
        )
        raise ConfigError(_(refusal))
    from uci.web.launch import serve_board

    if _asks_first(arguments):
        setup = replace(setup, is_asked=True, levels=None)
    place = (not arguments.no_browser, arguments.host, checked("--port", arguments.port, 0, 65_535))
    asyncio.run(serve_board(console, options, setup, arguments.pgn, *place))


def _chosen(saved: Setup, arguments: argparse.Namespace, options: EngineOptions) -> Setup:
    """Return the game to play from a position, which may be a saved game's: flags go before what
    that one says.
    """
    # The engine's own options may limit its strength.
    level: Level | None = None
    if arguments.level is not None:
        level = parse_level(arguments.level)
    elif options.play_like == "people":
        level = PeopleLevel(options.elo)
    elif options.limit_strength or arguments.elo is not None:
        level = EloLevel(options.elo)
    if level is None and saved.levels is not None:
        levels = dict(saved.levels)
    else:
        levels = dict.fromkeys(chess.COLORS, level or DEFAULT_LEVEL)
    human = chess.WHITE if saved.levels is None else saved.human
    if arguments.side is not None:
        sides = {"white": chess.WHITE, "black": chess.BLACK, "random": random.random() < 0.5}
        human = sides.get(arguments.side)
    if arguments.black_level:
        black = parse_level(arguments.black_level)  # reports a bad one
        if human is None:
            levels[chess.BLACK] = black
    clock = saved.clock
    if arguments.clock:
        clock = GameClock(parse_time_control(arguments.clock))
    return replace(saved, human=human, levels=levels, clock=clock)


def _start(console: Console, arguments: argparse.Namespace, chess960: bool) -> Setup:
    if arguments.load is not None:
        return saved_game(load_game(arguments.load, arguments.game), arguments.ply)
    if arguments.fen is not None:
        return Setup(typed_position(arguments.fen, chess960, lambda note: say(console, note)))
    if arguments.position is None and not chess960:
        return Setup()
    return Setup(chess960_start(arguments.position))


# ---- questions before a game, and what Tab completes in it ---------------------------------------


def ask_choices(ask: Callable[[str], str], say: Callable[[str], None]) -> tuple[str, str, str]:
    """Side, level and clock ("" for none) of a new game; Enter takes what stands in brackets.
    Raises EOFError.
    """

    def answer(question: str, default: str, read: Callable[[str], str]) -> str:
        while True:
            try:
                return read(ask(_(question, default=default)).strip().lower() or default)
            except ConfigError as error:
                say(str(error))

    say(levels_text())
    side = answer(later("Your side: white, black or random [{default}]: "), DEFAULT_SIDE, _side)
    level = answer(
        later("Aino's level [{default}]: "), DEFAULT_NAME, lambda text: parse_level(text).text
    )
    clock = answer(later("Clock, such as 10 or 5+3 [{default}]: "), NO_CLOCK, _clock)
    return side, level, clock


def _side(text: str) -> str:
    sides = [side for side in _SIDES if side.startswith(text)]
    if len(sides) != 1:
        raise ConfigError(_("side {text}: expected white, black or random", text=repr(text)))
    return sides[0]


def _clock(text: str) -> str:
    if text == NO_CLOCK:
        return ""
    parse_time_control(text)
    return text


def completions(board: chess.Board, begun: str) -> list[str]:
    """Return the commands and legal moves that begin so."""
    moves = [board.san(move) for move in board.legal_moves]
    with letters_shown(is_own=True):
        words = {*typed_words(), *moves, *map(shown_moves, moves)}
    return sorted(word for word in words if word.startswith(begun))
