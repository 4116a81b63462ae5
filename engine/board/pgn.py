"""Reads games with python-chess's parser and a builder that keeps lines apart when a move is unreadable."""

from __future__ import annotations

import chess
import chess.pgn


class GameBuilder(chess.pgn.GameBuilder[chess.pgn.Game]):
    """Builder for `chess.pgn.read_game`: a line ends before an unplayable move, and the lines around it continue.

    The game's `errors` list such moves; nothing is logged.

    If a visitor raises for a move in a variation, the parser ends that variation in the tree but keeps its board, so
    it reads what follows in one position and appends it to another. This builder therefore never raises. It gives the
    parser a null move, which any position allows, and drops the rest of the line; with no move on the board's stack,
    the parser would overlook the brackets in the rest.
    """

    def begin_game(self) -> None:
        super().begin_game()
        self._is_broken = False  # whether the innermost line has an unplayable move
        self._is_skipping = False  # whether a variation of the broken line is being skipped

    def parse_san(self, board: chess.Board, san: str) -> chess.Move:
        try:
            move = super().parse_san(board, san)
            if not move and board.is_check():
                raise chess.IllegalMoveError(f"a pass in check: {san!r} in {board.fen()}")
            return move
        except ValueError as error:
            self.handle_error(error)
            self._is_broken = True
            return chess.Move.null()

    def begin_parse_san(self, board: chess.Board, san: str) -> chess.pgn.SkipType | None:
        return chess.pgn.SKIP if self._is_broken else None

    def visit_move(self, board: chess.Board, move: chess.Move) -> None:
        if not self._is_broken:
            super().visit_move(board, move)

    def visit_nag(self, nag: int) -> None:
        if not self._is_broken:
            super().visit_nag(nag)

    def visit_comment(self, comment: str) -> None:
        if not self._is_broken:
            super().visit_comment(comment)

    def begin_variation(self) -> chess.pgn.SkipType | None:  # type: ignore[override]  # the base of all allows it
        self._is_skipping = self._is_broken
        if self._is_skipping:
            return chess.pgn.SKIP
        super().begin_variation()
        return None

    def end_variation(self) -> None:
        if self._is_skipping:
            self._is_skipping = False
        else:
            super().end_variation()
            if self._is_broken:  # comments on the dropped line do not belong to the next one
                self._is_broken, self.starting_comment, self.in_variation = False, "", True

    def handle_error(self, error: Exception) -> None:
        self.game.errors.append(error)
