"""What the page may ask for: the forms of its messages, checked and bounded, and what carries each
out.

The conductor lets the page come and go, does what it asks, and sets the engine to the work of the
board's mode.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import AinoError, DataError
from uci.game.timed_game import Setup
from uci.language import _
from uci.library.explorer import KEPT_PLIES
from uci.library.game_files import is_key
from uci.library.training import MOST_RATING
from uci.terminal.author_notes import COLOURS
from uci.web import analysis_mode, game_mode, review_mode
from uci.web.board_session import BoardSession, Services, Tell
from uci.web.shelf import Shelf
from uci.web.table import Table

# Characters that the page's fields take; a position may have a long game behind it.
LONGEST = {"pgn": 250_000, "position": 20_000, "comment": 4000, "word": 40}
LONGEST_MESSAGE = 6 * LONGEST["pgn"] + 1000  # bytes; JSON writes some characters in six
_LONGEST_NAME = 255
_LONGEST_LINE = 6 * KEPT_PLIES
_MOST_MOVES = 200

Check = Callable[[Any], bool]


def _text(longest: int) -> Check:
    """Return the check of a text that can be stored: JSON may hold halves of characters."""
    return lambda value: (
        isinstance(value, str) and len(value) <= longest and not re.search("[\ud800-\udfff]", value)
    )


def _number(least: int, most: int) -> Check:
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    )


def _key(value: Any) -> bool:
    return isinstance(value, str) and is_key(value)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _moves(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MOST_MOVES and all(map(_text(5), value))


def _on_shelf(action: Callable[..., object]) -> Callable[..., None]:
    """Return a request that one's own games carry out; on a board without them it does nothing."""

    @functools.wraps(action)
    def act(session: BoardSession, **fields: Any) -> None:
        if session.shelf is not None:
            session.shelf.ask(action, **fields)

    return act


def _on_node(
    action: Callable[..., None], tell: Callable[[BoardSession], None] = BoardSession.noted
) -> Callable[..., None]:
    """Return a request that changes a node of the table's tree; `tell` says so afterwards."""

    @functools.wraps(action)
    def act(session: BoardSession, node: int, **fields: Any) -> None:
        action(session.table, session.table.tree.node(node), **fields)
        tell(session)

    return act


_WORD = _text(LONGEST["word"])
_POSITION = _text(LONGEST["position"])
_TEXT = _text(_LONGEST_NAME)
_SIDE: Check = lambda value: value in ("white", "black", "random", "none")  # noqa: E731 - a row like the others
_COLOUR: Check = lambda value: value in COLOURS.values()  # noqa: E731
_SQUARE = _number(0, 63)
_NODE = {"node": _number(0, 10**9)}
_START = {"side": _SIDE, "level": _WORD, "clock": _WORD}

_FILE, _LINE = _text(_LONGEST_NAME), _text(_LONGEST_LINE)
_LIST = {"text": _TEXT, "result": _WORD, "side": _WORD, "file": _FILE, "line": _LINE, "order": _WORD,
         "offset": _number(0, 10**7)}  # fmt: skip
_RATING = _number(0, MOST_RATING)
_PUZZLES = {"source": _WORD, "theme": _WORD, "least": _RATING, "most": _RATING}

Fields = Mapping[str, Check]

