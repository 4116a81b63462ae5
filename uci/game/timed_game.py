"""A game against Aino: sides, levels, position, clocks and PGN; no engine, and nothing is shown."""

import contextlib
import datetime
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import chess
import chess.pgn

from engine.errors import ConfigError, MoveError
from engine.search.result import SearchResult
from uci.common.players import PERSON, aino_name, level_in
from uci.common.reading import board_at
from uci.game.clock import TIME_CONTROL, GameClock, GameTime
from uci.game.ends import UNFINISHED, GameEnd
from uci.game.game_file import ListedGame, SavedGame, game_from_board
from uci.game.level import DEFAULT_LEVEL, Level, parse_level
from uci.game.resigning import resigns
from uci.language import _

_CHESS960_STARTS = 960


@dataclass(frozen=True)
class Setup:
    """How a game begins or goes on: moves on the board's stack count as played.

    `human` is None where Aino plays both sides, and on a board for analysis.
    """

    board: chess.Board = field(default_factory=chess.Board)
    human: chess.Color | None = chess.WHITE
    # Aino's for each colour; None where nothing tells it.
    levels: Mapping[chess.Color, Level] | None = None
    clock: GameClock | None = None
    # Seconds left to the mover after each ply.
    clock_times: Mapping[int, float] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)  # of a game of others
    source: chess.pgn.Game | None = None  # that game, with what its author wrote into it
    seen_by: chess.Color | None = None  # the side that a board for analysis shows below
    # The text that the game is from. A game or an analysis of one's own is saved, and goes on where
    # it stands.
    origin: ListedGame | SavedGame | None = None
    # Whether the web page asks first what game is wanted; who cancels gets the offered level.
    is_asked: bool = False
    # Whether Aino plays both sides on a web page, where else nobody plays without a person.
    is_watched: bool = False


class TimedGame:
    """A person against Aino, or Aino against itself. The clocks start with the first move after the
    setup.
    """

    def __init__(self, setup: Setup) -> None:
        self.started = datetime.datetime.now()
        self.setup = setup
        self.board = setup.board.copy()
        self.human = setup.human
        self.levels = dict(setup.levels or dict.fromkeys(chess.COLORS, DEFAULT_LEVEL))
        self.clock = setup.clock
        self.clock_times = dict(setup.clock_times)
        self.first_ply = self.plies  # plies played before the game began here

    @property
    def level(self) -> Level:
        return self.levels[not self.human]

    @level.setter
    def level(self, level: Level) -> None:
        self.levels |= {side: level for side in chess.COLORS if side != self.human}

    @property
    def plies(self) -> int:
        return len(self.board.move_stack)

    @property
    def is_engine_turn(self) -> bool:
        return self.board.turn != self.human

    @property
    def is_flag_down(self) -> bool:
        """Whether the side to move has used up its time."""
        return self.clock is not None and self.clock.left(self.board.turn) <= 0

    def resigns(self, result: SearchResult) -> bool:
        """Whether Aino, which has searched its position, gives up: as people do, where it plays like
        them.
        """
        if not self.levels[self.board.turn].resigns:
            return False
        other_left_s = None if self.clock is None else self.clock.left(not self.board.turn)
        return resigns(self.board, result, other_left_s)

    def start_clock(self) -> None:
        """Let the mover's clock run; nobody's runs before the first move of a new or loaded
        game.
        """
        if self.clock is not None and self.plies > self.first_ply:
            self.clock.start(self.board.turn)

    def push(self, move: chess.Move) -> None:
        """Play a legal move and stop the mover's clock."""
        mover = self.board.turn
        self.board.push(move)
        if self.clock is not None:
            self.clock.stop()
            self.clock_times[self.plies] = self.clock.left(mover)

    def take_back(self) -> bool:
        """Undo the person's last move and Aino's answer, if there is one, clocks included; False
        without a move.
        """
        count = 1 if self.board.turn != self.human else 2
        if self.plies < count:
            return False
        for _back in range(count):
            self.clock_times.pop(self.plies, None)
            self.board.pop()
        self.first_ply = min(self.first_ply, self.plies)
        if self.clock is not None:
            for side, ply in ((not self.board.turn, self.plies), (self.board.turn, self.plies - 1)):
                self.clock.set_left(side, self.clock_times.get(ply, self.clock.control.seconds))
        return True

    def again(self, swap: bool) -> Setup:
        """Return the same game from its first position, with fresh clocks, and with the other
        colours on `swap`.
        """
        human = self.human
        if human is not None:
            human = human != swap
        levels = {side: self.levels[side != swap] for side in chess.COLORS}
        fresh = self.clock and GameClock(self.clock.control, self.clock.now)
        return Setup(self.board.root(), human, levels, fresh, is_watched=self.setup.is_watched)

    @property
    def names(self) -> dict[chess.Color, str]:
        """What the players are called: `You` and `Aino (elo 1500)`."""
        names = {side: aino_name(self.levels[side].text) for side in chess.COLORS}
        if self.human is not None:
            names[self.human] = PERSON
        return names

    def record(self, end: GameEnd = UNFINISHED, event: str = "Terminal game") -> chess.pgn.Game:
        started_utc = self.started.astimezone(datetime.UTC)
        headers = {
            "Event": event,
            "Date": f"{self.started:%Y.%m.%d}",
            "UTCDate": f"{started_utc:%Y.%m.%d}",
            "UTCTime": f"{started_utc:%H:%M:%S}",
            "White": self.names[chess.WHITE],
            "Black": self.names[chess.BLACK],
            "Termination": end.reason,
        }
        if self.clock is not None:
            headers["TimeControl"] = self.clock.control.pgn_text
        if self.clock is not None and end == UNFINISHED:
            headers |= self.clock.headers()
        return game_from_board(self.board, headers, end.result, self.clock_times)


