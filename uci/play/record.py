"""The PGN of a terminal game, and its file."""

from __future__ import annotations

from pathlib import Path

import chess
import chess.pgn

from uci.game.ends import UNFINISHED, GameEnd
from uci.game.game_file import default_path, game_from_board, games_folder, save
from uci.game.resume import PERSON, player_name
from uci.play.game import GameSettings, TerminalGame


def record_of(game: TerminalGame, end: GameEnd = UNFINISHED) -> chess.pgn.Game:
    """The PGN of a terminal game, so far or to its end."""
    return game_from_board(game.board, _headers(game.settings, end), end.result, game.clock_times)


def keep(game: TerminalGame, end: GameEnd = UNFINISHED) -> Path | None:
    """Saves a game that has moves and says where; the file, or None. Shows a game that cannot be saved."""
    if not game.board.move_stack:
        return None
    record = record_of(game, end)
    path = game.settings.pgn or default_path(game.settings.started)
    try:
        save(record, path)
    except OSError as error:
        game.say(f"cannot save the game in {path}: {error}\n\n{record}")
        return None
    goes_on = end == UNFINISHED and path.parent == games_folder()
    game.say(f"saved to {path}" + ("; `aino play --load last` goes on with it" if goes_on else ""))
    return path


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
