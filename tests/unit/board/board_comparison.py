"""What the board's kernels say of a game, compared with python-chess and with plain Python at every
position.
"""

from collections import Counter

import chess
import numpy as np

from engine.board import ending
from engine.board.attacks import in_check, is_attacked
from engine.board.convert import board_from_row, decode_move, encode_move, row_from_board
from engine.board.layout import BLACK, KEY, MAX_MOVES, REPETITIONS, WHITE, empty_stack
from engine.board.makemove import make, push
from engine.board.movegen import generate, has_move, pinned_pieces
from engine.tactics.see import see, wins_at_least
from tests.unit.board.board_positions import choose_move

ENDINGS = {
    None: ending.ONGOING,
    chess.Termination.CHECKMATE: ending.CHECKMATE,
    chess.Termination.STALEMATE: ending.STALEMATE,
    chess.Termination.INSUFFICIENT_MATERIAL: ending.INSUFFICIENT_MATERIAL,
    chess.Termination.SEVENTYFIVE_MOVES: ending.SEVENTY_FIVE_MOVES,
    chess.Termination.FIVEFOLD_REPETITION: ending.FIVEFOLD_REPETITION,
}
SEE_VALUES = dict(zip(chess.PIECE_TYPES, (100, 320, 330, 500, 950, 20000), strict=True))


class KeyTable:
    """All keys met: two positions must have the same one exactly when python-chess calls them a
    transposition.
    """

    def __init__(self):
        self._pairs = set()  # our key, and python-chess's as a number

    def add(self, key, transposition):
        self._pairs.add((key, hash(transposition)))

    def __len__(self):
        """Number of different positions."""
        return len({theirs for _, theirs in self._pairs})

    def conflicts(self):
        """Positions with two keys, and keys with two positions, together."""
        return 2 * len(self._pairs) - len(self) - len({ours for ours, _ in self._pairs})


