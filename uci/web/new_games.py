"""How a game comes to the board: a new one from what the page chose, or one out of a PGN."""

import itertools
import random
import re
import reprlib

import chess

from engine.board.epd import position_lines, split_epd
from engine.board.pgn.annotations import game_name
from engine.board.pgn.move_words import typed_position
from engine.errors import ConfigError, DataError
from engine.files.text import POSITIONS, kind_of
from uci.common.reading import board_at, odd_result, read_text_games
from uci.game.clock import GameClock, parse_time_control
from uci.game.level import parse_level
from uci.game.timed_game import Setup, chess960_start
from uci.language import _, several
from uci.web.study import MOST_PLIES

_MOST_GAMES = 300  # games of a PGN that the page lists


def chosen_position(
    fen: str, shown: chess.Board, chess960: str = ""
) -> tuple[chess.Board, list[str]]:
    """Return the position of a FEN ("" for the usual start), or the Chess960 start of a number or
    of `any`, and notes.

    A FEN whose castling rights only Chess960 knows is read as those of the `shown` board. Raises
    FenError, ConfigError.
    """
    if not chess960:
        return _typed(fen.strip() or chess.STARTING_FEN, shown)
    if chess960 == "any":
        return chess960_start(), []
    if not re.fullmatch(r"\d{1,18}", chess960):  # Python reads 4,300 digits, no more
        raise ConfigError(
            _("Chess960 position {text}: expected a number", text=reprlib.repr(chess960))
        )
    return chess960_start(int(chess960)), []


def _typed(fen: str, shown: chess.Board) -> tuple[chess.Board, list[str]]:
    """Return the position of a FEN, and notes."""
    notes = list[str]()
    board = typed_position(fen, note=notes.append)
    notes_960 = list[str]()
    board_960 = typed_position(fen, True, notes_960.append)
    if shown.chess960 and board.castling_rights != board_960.castling_rights:
        return board_960, notes_960
    return board, notes


def chosen_game(board: chess.Board, side: str, level: str, clock: str) -> Setup:
    """Return a game from a board. The person plays `side` (white, black, random) or watches (none);
    `clock` "" is none.

    Raises ConfigError.
    """
    sides = {
        "white": chess.WHITE,
        "black": chess.BLACK,
        "random": random.choice(chess.COLORS),
        "none": None,
    }
    human = sides[side]
    levels = dict.fromkeys(chess.COLORS, parse_level(level))
    clocks = None
    if clock:
        clocks = GameClock(parse_time_control(clock))
    return Setup(board, human, levels, clocks, is_watched=human is None)


def loaded_game(text: str, number: int) -> tuple[Setup, list[str], str]:
    """Return the game of that number, from 1, of a PGN's text, as a board for analysis. Raises
    DataError.

    With it come the names of the first games, at most 300, and the first fault in this one, "" for
    none. FENs, one a line, are games, too.
    """
    if kind_of(text) == POSITIONS:
        text = "\n\n".join(
            _as_game(line.replace('"', "")) for _number, line in position_lines(text)
        )
    every = (game for game in read_text_games(text, _("the PGN")) if game.number)
    games = list(itertools.islice(every, max(_MOST_GAMES, number)))
    if not 1 <= number <= len(games):
        raise DataError(
            several("the PGN has {count} game", "the PGN has {count} games", len(games))
        )
    chosen = games[number - 1]
    if chosen.start_fault:
        raise DataError(chosen.start_fault)
    board = board_at(chosen.game)
    if (plies := len(board.move_stack)) > MOST_PLIES:
        raise DataError(
            _("the game has {plies} plies; at most {most} are shown", plies=plies, most=MOST_PLIES)
        )
    setup = Setup(board, None, headers=dict(chosen.game.headers), source=chosen.game)
    every_tag = (game.game.headers for game in games[:_MOST_GAMES])
    names = [f"{game_name(tags)}, {tags.get('Result', '*')}" for tags in every_tag]
    return setup, names, str(next(iter(chosen.faults), odd_result(chosen)))


def _as_game(line: str) -> str:
    """Return a position, and the moves behind it, as a game in PGN."""
    fields, rest = split_epd(line)
    moves = ""
    if rest.startswith("moves"):
        moves = rest.removeprefix("moves")
    return f'[Event "{line}"]\n[FEN "{" ".join(fields)}"]\n\n{moves} *\n'
