"""A player's accuracy as Lichess computes it (https://lichess.org/page/accuracy), and the phases of
a game.

Half is the mean of the moves' accuracies, weighted by how volatile the game is around each, and
half is their harmonic mean, which bad moves pull down.
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import chess

from uci.language import later

START_CP = 15  # what Lichess takes for the usual start position
_MOST_CP = 1000  # larger scores and mates count as this
# Of the log odds of winning, fitted by Lichess to games of people and Stockfish's centipawns.
_CP_SLOPE = 0.00368208
_UNCERTAINTY = 1.0  # percent that an analysis gives away for its own faults
# Positions around a move in which volatility is measured; a tenth of the game within these limits.
_WINDOW = (2, 8)
_WEIGHT = (0.5, 12.0)
PHASE_NAMES = (later("opening"), later("middlegame"), later("endgame"))
# Fitted to 184 players in 93 games, reviewed with 20,000 nodes a move: levels of Aino from 500 to
# 1800, players on chess.com from 1150 to 1640, and masters from 2400 to 2880. Each span of 300
# points weighs the same.
_TOP_RATING = 4120.0
_RATING_SLOPE = 917.0
_RATING_SPREAD = 500
_RATINGS = (500.0, 2800.0)
_LEAST_MOVES = 15  # of the player
_LEAST_MISTAKES = 3  # marked moves of the player
# As in Lichess's division of games, https://github.com/lichess-org/scalachess (Divider), without
# its measure of how mixed the two sides' pieces are.
_MIDDLEGAME_PIECES, _ENDGAME_PIECES = 10, 6  # both sides' pieces without kings and pawns, at most
_LEFT_AT_HOME = 4  # pieces on a side's first rank; with fewer, the opening is over


class RatedMove(NamedTuple):
    """A move's accuracy, 0..100, and its weight in the mean."""

    accuracy: float
    weight: float


def win_percent(score_cp: float) -> float:
    """Chances among people, 0..100, at a score on Stockfish's scale."""
    return 100.0 / (1.0 + math.exp(-_CP_SLOPE * score_cp))


def winning_cp(chances: float) -> int:
    """Return the score on Stockfish's scale at which people have these winning chances, 0..1:
    `win_percent` turned round.
    """
    limit = win_percent(_MOST_CP) / 100.0
    share = within(chances, (1.0 - limit, limit))
    return round(math.log(share / (1.0 - share)) / _CP_SLOPE)


def rated_moves(scores_cp: Sequence[float], first: chess.Color) -> list[RatedMove]:
    """Return the moves between some scores, which are White's, before and after each move; `first`
    makes the first one.
    """
    chances = [win_percent(within(score, (-_MOST_CP, _MOST_CP))) for score in scores_cp]
    size = int(within((len(chances) - 1) // 10, _WINDOW))
    windows = [chances[:size]] * (size - 2) + [
        chances[at : at + size] for at in range(max(1, len(chances) - size + 1))
    ]
    moves = []
    mover = first
    for (before, after), window in zip(itertools.pairwise(chances), windows, strict=False):
        loss = before - after
        if mover == chess.BLACK:
            loss = -loss
        moves.append(RatedMove(_move_accuracy(loss), within(statistics.pstdev(window), _WEIGHT)))
        mover = not mover
    return moves


def game_accuracy(moves: Sequence[RatedMove]) -> float | None:
    """Return the accuracy of a player who made these moves, 0..100; None without any."""
    if not moves:
        return None
    mean = sum(move.accuracy * move.weight for move in moves) / sum(move.weight for move in moves)
    return (mean + len(moves) / sum(1.0 / max(1.0, move.accuracy) for move in moves)) / 2.0


def rating_played(accuracy: float, moves: int, mistakes: int) -> str:
    """Return the band of ratings that so accurate a game points to, as `800 – 1800`; two of three
    players' ratings lie within it.

    "" for a game of too few moves, or of too few that were marked as bad: their accuracy tells more
    of the position than of the player.
    """
    if moves < _LEAST_MOVES or mistakes < _LEAST_MISTAKES:
        return ""
    rating = within(_TOP_RATING - _RATING_SLOPE * math.log(101.0 - accuracy), _RATINGS)
    rating = round(rating, -2)
    lowest = within(rating - _RATING_SPREAD, _RATINGS)
    highest = within(rating + _RATING_SPREAD, _RATINGS)
    return f"{lowest:.0f} – {highest:.0f}"


def _move_accuracy(loss: float) -> float:
    """0..100 for a loss in percent of winning chances."""
    if loss <= 0.0:
        return 100.0
    raw = 103.1668100711649 * math.exp(-0.04354415386753951 * loss) - 3.166924740191411
    return within(raw + _UNCERTAINTY, (0.0, 100.0))


def within(value: float, limits: tuple[float, float]) -> float:
    """Return the value, or the limit beyond which it lies."""
    return max(limits[0], min(limits[1], value))


def phases(boards: Iterable[chess.Board]) -> list[str]:
    """Return the phase of each position of a game; a phase that is over does not come back."""
    names = []
    reached = 0
    for board in boards:
        pieces = chess.popcount(board.occupied & ~(board.pawns | board.kings))
        homes = (
            board.occupied_co[chess.WHITE] & chess.BB_RANK_1,
            board.occupied_co[chess.BLACK] & chess.BB_RANK_8,
        )
        if pieces <= _ENDGAME_PIECES:
            reached = 2
        elif pieces <= _MIDDLEGAME_PIECES or min(map(chess.popcount, homes)) < _LEFT_AT_HOME:
            reached = max(reached, 1)
        names.append(PHASE_NAMES[reached])
    return names
