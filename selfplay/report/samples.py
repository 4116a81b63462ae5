"""Sample games: the oldest generation's first game, and one game of the newest for each kind of ending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import chess
import numpy as np

from engine.board.convert import board_from_row, decode_move, row_from_board
from engine.board.layout import SIDE
from engine.board.notation import move_number
from selfplay.records.endings import Ending
from selfplay.records.game import SelfPlayRecord

RESULT_TEXTS = {1: "1-0", 0: "½-½", -1: "0-1"}
SAMPLE_KINDS: tuple[Callable[[SelfPlayRecord], bool], ...] = (
    lambda game: game.ending is Ending.CHECKMATE and game.white_points > 0,
    lambda game: game.ending is Ending.CHECKMATE and game.white_points < 0,
    lambda game: game.ending is Ending.RESIGNATION,
    lambda game: game.white_points == 0 and game.ending is not Ending.LENGTH,
    lambda game: game.ending is Ending.LENGTH,
)


@dataclass(frozen=True)
class ShownPly:
    """A position of a game."""

    pieces: str  # the placement field of the position's FEN
    marked: tuple[int, ...]  # squares of the move that led to this position
    san: str  # the move that led here, with its number if the move list shows one; "" at the start
    text: str  # the text beside the board


@dataclass(frozen=True)
class Sample:
    """A game to step through, up to the position `final`.

    `expected` holds White's expected points, 0..1, before each move of the game.
    """

    generation: int
    number: int
    result: str
    ending: str
    chess960: bool
    steps: list[ShownPly]
    expected: list[float]
    final: chess.Board


def choose_samples(games: dict[int, list[SelfPlayRecord]]) -> list[Sample]:
    """Sample from the oldest and the newest generation in `games`."""
    if not games:
        return []
    oldest, newest = games[min(games)], games[max(games)]
    chosen = {(game.generation, game.number): game for game in oldest[:1] if len(games) > 1}
    for kind in SAMPLE_KINDS:
        for game in filter(kind, newest):
            chosen.setdefault((game.generation, game.number), game)
            break
    return [sample_of_game(game) for game in chosen.values()]


def sample_of_game(game: SelfPlayRecord) -> Sample:
    """Return the game ply by ply. Without a resigned game's last move, which was chosen but never played."""
    chess960 = board_from_row(game.start, chess960=True).has_chess960_castling_rights()
    board = board_from_row(game.start, chess960)
    expected = _expected(game)
    steps = [ShownPly(board.board_fen(), (), "", f"Start. White expects {expected[0]:.0%}" if expected else "Start")]
    for ply, code in enumerate(game.played):
        move = decode_move(row_from_board(board), code, chess960)
        number = f"{move_number(board)} "
        san = board.san(move)
        board.push(move)
        after = f"White expects {expected[ply + 1]:.0%}" if ply + 1 < len(expected) else ""
        end = f"{RESULT_TEXTS[game.white_points]}, {game.ending.words}" if ply + 1 == len(game.played) else ""
        shown = number + san if board.turn == chess.BLACK or ply == 0 else san
        said = ". ".join(filter(None, (number + san, after, end)))
        steps.append(ShownPly(board.board_fen(), (move.from_square, move.to_square), shown, said))
    return Sample(
        generation=game.generation,
        number=game.number,
        result=RESULT_TEXTS[game.white_points],
        ending=game.ending.words,
        chess960=chess960,
        steps=steps,
        expected=expected,
        final=board,
    )


def _expected(game: SelfPlayRecord) -> list[float]:
    wdl = game.root_wdl.astype(np.float64)
    mover = wdl[:, 0] + wdl[:, 1] / 2
    black = (np.arange(len(mover)) + int(game.start[SIDE])) % 2 == 1
    return np.clip(np.where(black, 1 - mover, mover), 0.0, 1.0).tolist()
