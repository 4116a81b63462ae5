"""The phases of a game: opening, middlegame and endgame."""

from __future__ import annotations

from collections.abc import Iterable

import chess

PHASE_NAMES = ("opening", "middlegame", "endgame")
# As in Lichess's division of games, https://github.com/lichess-org/scalachess (Divider), without its measure of how
# mixed the two sides' pieces are.
_MIDDLEGAME_PIECES, _ENDGAME_PIECES = 10, 6  # both sides' pieces without kings and pawns, at most
_LEFT_AT_HOME = 4  # pieces on a side's first rank; with fewer, the opening is over


def phases(boards: Iterable[chess.Board]) -> list[str]:
    """The phase of each position of a game; a phase that is over does not come back."""
    found: list[str] = []
    reached = 0
    for board in boards:
        pieces = chess.popcount(board.occupied & ~(board.pawns | board.kings))
        homes = (board.occupied_co[chess.WHITE] & chess.BB_RANK_1, board.occupied_co[chess.BLACK] & chess.BB_RANK_8)
        is_opened = pieces <= _MIDDLEGAME_PIECES or min(map(chess.popcount, homes)) < _LEFT_AT_HOME
        reached = max(reached, 2 if pieces <= _ENDGAME_PIECES else int(is_opened))
        found.append(PHASE_NAMES[reached])
    return found
