"""The PGN of a terminal game."""

from __future__ import annotations

import chess
import chess.pgn

from uci.game.ends import UNFINISHED, GameEnd
from uci.game.game_file import game_from_board
from uci.game.resume import PERSON, player_name
from uci.play.game import GameSettings, TerminalGame

__all__ = ["record_of"]


def record_of(game: TerminalGame, end: GameEnd = UNFINISHED) -> chess.pgn.Game:
    """The PGN of a terminal game, so far or to its end."""
    return game_from_board(game.board, _headers(game.settings, end), end.result, game.clock_times)


def _headers(settings: GameSettings, end: GameEnd) -> dict[str, str]:
    names = {side: player_name(settings.levels[side]) for side in chess.COLORS}
    if settings.human is not None:
        names[settings.human] = PERSON
    headers = {
        "Date": f"{settings.started:%Y.%m.%d}",
        "White": names[chess.WHITE],
        "Black": names[chess.BLACK],
        "Termination": end.reason,
    }
    if settings.clock is not None:
        headers["TimeControl"] = settings.clock.control.pgn_text
        headers |= settings.clock.headers() if end == UNFINISHED else {}
    return headers
