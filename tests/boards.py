"""Boards for tests."""

import chess
import chess.pgn
import numpy as np

from engine.board.pgn.game_reader import read_game_file


def board_after(moves, fen=chess.STARTING_FEN):
    """The board after some moves, each in SAN or UCI notation."""
    board = chess.Board(fen)
    for move in moves.split() if isinstance(moves, str) else moves:
        board.push_san(move)
    return board


def games_in(path):
    """The games of a PGN file, as far as they can be read."""
    return [read.game for read in read_game_file(path) if read.is_game]


def table(text):
    """The rows of a table in plain text, without its comments: cells between bars, in which \\n is a
    line end.
    """
    lines = [line for line in text.strip().splitlines() if not line.startswith("# ")]
    return [[cell.strip().replace("\\n", "\n") for cell in line.split("|")] for line in lines]


def random_game(rng, plies, board=None):
    """A board after that many random legal moves, or fewer where the game ends."""
    board = chess.Board() if board is None else board
    while len(board.move_stack) < plies and (moves := list(board.legal_moves)):
        board.push(moves[rng.integers(len(moves))])
    return board


def moves_in(text):
    """Moves in UCI notation."""
    return [chess.Move.from_uci(word) for word in text.split()]


def random_positions(letters, count, seed):
    """Legal positions with these pieces, in which the game is not over."""
    rng = np.random.default_rng(seed)
    while count > 0:
        board = chess.Board(None)
        for square, letter in zip(
            rng.choice(64, len(letters), replace=False).tolist(), letters, strict=True
        ):
            board.set_piece_at(square, chess.Piece.from_symbol(letter))
        board.turn = bool(rng.integers(2))
        if board.is_valid() and any(board.legal_moves):
            count -= 1
            yield board
