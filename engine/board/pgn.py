"""Reading games: python-chess's parser, with a builder that keeps lines apart where a move cannot be read."""

from __future__ import annotations

import chess
import chess.pgn

__all__ = ["GameBuilder"]


class GameBuilder(chess.pgn.GameBuilder[chess.pgn.Game]):
    """For `chess.pgn.read_game`: a line ends before a move that cannot be played, the lines around it go on.

    The game's `errors` tell of such moves; nothing is logged.

    Where a visitor raises for a move in a variation, the parser ends that variation in the tree but keeps its board:
    what follows is read in one position and appended to another. So nothing is raised here. The parser gets a null
    move, which any position allows, and the rest of the line is left out; a board without a move on its stack would
    make it overlook the brackets in there.
    """

    def begin_game(self) -> None:
        super().begin_game()
        self._is_broken = False  # the innermost line
        self._is_skipping = False  # over a variation of the broken line

    def parse_san(self, board: chess.Board, san: str) -> chess.Move:
        try:
            return super().parse_san(board, san)
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
            if self._is_broken:  # what was said of the lost line is not said of the next
                self._is_broken, self.starting_comment, self.in_variation = False, "", True

    def handle_error(self, error: Exception) -> None:
        self.game.errors.append(error)
