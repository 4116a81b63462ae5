"""Positions to compare rules on: random games, and odd ones that random games hardly ever reach.

Every maker draws from a `random.Random`, so that a seed names its positions and Hypothesis can draw
(and shrink) them.
"""

import random

import chess
import numpy as np

from engine.board.fen import parse_fen
from engine.board.layout import MAX_MOVES
from engine.board.movegen import generate
from engine.errors import FenError
from tests.boards import table

ODD_FENS = [
    fen
    for (fen,) in table("""
# 218 legal moves.
R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1
# En passant is pinned along the rank.
8/8/8/8/k2Pp2Q/8/8/3K4 b - d3 0 1
8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1
# A promotion captures a castling rook.
r3k2r/8/8/8/8/8/6p1/R3K2R b KQkq - 0 1
# En passant is pinned along the diagonal.
4k3/8/8/2pP4/8/8/8/4K2b w - c6 0 1
r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1
8/P1k5/K7/8/8/8/8/8 w - - 0 1
# An impossible double check along one line.
3R4/8/q4k2/2B5/1NK5/3b4/8/8 w - - 0 1
# Check and a pin of en passant at once.
1b1k4/8/8/1rPpK3/8/8/8/8 w - d6 0 1
# En passant does not answer the check.
rnbqk1nr/bb3p1p/1q2r3/2pPp3/3P4/7P/1PP1NpPP/R1BQKBNR w KQkq c6 0 1
""")
]


ALL = [kind for kind in chess.PIECE_TYPES if kind != chess.KING]


def _place(board, rng, kind, color, squares):
    """Put a piece on one of the squares that is free, if any is."""
    free = [square for square in squares if not board.piece_at(square)]
    if kind == chess.PAWN:
        free = [square for square in free if 0 < chess.square_rank(square) < 7]
    if free:
        board.set_piece_at(rng.choice(free), chess.Piece(kind, color))


def _scatter(board, rng, kinds, most):
    """Some pieces of the kinds, of both sides, anywhere."""
    for color in chess.COLORS:
        for _ in range(rng.randint(0, most)):
            _place(board, rng, rng.choice(kinds), color, chess.SQUARES)


def _place_kings(board, rng):
    for color in chess.COLORS:
        if board.king(color) is None:
            _place(board, rng, chess.KING, color, chess.SQUARES)


def scattered(rng, kinds=(chess.PAWN, *ALL), most=8):
    """Kings and up to eight pieces a side on any squares."""
    board = chess.Board(None)
    _place_kings(board, rng)
    _scatter(board, rng, kinds, most)
    board.turn = rng.choice(chess.COLORS)
    return board


def many_queens(rng):
    """Up to nine queens a side."""
    return scattered(rng, [chess.QUEEN], 9)


def en_passant(rng):
    """A pawn that just passed one or two others, and sliders in line with the king of the side to
    move.
    """
    board = chess.Board(None)
    board.turn = rng.choice(chess.COLORS)
    rank, forward = (4, 8) if board.turn == chess.WHITE else (3, -8)
    file = rng.randrange(8)
    passed = chess.square(file, rank)
    board.set_piece_at(passed, chess.Piece(chess.PAWN, not board.turn))
    board.ep_square = passed + forward
    for neighbour in {max(0, file - 1), min(7, file + 1)} - {file}:
        if rng.random() < 0.7:
            board.set_piece_at(chess.square(neighbour, rank), chess.Piece(chess.PAWN, board.turn))
    free = [s for s in chess.SQUARES if s not in (passed + forward, passed + 2 * forward)]
    near = [s for s in free if chess.square_rank(s) == rank or rng.random() < 0.3]
    _place(board, rng, chess.KING, board.turn, near)
    king = board.king(board.turn)
    line = [s for s in free if king is not None and chess.ray(king, s)]
    for _ in range(rng.randint(0, 3)):
        kind = rng.choice([chess.BISHOP, chess.ROOK, chess.QUEEN])
        _place(board, rng, kind, not board.turn, line)
    _place(board, rng, chess.KING, not board.turn, free)
    return board


