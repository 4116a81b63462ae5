"""The GUI's current position, kept from one `position` command to the next."""

from __future__ import annotations

import chess

from engine.board.fen import parse_fen
from engine.errors import MoveError
from uci.protocol.words import PositionCommand

MOST_PLIES = 20_000  # the longest possible game has fewer plies, and every ply takes time at each `go`


class PositionKeeper:
    """Turns `position` commands into boards.

    A GUI sends the whole game each time; only the moves that are new to the board are played. A board keeps the
    castling rules it was read with, because they set the notation of its moves.
    """

    def __init__(self, chess960: bool = False) -> None:
        self.board = chess.Board(chess960=chess960)
        self._command = PositionCommand(None, ())

    def change_rules(self, chess960: bool) -> None:
        """Reads the current position again under other castling rules.

        Raises FenError or MoveError when the position is not valid under them; the board then keeps its old rules.
        """
        self.set(self._command, chess960)

    def set(self, command: PositionCommand, chess960: bool) -> None:
        """Sets `board` from a command. Keeps the old board when it raises FenError or MoveError."""
        if len(command.moves) > MOST_PLIES:
            raise MoveError(f"position: {len(command.moves)} moves, expected at most {MOST_PLIES}")
        known = self._command
        grows = command.fen == known.fen and command.moves[: len(known.moves)] == known.moves
        if grows and self.board.chess960 == chess960:
            board, first = self.board, len(known.moves)  # Copying a long game takes as long as a short search.
        else:
            board, first = parse_fen(command.fen or chess.STARTING_FEN, chess960), 0
        try:
            for text in command.moves[first:]:
                board.push(read_move(board, text))
        except MoveError:
            while len(board.move_stack) > first:
                board.pop()
            raise
        self.board, self._command = board, command


def read_move(board: chess.Board, text: str) -> chess.Move:
    """A legal move of the board, from UCI notation with castling in either form. Raises MoveError."""
    try:
        move = board.parse_uci(text)
    except ValueError:
        move = chess.Move.null()
    if not move:
        raise MoveError(f"illegal move {text!r} in {board.fen()}")
    return move
