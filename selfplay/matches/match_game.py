"""Referee one game between two UCI engines: decide how it ends and which engine is at fault.

Of what an engine tells while it searches, only an exact score of the best line is its judgement. A
bound, another line of MultiPV, a line about another position, and what follows the word `string`
are none.
"""

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import chess
import chess.engine

from engine.native.uptime import uptime_s
from engine.options.settings import check_settings, setting
from selfplay.interrupt import Stop
from selfplay.matches.adjudication import Adjudication
from selfplay.matches.control import TimeControl
from selfplay.matches.engine_process import ask_engine
from selfplay.matches.uci_driver import KEPT_LINES, driver_of
from selfplay.records.targets import MATE_SCORE_CP

LARGEST_SCORE = 30_000  # largest score in centipawns that is not a mate
# Moves; a larger number, as some engines write, would give the mate to the other side.
FURTHEST_MATE = 999


class Info(NamedTuple):
    """An `info` line. Fields are None where it does not have them."""

    rank: int = 1  # of the line among those of MultiPV
    move: str = ""  # the first of the line; empty without a line
    # Exact, from the side to move; a mate in n moves is MATE_SCORE_CP - n.
    score_cp: int | None = None
    depth: int | None = None
    nodes: int | None = None
    time_ms: int | None = None


def read_info(line: str) -> Info | None:
    """Return the `info` line's content; None for another line. Words that are not understood count
    as not there.
    """
    words = line.split()
    if words[:1] != ["info"]:
        return None
    if "string" in words:
        words = words[: words.index("string")]
    move = next(_after("pv", words), "")
    score_cp = _score(words)
    if "lowerbound" in words or "upperbound" in words or (not move and "currmove" in words):
        score_cp = None
    rank = _number(_after("multipv", words))
    if rank is None:
        rank = 1
    return Info(
        rank,
        move,
        score_cp,
        depth=_number(_after("depth", words)),
        nodes=_number(_after("nodes", words)),
        time_ms=_number(_after("time", words)),
    )


def last_judgement(lines: Sequence[str], board: chess.Board) -> Info:
    """Return the last exact score of the best line of a search of `board`, with its depth, and the
    nodes told last.

    A line that begins with an illegal move is about another position, such as that of an earlier
    search.
    """
    nodes = None
    for line in reversed(lines):
        info = read_info(line)
        if info is None or (info.move and not is_legal(info.move, board)):
            continue
        if nodes is None:
            nodes = info.nodes
        if info.rank == 1 and info.score_cp is not None:
            return info._replace(nodes=nodes)
    return Info(nodes=nodes)


def _score(words: Sequence[str]) -> int | None:
    after = _after("score", words)
    kind = next(after, "")
    value = _number(after)
    if kind not in ("cp", "mate") or value is None:
        return None
    if kind == "mate":
        score_cp = MATE_SCORE_CP - min(abs(value), FURTHEST_MATE)
        return score_cp if value > 0 else -score_cp
    return max(-LARGEST_SCORE, min(LARGEST_SCORE, value))


def mate_of(score_cp: int) -> int | None:
    """Return in how many moves a score says there is a mate, negative for being mated; None if
    there is none.
    """
    if abs(score_cp) <= LARGEST_SCORE:
        return None
    distance = MATE_SCORE_CP - abs(score_cp)
    return distance if score_cp > 0 else -distance


def _after(name: str, words: Sequence[str]) -> Iterator[str]:
    """Return the words after the first `name`."""
    if name not in words:
        return iter(())
    return iter(words[words.index(name) + 1 :])


def _number(words: Iterator[str]) -> int | None:
    with contextlib.suppress(ValueError):
        return int(next(words, ""))
    return None


def is_legal(move: str, board: chess.Board) -> bool:
    try:
        return bool(board.parse_uci(move))
    except ValueError:
        return False