class GameComparison:
    """One game on a stack of rows beside a `chess.Board`: `check` compares the current position,
    `play` moves on both.

    `check` raises AssertionError with the FEN where anything differs.
    """

    def __init__(self, start, longest, keys):
        self.board = start
        self.ply = 0
        self._stack = empty_stack(longest + 1)
        self._stack[0] = row_from_board(start)
        self._moves = np.empty(MAX_MOVES, np.uint16)
        self._keys = keys
        self._met = Counter()

    @property
    def row(self):
        return self._stack[self.ply]

    def play(self, move):
        push(self._stack, self.ply, np.uint16(encode_move(self.board, move)))
        self.board.push(move)
        self.ply += 1

    def check(self, every_child=False):
        """Compare everything at the current position; returns its legal moves.

        Exchanges are those of captures and promotions; with `every_child` of all moves, and each
        move is made.
        """
        transposition = self.board._transposition_key()
        self._keys.add(int(self.row[KEY]), transposition)
        self._check_row(self._met[transposition])
        self._met[transposition] += 1
        moves = self._check_moves()
        self._check_attacks()
        self._check_ending(len(moves))
        for move in moves:
            if every_child or move.promotion or self.board.is_capture(move):
                code = np.uint16(encode_move(self.board, move))
                won = plain_see(self.board, move)
                self._same("exchange of " + move.uci(), see(self.row, code), won)
                for least in (0, 1, 200):
                    wins = wins_at_least(self.row, code, np.int64(least))
                    self._same(f"whether {move.uci()} wins {least}", wins, won >= least)
        if every_child:
            self._check_children(moves)
        return moves

    def _same(self, what, ours, theirs):
        path = " ".join(move.uci() for move in self.board.move_stack)
        assert ours == theirs, (
            f"{what}: {ours}, expected {theirs} in {self.board.fen(en_passant='fen')} after {path!r}"
        )

    def _check_row(self, repetitions):
        expected = row_from_board(self.board)
        expected[REPETITIONS] = repetitions
        self._same("row", self.row.tolist(), expected.tolist())
        back = board_from_row(self.row, self.board.chess960)
        self._same("board", back.fen(en_passant="fen"), self.board.fen(en_passant="fen"))

    def _check_moves(self):
        codes = self._moves[: generate(self.row, self._moves)].tolist()
        ours = [decode_move(self.row, code, self.board.chess960) for code in codes]
        theirs = list(self.board.legal_moves)
        self._same("number of moves", len(ours), len(theirs))
        self._same("moves", set(ours), set(theirs))
        self._same("some move", bool(has_move(self.row, self._moves)), bool(theirs))
        self._same("move codes", [encode_move(self.board, move) for move in ours], codes)
        return theirs

    def _check_attacks(self):
        board = self.board
        side = int(not self.board.turn)
        king = board.king(board.turn)
        self._same("check", bool(in_check(self.row)), board.is_check())
        own = chess.SquareSet(board.occupied_co[board.turn])
        pinned = chess.SquareSet(square for square in own if board.is_pinned(board.turn, square))
        self._same("pins", pinned_pieces(self.row, king, side), int(pinned))
        occupied = self.row[WHITE] | self.row[BLACK]
        for number, color in enumerate((chess.WHITE, chess.BLACK)):
            theirs = chess.SquareSet()
            for square in chess.scan_forward(board.occupied_co[color]):
                theirs |= board.attacks_mask(square)
            ours = [
                square
                for square in chess.SQUARES
                if is_attacked(self.row, square, occupied, number)
            ]
            self._same("attacked squares", ours, list(theirs))

    def _check_ending(self, number_of_moves):
        outcome = self.board.outcome(claim_draw=False)
        expected = ENDINGS[outcome.termination if outcome else None]
        if expected == ending.ONGOING and self.board.is_fifty_moves():
            expected = ending.FIFTY_MOVES
        elif expected == ending.ONGOING and self.board.is_repetition(3):
            expected = ending.THREEFOLD_REPETITION
        self._same("ending", ending.game_end(self.row, number_of_moves), expected)
        insufficient = bool(ending.insufficient_material(self.row))
        self._same("insufficient material", insufficient, self.board.is_insufficient_material())

    def _check_children(self, moves):
        after = np.empty_like(self.row)
        for move in moves:
            make(self.row, np.uint16(encode_move(self.board, move)), after)
            self.board.push(move)
            self._same("child", after.tolist(), row_from_board(self.board).tolist())
            self.board.pop()


def compare_random_game(start, rng, longest, keys, every_child=False):
    """Compare all positions of a game of random moves.

    Goes on where a draw could be claimed and ends where no move is left; returns the number of
    positions.
    """
    game = GameComparison(start, longest, keys)
    moves = game.check(every_child)
    while moves and game.ply < longest:
        game.play(choose_move(game.board, moves, rng))
        moves = game.check(every_child)
    return game.ply + 1


def plain_see(board, move):
    """`see`'s stated rules in plain Python: pins ignored, the least attacker takes, a king only
    what is undefended.
    """
    if board.is_castling(move):
        return 0
    board = board.copy(stack=False)
    target, mover = move.to_square, board.turn
    captured = board.piece_type_at(target)
    gain = SEE_VALUES[captured] if captured else 0
    if board.is_en_passant(move):
        gain = SEE_VALUES[chess.PAWN]
        board.remove_piece_at(target + (-8 if mover else 8))
    piece = move.promotion or board.piece_type_at(move.from_square)
    if move.promotion:
        gain += SEE_VALUES[move.promotion] - SEE_VALUES[chess.PAWN]
    board.remove_piece_at(move.from_square)
    board.set_piece_at(target, chess.Piece(piece, mover))
    return gain - _plain_recapture(board, target, not mover, SEE_VALUES[piece])


def _plain_recapture(board, target, side, on_square):
    attackers = [
        (board.piece_type_at(square) or 0, square) for square in board.attackers(side, target)
    ]
    if not attackers:
        return 0
    kind, source = min(attackers)
    board.remove_piece_at(source)
    board.set_piece_at(target, chess.Piece(kind, side))
    if kind == chess.KING and board.attackers(not side, target):
        return 0
    return max(0, on_square - _plain_recapture(board, target, not side, SEE_VALUES[kind]))
