"""One game between two UCI engines on a clock, refereed: what loses, and whose fault it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import chess
import chess.engine

from engine.errors import ConfigError

__all__ = ["FAULTS", "MatchGame", "Reason", "TimeControl", "play_match_game"]


class Reason(StrEnum):
    """Why a match game ended. The last three are the loser's fault and counted against it."""

    CHECKMATE = "checkmate"
    STALEMATE = "stalemate"
    REPETITION = "threefold repetition"
    FIFTY_MOVES = "fifty-move rule"
    MATERIAL = "insufficient material"
    LENGTH = "length limit"
    TIME = "time forfeit"
    ILLEGAL = "illegal move"
    CRASH = "crash"


FAULTS = (Reason.TIME, Reason.ILLEGAL, Reason.CRASH)
HANG_S = 5.0  # waited for an answer after the flag has fallen


@dataclass(frozen=True)
class TimeControl:
    """Seconds for the game and an increment a move; `margin_s` is the referee's tolerance for its own overhead."""

    base_s: float
    increment_s: float = 0.0
    margin_s: float = 0.0

    @classmethod
    def parse(cls, text: str, margin_ms: float = 0.0) -> TimeControl:
        """From "BASE+INCREMENT" in seconds, such as 1+0.1. Raises ConfigError for another form."""
        try:
            base, _, increment = text.partition("+")
            control = cls(float(base), float(increment or 0.0), margin_ms / 1000.0)
        except ValueError as error:
            raise ConfigError(f"time control {text!r}: expected BASE+INCREMENT in seconds, such as 1+0.1") from error
        if control.base_s <= 0 or control.increment_s < 0 or margin_ms < 0:
            raise ConfigError(f"time control {text!r}: expected a positive base, no negative increment or margin")
        return control

    def __str__(self) -> str:
        return f"{self.base_s:g}+{self.increment_s:g}"


@dataclass
class MatchGame:
    """A finished game. `result` is PGN's; `offender` is the colour at fault, None where play decided."""

    start_fen: str
    moves: list[chess.Move] = field(default_factory=list)
    result: str = "*"
    reason: Reason = Reason.LENGTH
    offender: chess.Color | None = None
    detail: str = ""
    slowest_ms: list[float] = field(default_factory=lambda: [0.0, 0.0])  # longest think of White, of Black


def play_match_game(
    start: chess.Board,
    engines: dict[chess.Color, chess.engine.SimpleEngine],
    control: TimeControl,
    longest: int,
    game_id: object,
    stop: Callable[[], bool],
) -> MatchGame | None:
    """Play one game; None when stopped before its end.

    engines: by colour, ready. game_id: a new one makes the driver send `ucinewgame`. longest: plies to a draw.
    """
    board = start.copy(stack=False)
    game = MatchGame(start.fen())
    clocks = {chess.WHITE: control.base_s, chess.BLACK: control.base_s}
    while not stop():
        if ending := _ending(board, longest):
            game.result, game.reason = ending
            return game
        side = board.turn
        begin = time.perf_counter()
        move, fault = _think(engines[side], board, clocks, control, game_id)
        used_s = time.perf_counter() - begin
        game.slowest_ms[not side] = max(game.slowest_ms[not side], 1000.0 * used_s)
        if fault is None and used_s > clocks[side] + control.margin_s:
            fault = Reason.TIME, f"{used_s:.3f} s used of {clocks[side]:.3f} s"
        if fault is not None:
            game.reason, game.detail = fault
            game.offender, game.result = side, "0-1" if side == chess.WHITE else "1-0"
            return game
        clocks[side] = max(clocks[side] - used_s, 0.0) + control.increment_s
        board.push(move)
        game.moves.append(move)
    return None


def _think(
    engine: chess.engine.SimpleEngine,
    board: chess.Board,
    clocks: dict[chess.Color, float],
    control: TimeControl,
    game_id: object,
) -> tuple[chess.Move, tuple[Reason, str] | None]:
    """The engine's move, or a null move and its fault."""
    limit = chess.engine.Limit(
        white_clock=clocks[chess.WHITE],
        black_clock=clocks[chess.BLACK],
        white_inc=control.increment_s,
        black_inc=control.increment_s,
    )
    try:
        move = _ask(engine, board, limit, game_id, timeout_s=clocks[board.turn] + HANG_S)
    except chess.engine.EngineTerminatedError as error:
        return chess.Move.null(), (Reason.CRASH, str(error))
    except TimeoutError:
        return chess.Move.null(), (Reason.TIME, "no answer")
    except chess.engine.EngineError as error:
        return chess.Move.null(), (Reason.ILLEGAL, str(error))
    if move is None:
        return chess.Move.null(), (Reason.ILLEGAL, "no move in a position with legal moves")
    return move, None


def _ask(
    engine: chess.engine.SimpleEngine, board: chess.Board, limit: chess.engine.Limit, game_id: object, timeout_s: float
) -> chess.Move | None:
    """The engine's move. The driver itself waits for ever where a clock is the only limit."""
    answer = asyncio.wait_for(engine.protocol.play(board, limit, game=game_id), timeout_s)
    return asyncio.run_coroutine_threadsafe(answer, engine.protocol.loop).result().move


def _ending(board: chess.Board, longest: int) -> tuple[str, Reason] | None:
    if not any(board.legal_moves):
        if board.is_check():
            return ("0-1" if board.turn == chess.WHITE else "1-0"), Reason.CHECKMATE
        return "1/2-1/2", Reason.STALEMATE
    if board.is_repetition(3):
        return "1/2-1/2", Reason.REPETITION
    if board.halfmove_clock >= 100:
        return "1/2-1/2", Reason.FIFTY_MOVES
    if board.is_insufficient_material():
        return "1/2-1/2", Reason.MATERIAL
    return ("1/2-1/2", Reason.LENGTH) if len(board.move_stack) >= longest else None