# Name of a request -> what carries it out, and what each of its fields, all of them required, must
# be.
REQUESTS: dict[str, tuple[Callable[..., None], Fields]] = {
    "new": (game_mode.new, {**_START, "fen": _POSITION, "chess960": _text(3)}),
    "play_from_here": (game_mode.play_from_here, _START),
    "again": (game_mode.again, {"swap": _flag}),
    "move": (game_mode.move, {"uci": _text(5)}),
    "type": (game_mode.type_move, {"text": _WORD}),
    "take_back": (game_mode.take_back, {}),
    "hint": (game_mode.hint, {}),
    "offer_draw": (game_mode.offer_draw, {}),
    "resign": (game_mode.resign, {}),
    "level": (game_mode.level, {"level": _WORD}),
    "analyse": (analysis_mode.analyse, {"on": _flag}),
    "look": (analysis_mode.look, _NODE),
    "explore": (analysis_mode.explore, {"moves": _moves}),
    "promote": (_on_node(Table.promote, BoardSession.changed), _NODE),
    "delete": (_on_node(Table.delete, BoardSession.changed), _NODE),
    "comment": (_on_node(Table.comment), {**_NODE, "text": _text(LONGEST["comment"])}),
    "draw": (
        _on_node(Table.draw),
        {**_NODE, "source": _SQUARE, "target": _SQUARE, "colour": _COLOUR},
    ),
    "wipe": (_on_node(Table.wipe), _NODE),
    "mark": (_on_node(Table.mark), {**_NODE, "glyph": _number(0, 6)}),
    "lines": (analysis_mode.lines, {"on": _flag, "count": _number(1, 218)}),
    "position": (analysis_mode.position, {"fen": _POSITION}),
    "load": (analysis_mode.load, {"text": _text(LONGEST["pgn"]), "game": _number(1, 100_000)}),
    "review": (review_mode.review, {}),
    "back_to_review": (review_mode.go_back, {}),
    "stop_review": (review_mode.stop_review, {}),
    "games_refresh": (_on_shelf(Shelf.refresh), {}),
    "games_find": (_on_shelf(Shelf.find), _LIST),
    "games_progress": (_on_shelf(Shelf.progress), {}),
    "explore_games": (analysis_mode.explore_games, {"side": _WORD, "file": _FILE}),
    "games_names": (_on_shelf(Shelf.names), {}),
    "games_name": (_on_shelf(Shelf.name), {"name": _TEXT, "mine": _flag}),
    "games_open": (_on_shelf(Shelf.open), {"key": _key, "ply": _number(0, 10**4)}),
    "games_continue": (_on_shelf(Shelf.go_on), {"key": _key}),
    "games_delete": (_on_shelf(Shelf.delete), {"key": _key, "text": _key}),
    "games_review": (_on_shelf(Shelf.review), {"key": lambda value: value == "" or _key(value)}),
    "games_stop": (_on_shelf(Shelf.stop), {}),
    "puzzles_next": (_on_shelf(Shelf.next_puzzle), _PUZZLES),
    "puzzles_refute": (analysis_mode.refute, {}),
    "puzzles_move": (_on_shelf(lambda shelf, games, uci: shelf.desk.move(uci)), {"uci": _text(5)}),
    "puzzles_answer": (_on_shelf(lambda shelf, games: shelf.desk.answer()), {}),
}


def read_request(text: str | bytes) -> tuple[Callable[..., None], dict[str, Any]]:
    """Return what carries out a message from the page, and its fields. Raises DataError."""
    try:
        request = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"expected a message in JSON: {error}") from error
    if (
        not isinstance(request, dict)
        or not isinstance(request.get("do"), str)
        or request["do"] not in REQUESTS
    ):
        raise DataError('a message without a known "do"')
    name = request.pop("do")
    action, fields = REQUESTS[name]
    if request.keys() != fields.keys():
        raise DataError(f"{name}: expected the fields {sorted(fields)}, found {sorted(request)}")
    for key, check in fields.items():
        if not check(request[key]):
            raise DataError(f"{name}: bad value of {key}")
    return action, request


class Conductor(BoardSession):
    """A session and the page at its board."""

    def __init__(self, services: Services, setup: Setup, tell: Tell) -> None:
        super().__init__(services, setup, tell)
        self._waiting = list[str | bytes]()  # requests while a thread works on the one before them
        self.table.wait(True)

    def arrive(self) -> None:
        """Send everything to a page that has come to the board, and let the game continue."""
        super().arrive()
        self.table.wait(False)
        self.tell_state()
        self.set_review(self.review)
        if self.hinted is not None and self.hinted["fen"] == self.table.board.fen():
            self.tell(self.hinted)
        if not self.engine.is_loaded:
            self.say(
                _("Aino is getting ready; the very first start compiles the engine. You can begin.")
            )
        self.go_on()

    def leave(self) -> None:
        """Stop the clocks, and the engine unless it reviews a game: the page is gone."""
        self.table.wait(True)
        if not self.review.is_running:
            self.engine.stop()
        self.set_flag_timer()

    def receive(self, text: str | bytes) -> None:
        """Do what a message asks for, in its turn.

        A message that cannot be carried out is answered by an error and changes nothing.
        """
        if self.is_working:
            self._waiting.append(text)
            return
        try:
            action, fields = read_request(text)
            action(self, **fields)
        except (AinoError, OSError) as error:
            self.say(str(error), "error")
            self.tell_state()

    def on_idle(self) -> None:
        """Do what was asked for meanwhile."""
        waiting = self._waiting
        self._waiting = []
        for text in waiting:
            self.receive(text)

    def go_on(self) -> None:
        """Set the engine to the work that the table asks for."""
        super().go_on()
        if self.review.is_running:
            return
        if self.table.is_engine_turn:
            self.start(game_mode.reply(self))
        elif self.table.is_analysing and self.shows_lines and not self.table.is_waiting:
            self.start(analysis_mode.show_lines(self))
        else:
            self.engine.stop()