def promotion(rng):
    """Pawns about to promote next to pieces that they may capture, castling rooks among them."""
    board = chess.Board(None, chess960=rng.random() < 0.5)
    board.turn = rng.choice(chess.COLORS)
    last, before = (7, 6) if board.turn == chess.WHITE else (0, 1)
    _castling_side(board, rng, not board.turn)
    for _ in range(rng.randint(1, 4)):
        pawns = chess.SquareSet(chess.BB_RANKS[before])
        _place(board, rng, chess.PAWN, board.turn, pawns)
    for _ in range(rng.randint(0, 3)):
        kind = rng.choice([chess.KNIGHT, chess.BISHOP, chess.QUEEN])
        there = chess.SquareSet(chess.BB_RANKS[last])
        _place(board, rng, kind, not board.turn, there)
    _place_kings(board, rng)
    _scatter(board, rng, [chess.PAWN, chess.KNIGHT, chess.ROOK], 2)
    return board


def castling(rng):
    """Kings and rooks with castling rights, and pieces that look through or stand on the squares
    between.
    """
    board = chess.Board(None, chess960=rng.random() < 0.7)
    board.turn = rng.choice(chess.COLORS)
    for color in chess.COLORS:
        _castling_side(board, rng, color)
    _scatter(board, rng, ALL, 3)
    return board


def _castling_side(board, rng, color):
    """A king and one or two rooks on the home rank, with the rights to castle."""
    rank = 0 if color == chess.WHITE else 7
    king = 4
    left = 0
    right = 7
    if board.chess960:
        king = rng.randint(1, 6)
        left, right = rng.randrange(king), rng.randrange(king + 1, 8)
    board.set_piece_at(chess.square(king, rank), chess.Piece(chess.KING, color))
    for file in rng.choice([(left,), (right,), (left, right)]):
        board.set_piece_at(chess.square(file, rank), chess.Piece(chess.ROOK, color))
        board.castling_rights |= chess.BB_SQUARES[chess.square(file, rank)]


ODD_MAKERS = [scattered, many_queens, en_passant, promotion, castling]


def odd_position(rng, makers=ODD_MAKERS):
    """A playable position of one of the odd kinds; drafts that leave a king to be captured are
    thrown away.
    """
    for _ in range(100):
        board = rng.choice(makers)(rng)
        board.halfmove_clock = rng.choice([0, 0, 7, 98, 99, 100, 147, 149])
        try:
            return parse_fen(board.fen(shredder=board.chess960, en_passant="fen"), board.chess960)
        except FenError:
            continue
    return chess.Board(rng.choice(ODD_FENS))


def chess960_start(rng):
    """One of the 960 start positions; every fourth time each side has its own."""
    board = chess.Board.from_chess960_pos(rng.randrange(960))
    if rng.random() < 0.25:
        theirs = chess.Board.from_chess960_pos(rng.randrange(960))
        ranks = theirs.board_fen().split("/")[:7] + board.board_fen().split("/")[7:]
        board.set_board_fen("/".join(ranks))
        board.castling_rights = board.rooks
    return board


def choose_move(board, moves, rng):
    """One of the legal moves; every third time the mover's last one taken back, where it can, so
    that games repeat.
    """
    if len(board.move_stack) >= 2:
        last = board.move_stack[-2]
        back = chess.Move(last.to_square, last.from_square)
        if back in moves and rng.random() < 1 / 3:
            return back
    return rng.choice(moves)


def legal_codes(row):
    """The codes of all legal moves."""
    moves = np.zeros(MAX_MOVES, np.uint16)
    return moves[: generate(row, moves)]


def some_boards(seed, count):
    """Positions of random games, half of them Chess960, and odd ones."""
    rng = random.Random(seed)
    boards = []
    while len(boards) < count:
        board = (
            chess.Board.from_chess960_pos(rng.randrange(960))
            if rng.random() < 0.5
            else chess.Board()
        )
        for _ in range(rng.randrange(120)):
            if not list(board.legal_moves):
                break
            board.push(rng.choice(list(board.legal_moves)))
        boards += [board, odd_position(rng)]
    return boards[:count]
