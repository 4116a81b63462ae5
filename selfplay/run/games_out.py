"""The games of a run, and their PGN."""

import math
from collections.abc import Iterator
from pathlib import Path

import chess.pgn

from engine.board.convert import board_from_row, decode_move
from engine.board.pgn.game_writer import game_text
from engine.errors import RunError
from selfplay.records.endings import positions_of
from selfplay.records.game import SelfPlayRecord
from selfplay.records.replay import published_games, published_generations
from selfplay.records.targets import RESULTS


def games_of_run(
    replay: Path, first: int = 1, last: float | None = None
) -> Iterator[SelfPlayRecord]:
    """Games of the published generations first..last of a replay folder, by generation and number.

    Raises RunError where there is none.
    """
    if last is None:
        last = math.inf
    generations = published_generations(replay, first, last)
    if not generations:
        raise RunError(f"{replay}: no published games of these generations there")
    for generation in generations:
        yield from published_games(replay, generation)


def pgn_text(game: SelfPlayRecord, event: str) -> str:
    """Return the game in PGN. Without the last move of a resigned game, which was chosen but not
    played.
    """
    start = board_from_row(game.start, chess960=True)
    chess960 = start.has_chess960_castling_rights()
    board = board_from_row(game.start, chess960)
    for row, move in zip(positions_of(game.start, game.played), game.played, strict=False):
        board.push(decode_move(row, move, chess960))
    tree = chess.pgn.Game.from_board(board)
    tree.headers.update(
        Event=event, Round=f"{game.generation}.{game.number + 1}", White="Aino", Black="Aino",
        Result=RESULTS[game.white_points], Termination=game.ending.name.lower(),
    )  # fmt: skip
    return game_text(tree)