def chess960_start(number: int | None = None) -> chess.Board:
    """Return a start of Chess960 by its number, or any of them. Raises ConfigError."""
    if number is None:
        number = random.randrange(_CHESS960_STARTS)
    if not 0 <= number < _CHESS960_STARTS:
        most = _CHESS960_STARTS - 1
        raise ConfigError(
            _("Chess960 position {number}: expected 0 to {most}", number=number, most=most)
        )
    return chess.Board.from_chess960_pos(number)


def clicked_move(board: chess.Board, uci: str) -> chess.Move:
    """Return a legal move from UCI notation, as a page sends it. Raises MoveError."""
    with contextlib.suppress(ValueError):
        if move := board.parse_uci(uci):  # python-chess reads a null move from 0000
            return move
    raise MoveError(_("{move} is illegal in this position", move=uci))


def saved_game(game: chess.pgn.Game, ply: int | None = None) -> Setup:
    """Return the game after `ply` half-moves (None: all), as the headers and clock comments tell
    it. Raises DataError.

    `levels` is None where its players are not a person and Aino, or Aino alone.
    """
    board = board_at(game, ply)
    people = []
    levels = {}
    for side in chess.COLORS:
        name = game.headers.get(chess.COLOR_NAMES[side].title(), "")
        if level := _level(name):
            levels[side] = level
        elif name == PERSON:
            people.append(side)
    human = people[0] if people else None
    if human is not None and levels:
        levels[human] = levels[not human]
    is_ours = len(levels) == len(chess.COLORS)
    clock, clock_times = _clocks(game, board)
    return Setup(board, human, levels if is_ours else None, clock, clock_times)


def without_clocks(game: chess.pgn.Game) -> chess.pgn.Game:
    """Take the clock times off the moves of a saved game, which go on in a setup; return it."""
    for node in game.mainline():
        node.set_clock(None)
    return game


def _level(name: str) -> Level | None:
    level = level_in(name)
    if level is None:
        return None
    try:
        return parse_level(level)
    except ConfigError:
        return None


def _clocks(game: chess.pgn.Game, board: chess.Board) -> tuple[GameClock | None, dict[int, float]]:
    """Return the clock as it stood at the board's ply, and the times before; (None, {}) without a
    time control.
    """
    match = TIME_CONTROL.fullmatch(game.headers.get("TimeControl", ""))
    if match is None or not 0 < float(match[1]) < math.inf:
        return None, {}
    clock = GameClock(GameTime(float(match[1]), float(match[2] or 0)))
    times = {}
    for ply, node in enumerate(game.mainline(), 1):
        left = node.clock()
        if ply <= len(board.move_stack) and left is not None:
            times[ply] = left
            clock.set_left(not node.turn(), left)
    if len(list(game.mainline())) == len(board.move_stack):
        clock.set_by_headers(game.headers)  # these know what the side to move had used
    return clock, times
