"""How far the review of a table's game is."""

from __future__ import annotations

from dataclasses import dataclass

import chess.pgn

from uci.library.reviews import KeptReview


@dataclass(frozen=True)
class TableReview:
    """Nothing was asked for, a review runs, or it is ready."""

    is_running: bool = False
    done: int = 0  # moves that have been judged
    total: int = 0
    kept: KeptReview | None = None  # once it is ready
    moves: tuple[chess.pgn.ChildNode, ...] = ()  # those that it judges
