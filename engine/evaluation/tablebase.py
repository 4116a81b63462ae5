"""Syzygy endgame tables at the root, through python-chess: which moves keep what the position is worth."""

from __future__ import annotations

import os

import chess
import chess.syzygy


class RootTablebase:
    """Root moves by distance to zeroing (DTZ). An empty path, or folders without tables, know no position."""

    def __init__(self, path: str) -> None:
        self._tables: chess.syzygy.Tablebase | None = None
        for folder in filter(None, path.split(os.pathsep)):
            if os.path.isdir(folder):
                self._tables = self._tables or chess.syzygy.Tablebase()
                self._tables.add_directory(folder)

    def best_moves(self, board: chess.Board) -> list[chess.Move]:
        """The moves that keep the result under the fifty-move rule and get nearest to it; empty where tables are
        missing.
        """
        if self._tables is None or board.castling_rights or chess.popcount(board.occupied) > chess.syzygy.TBPIECES:
            return []
        ranks = {}
        for move in board.legal_moves:
            rank = self._rank(board, move)
            if rank is None:
                return []
            ranks[move] = rank
        best = max(ranks.values(), default=None)
        return [move for move, rank in ranks.items() if rank == best]

    def _rank(self, board: chess.Board, move: chess.Move) -> tuple[int, int] | None:
        """(result 2..-2, progress) of a move, higher is better; None where a table is missing."""
        assert self._tables is not None
        after = board.copy()
        after.push(move)
        if after.is_checkmate():
            return 2, 1000
        if after.is_insufficient_material() or after.is_stalemate() or after.is_repetition(3):
            return 0, 0
        wdl = self._tables.get_wdl(after)
        dtz = self._tables.get_dtz(after)
        if wdl is None or dtz is None:
            return None
        result = -wdl
        plies = abs(dtz) + after.halfmove_clock
        if abs(result) == 2 and plies > 100:
            result //= 2  # the fifty-move rule comes first
        # A winner hurries to the next capture or pawn move, a loser delays it; among draws all are alike.
        return result, -plies if result > 0 else plies if result < 0 else 0
