"""Game notation as on score sheets, and the positions that its moves lead to."""

from __future__ import annotations

import chess

from engine.board.epd import split_epd
from engine.board.fen import Note, parse_fen
from engine.board.pgn.move_words import legal_move
from engine.errors import FenError, MoveError


def move_number(board: chess.Board) -> str:
    """Return the number before the next move: `12.`, or `12...` for Black's."""
    return f"{board.fullmove_number}{'.' if board.turn == chess.WHITE else '...'}"


def board_after(board: chess.Board, *moves: chess.Move) -> chess.Board:
    """Return a copy of the board on which these moves have been played."""
    board = board.copy()
    for move in moves:
        board.push(move)
    return board


def read_position(text: str, chess960: bool = False, note: Note = lambda message: None) -> chess.Board:
    """Return the position of a text as `parse_fen`, after the moves behind its word `moves`, which are on the stack.

    Raises FenError, for an illegal move, too.
    """
    fields, rest = split_epd(text)
    name, *moves = rest.split() or [""]
    board = parse_fen(text if name != "moves" else " ".join(fields), chess960, note)
    try:
        for word in moves if name == "moves" else ():
            board.push(legal_move(board, word))
    except MoveError as error:
        raise FenError(error.args[0], "moves") from error
    return board