class Reason(StrEnum):
    """Why a match game ended. The last five are faults, counted against the loser."""

    CHECKMATE = "checkmate"
    STALEMATE = "stalemate"
    REPETITION = "threefold repetition"
    FIFTY_MOVES = "fifty-move rule"
    MATERIAL = "insufficient material"
    LENGTH = "length limit"
    ADJUDICATED = "adjudication"
    TIME = "time forfeit"  # the engine answered too late
    STALL = "no answer"  # the engine did not answer at all; the referee ends its process
    ILLEGAL = "illegal move"
    CRASH = "crash"  # the engine's process ended with an error or by a signal
    DISCONNECT = "disconnect"  # the engine's process ended normally during the game


FAULTS = (Reason.TIME, Reason.STALL, Reason.ILLEGAL, Reason.CRASH, Reason.DISCONNECT)


@dataclass(frozen=True)
class Rules:
    """The rules of every game in a match. Raises ConfigError for bad values."""

    # fmt: off
    # The opening's included.
    longest: int = setting(400, "call a draw after this many plies", metavar="PLIES", least=1)
    adjudication: Adjudication = field(default_factory=Adjudication)
    patience_s: float = setting(30.0,  # with only a node limit, for each answer
        "stop an engine that answers this many seconds late; it loses the game",
        flag="--patience", metavar="S", above=0, most=86_400)
    chess960: bool = False
    # fmt: on

    def __post_init__(self) -> None:
        check_settings(self)


class SeatedEngine:
    """A running engine with its time control and, in seconds, its clock in a game."""

    def __init__(self, engine: chess.engine.SimpleEngine, control: TimeControl) -> None:
        self.engine = engine
        self.control = control
        self.clock_s = control.base_s


class Thought(NamedTuple):
    """What an engine reported with a move. None marks a value it did not report."""

    time_ms: int  # measured by the referee, or made of the nodes
    score_cp: int | None  # from the mover's side; MATE_SCORE_CP defines the score of a mate
    depth: int | None
    nodes: int | None


@dataclass
class MatchGame:
    """A finished game. `result` is in PGN's form; `offender` is the colour at fault, None when play
    decided.
    """

    start_fen: str
    moves: list[chess.Move] = field(default_factory=list)  # including the opening's
    result: str = "*"
    reason: Reason = Reason.LENGTH
    offender: chess.Color | None = None
    detail: str = ""
    thoughts: list[Thought] = field(default_factory=list)  # one per move after the opening
    # Longest thinking times: White, Black.
    slowest_ms: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def white_scores(self) -> list[float | None]:
        """Return the scores in centipawns of the moves after the opening, from White's side."""
        opening_plies = len(self.moves) - len(self.thoughts)
        black_begins = self.start_fen.split()[1] == "b"
        scores: list[float | None] = []
        for ply, thought in enumerate(self.thoughts, opening_plies):
            score = thought.score_cp
            is_blacks = (ply % 2 == 1) != black_begins
            if is_blacks and score is not None:
                score = -score
            scores.append(score)
        return scores


