"""Lc0's planes and policy moves once more, in plain Python from the format's description with python-chess alone."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import chess
import numpy as np

ALL = chess.BB_ALL


class Seen(NamedTuple):
    """One position as 13 planes, seen by White and by Black."""

    by_white: list[int]
    by_black: list[int]


class PlainGame:
    """A game with the history that planes need; `board` is the current position."""

    def __init__(self, start: chess.Board) -> None:
        self.board = start
        self._met: Counter[tuple] = Counter()
        self._from_start_position = start.epd() == chess.Board().epd()
        self._history = [self._see(start)]
        self._before_start = self._history[0] if start.ep_square is None else self._see(_before_double_push(start))
        self._met[start._transposition_key()] = 1

    def push(self, move: chess.Move) -> None:
        self.board.push(move)
        self._history.append(self._see(self.board))
        self._met[self.board._transposition_key()] += 1

    def planes(self) -> list[int]:
        """112 planes from the mover's side, bit = square; number 109 is the counter itself."""
        board, us = self.board, self.board.turn
        past = self._history[:-9:-1]
        if len(past) < 8 and not self._from_start_position:
            past += [self._before_start] * (8 - len(past))
        planes = [plane for seen in past for plane in (seen.by_white if us == chess.WHITE else seen.by_black)]
        planes += [0] * (104 - len(planes))
        for color in (us, not us):
            planes.append(ALL if board.has_queenside_castling_rights(color) else 0)
            planes.append(ALL if board.has_kingside_castling_rights(color) else 0)
        return [*planes, ALL if us == chess.BLACK else 0, board.halfmove_clock, 0, ALL]

    def _see(self, board: chess.Board) -> Seen:
        repeated = ALL if self._met[board._transposition_key()] else 0
        white, black = ([board.pieces_mask(kind, color) for kind in chess.PIECE_TYPES] for color in (True, False))
        mirrored = [chess.flip_vertical(mask) for mask in black + white]
        return Seen([*white, *black, repeated], [*mirrored, repeated])


def _before_double_push(board: chess.Board) -> chess.Board:
    assert board.ep_square is not None
    before, step = board.copy(), 8 if board.turn == chess.BLACK else -8
    pawn = before.remove_piece_at(board.ep_square + step)
    before.set_piece_at(board.ep_square - step, pawn)
    return before


def expand_plain(planes: list[list[int]]) -> np.ndarray:
    """Planes as floats, float32 [B, 8, 8, 112]: rank, file, plane."""
    words = np.array(planes, np.uint64)  # (B, 112)
    bits = np.unpackbits(words.view(np.uint8).reshape(*words.shape, 8), axis=-1, bitorder="little")  # (B, 112, 64)
    floats = bits.astype(np.float32)
    floats[:, 109] = words[:, 109, None]
    return floats.reshape(-1, 112, 8, 8).transpose(0, 2, 3, 1)


# ---- policy ------------------------------------------------------------------------------------------------------


def _moves_of_policy() -> list[str]:
    """The 1858 moves' names in order."""
    names = []
    for source in chess.SQUARES:
        queen = chess.Board(None)
        queen.set_piece_at(source, chess.Piece(chess.QUEEN, chess.WHITE))
        for target in queen.attacks(source) | chess.SquareSet(chess.BB_KNIGHT_ATTACKS[source]):
            names.append(chess.square_name(source) + chess.square_name(target))
    for source in range(chess.A7, chess.H7 + 1):
        for target in range(chess.A8, chess.H8 + 1):
            if chess.square_distance(source, target) == 1:
                names += [chess.square_name(source) + chess.square_name(target) + letter for letter in "qrb"]
    return names


POLICY_NAMES = _moves_of_policy()
_INDEX = {name: index for index, name in enumerate(POLICY_NAMES)}
_NAMES = [[chess.square_name(square) for square in chess.SQUARES], [chess.square_name(s ^ 56) for s in chess.SQUARES]]
_SUFFIXES = {None: "", chess.KNIGHT: "", chess.BISHOP: "b", chess.ROOK: "r", chess.QUEEN: "q"}


def plain_policy_index(board: chess.Board, move: chess.Move) -> int:
    """Index of a legal move in the policy."""
    target = move.to_square
    if board.is_castling(move):
        rooks = chess.SquareSet(board.clean_castling_rights() & board.occupied_co[board.turn])
        target = max(rooks) if board.is_kingside_castling(move) else min(rooks)
    names = _NAMES[board.turn == chess.BLACK]
    return _INDEX[names[move.from_square] + names[target] + _SUFFIXES[move.promotion]]


def plain_conv_index(name: str) -> int:
    """Place of a policy move in the 80x8x8 head: plane * 64 + from-square."""
    source, target = chess.parse_square(name[:2]), chess.parse_square(name[2:4])
    files = chess.square_file(target) - chess.square_file(source)
    ranks = chess.square_rank(target) - chess.square_rank(source)
    if len(name) == 5:
        return (64 + 3 * (files + 1) + "rbq".index(name[4])) * 64 + source
    jumps = [(1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2)]
    if (files, ranks) in jumps:
        return (56 + jumps.index((files, ranks))) * 64 + source
    compass = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]  # N, NE, E ...
    distance = max(abs(files), abs(ranks))
    return (7 * compass.index((files // distance, ranks // distance)) + distance - 1) * 64 + source
