"""The GUI's current position, kept from one `position` command to the next."""

from contextlib import suppress

import chess

from engine.board.fen import parse_fen
from engine.errors import MoveError
from uci.protocol.words import PositionCommand, parse_position_command

# The longest possible game has fewer plies, and every ply takes time at each `go`.
MOST_PLIES = 20_000


class PositionKeeper:
    """Turns `position` commands into boards.

    A GUI sends the whole game each time; only the moves that are new to the board are played. A
    board keeps the castling rules it was read with, because they set the notation of its moves.

    `refusal` says why the last command was refused, "" if it was not. `board` is then the one
    before, of which the GUI wants no move.
    """

    def __init__(self, chess960: bool = False) -> None:
        self.board = chess.Board(chess960=chess960)
        self.refusal = ""
        self._chess960 = chess960
        self._command = PositionCommand(None, ())

    def change_rules(self, chess960: bool) -> list[str]:
        """Read the current position again under other castling rules, as `read` does."""
        return self._set(self._command, chess960)

    def read(self, text: str, chess960: bool) -> list[str]:
        """Set `board` from the words of a command. Returns messages about what was read otherwise
        than written.

        Keeps the old board, and sets `refusal`, when it raises FenError or MoveError, or by a bug
        anything else.
        """
        try:
            notes = self._set(parse_position_command(text), chess960)
        except Exception as error:
            self.refusal = str(error) or type(error).__name__
            raise
        self.refusal = ""
        return notes

    def _set(self, command: PositionCommand, chess960: bool) -> list[str]:
        if len(command.moves) > MOST_PLIES:
            raise MoveError(f"position: {len(command.moves)} moves, expected at most {MOST_PLIES}")
        command_before = self._command
        notes = list[str]()
        grows = (
            command.fen == command_before.fen
            and command.moves[: len(command_before.moves)] == command_before.moves
        )
        if grows and self._chess960 == chess960:
            # Copying a long game takes as long as a short search.
            board = self.board
            first = len(command_before.moves)
        else:
            board = parse_fen(command.fen or chess.STARTING_FEN, chess960, notes.append)
            first = 0
        try:
            for text in command.moves[first:]:
                board.push(read_move(board, text))
        except BaseException:
            while len(board.move_stack) > first:
                board.pop()
            raise
        self.board = board
        self._command = command
        self._chess960 = chess960
        return notes


def read_move(board: chess.Board, text: str) -> chess.Move:
    """Return a legal move of the board, from UCI notation in capital or small letters. Raises
    MoveError.

    Castling may be written as e1g1, e1h1 or O-O, in standard chess and in Chess960.
    """
    with suppress(ValueError):
        if text[1:2] == "-":  # castling
            move = board.parse_san(text.upper().replace("0", "O"))
        else:
            move = board.parse_uci(text.lower())
        if move:
            return move
    raise MoveError(f"illegal move {text!r} in {board.fen()}")