class EngineFault(Exception):
    """An engine did not answer with a legal move; `detail` says how."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def play_match_game(
    start: chess.Board, players: dict[chess.Color, SeatedEngine], rules: Rules, stop: Stop
) -> MatchGame | None:
    """Play one game. Returns None when stopped before its end.

    start: the position after the opening; the engines are sent the opening's moves from its stack.
    players: by colour.
    """
    board = start.copy()
    game = MatchGame(board.root().fen(), list(board.move_stack))
    side = chess.WHITE
    try:
        for side in chess.COLORS:
            _begin(players[side].engine, rules.patience_s)
        while not stop():
            if ending := _ending(board, game, rules):
                game.result, game.reason = ending
                return game
            side = board.turn
            _move(board, game, players, rules.patience_s)
    except EngineFault as fault:
        game.result = _result_lost_by(side)
        game.offender = side
        game.reason = fault.reason
        game.detail = fault.detail
        return game
    return None


def _begin(engine: chess.engine.SimpleEngine, timeout_s: float) -> None:
    """Announce a new game and wait until the engine is ready."""
    engine.protocol.send_line("ucinewgame")
    try:
        ask_engine(engine, engine.protocol.ping(), timeout_s)
    except TimeoutError:
        raise EngineFault(Reason.STALL, f"not ready for a new game after {timeout_s:g} s") from None
    except chess.engine.EngineError as error:
        raise _ended(engine, error) from error


def _move(
    board: chess.Board, game: MatchGame, players: dict[chess.Color, SeatedEngine], patience_s: float
) -> None:
    """Ask the side to move for its move and play it. Raises EngineFault."""
    side = board.turn
    player, opponent = players[side], players[not side]
    control = player.control
    allowed_s = control.allowed_s(player.clock_s)
    limit = control.limit(player.clock_s, opponent.control, opponent.clock_s, side)
    lines = deque[str](maxlen=KEPT_LINES)
    begin = uptime_s()
    timeout_s = control.patience_s(player.clock_s, patience_s)
    answer = think(player.engine, board, limit, timeout_s, lines)
    measured_s = uptime_s() - begin
    judged = last_judgement(lines, board)
    used_s = control.used_s(measured_s, judged.nodes or 0)
    if control.nodes_per_ms and judged.nodes is None:
        raise EngineFault(Reason.TIME, "it told no nodes, of which its time is made")
    used_ms = 1000.0 * used_s
    game.slowest_ms[not side] = max(game.slowest_ms[not side], used_ms)
    if allowed_s is not None and used_s > allowed_s + control.tolerance_s:
        raise EngineFault(Reason.TIME, f"{used_s:.3f} s used of {allowed_s:.3f} s")
    assert answer.move is not None
    player.clock_s = max(player.clock_s - used_s, 0.0) + control.increment_s
    game.thoughts.append(Thought(round(used_ms), judged.score_cp, judged.depth, judged.nodes))
    game.moves.append(answer.move)
    board.push(answer.move)


def think(
    engine: chess.engine.SimpleEngine,
    board: chess.Board,
    limit: chess.engine.Limit,
    timeout_s: float,
    lines: deque[str],
) -> chess.engine.PlayResult:
    """Return the engine's answer, which holds a move; its last lines go to `lines`. Raises
    EngineFault.
    """
    # The driver itself would merge all lines into one, bounds and second-best ones, too.
    driver_of(engine).search_lines = lines
    try:
        answer = ask_engine(engine, engine.protocol.play(board, limit), timeout_s)
    except chess.engine.EngineTerminatedError as error:
        raise _ended(engine, error) from error
    except TimeoutError:
        raise EngineFault(Reason.STALL, f"no answer after {timeout_s:.3f} s") from None
    except chess.engine.EngineError as error:
        raise EngineFault(Reason.ILLEGAL, str(error)) from error
    if not answer.move:  # None for `(none)`, a null move for `0000`
        raise EngineFault(Reason.ILLEGAL, "no move in a position with legal moves")
    return answer


def _ended(engine: chess.engine.SimpleEngine, error: Exception) -> EngineFault:
    reason = Reason.DISCONNECT if engine.transport.get_returncode() == 0 else Reason.CRASH
    return EngineFault(reason, str(error))


def _result_lost_by(side: chess.Color) -> str:
    return "0-1" if side == chess.WHITE else "1-0"


def _ending(board: chess.Board, game: MatchGame, rules: Rules) -> tuple[str, Reason] | None:
    if not any(board.legal_moves):
        if board.is_check():
            return _result_lost_by(board.turn), Reason.CHECKMATE
        return "1/2-1/2", Reason.STALEMATE
    if board.is_repetition(3):
        return "1/2-1/2", Reason.REPETITION
    if board.halfmove_clock >= 100:
        return "1/2-1/2", Reason.FIFTY_MOVES
    if board.is_insufficient_material():
        return "1/2-1/2", Reason.MATERIAL
    if len(board.move_stack) >= rules.longest:
        return "1/2-1/2", Reason.LENGTH
    result = rules.adjudication.result(game.white_scores(), board.fullmove_number)
    if result is None:
        return None
    return result, Reason.ADJUDICATED
