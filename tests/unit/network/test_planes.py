"""The policy map against FORMATS' check values, and planes of positions that were set up.

Planes are compared with lc0's own in test_lc0_kinds.py.
"""

import zlib

import chess
import numpy as np
import pytest

from engine.board.convert import decode_move, row_from_board
from engine.network.planes import PLANES, PLANES_PER_POSITION, encode
from engine.network.policy_map import ATTENTION_INDEX, CONV_INDEX, INDEX_TO_UCI, policy_index
from tests.unit.board.board_positions import legal_codes, some_boards

pytestmark = pytest.mark.plain


def test_the_policy_map_never_changes():
    """The checksums are those of a plain reading of its rules."""
    assert zlib.crc32(" ".join(INDEX_TO_UCI).encode()) == 330261410
    assert zlib.crc32(CONV_INDEX.tobytes()) == 2916523312
    assert zlib.crc32(ATTENTION_INDEX.tobytes()) == 1665702144


def test_a_legal_move_has_the_index_of_its_name_as_the_mover_sees_it():
    """Castling is the king that takes its rook; a knight is what a pawn becomes without a letter."""
    seen = set()
    for board in some_boards(9, 500):
        row = row_from_board(board)
        for code in legal_codes(row):
            move = decode_move(row, code, chess960=True)
            squares = (move.from_square, move.to_square)
            name = "".join(
                chess.square_name(square if board.turn else square ^ 56) for square in squares
            )
            if move.promotion not in (None, chess.KNIGHT):
                name += chess.piece_symbol(move.promotion)
            assert INDEX_TO_UCI[policy_index(row, code)] == name, board.fen()
            seen.add(name)
    assert len(seen) > 1500


@pytest.mark.parametrize(
    ("fen", "start"),
    [
        ("4k3/8/8/8/3pP3/8/8/4K3 b - e3 0 1", chess.E7),  # as Black sees e2
        ("4k3/8/8/3Pp3/8/8/8/4K3 w - e6 0 1", chess.E7),
    ],
)
def test_before_a_position_that_was_set_up_its_double_push_was_not_made(fen, start):
    """By the wrong side, it went to the pawns that are to move."""
    board = chess.Board(fen)
    masks = np.zeros(PLANES, np.uint64)
    encode(row_from_board(board)[None], 0, masks)
    ours, theirs = masks[PLANES_PER_POSITION], masks[PLANES_PER_POSITION + 6]
    assert theirs == np.uint64(1 << start)
    assert ours == masks[0], "the other pawn stood where it stands"


PIECES = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR"


@pytest.mark.parametrize(
    ("fields", "repeats"), [("w KQkq - 0 1", False), ("w Qkq - 0 1", True), ("b KQkq - 0 1", True)]
)
def test_what_was_before_is_zeros_in_the_start_position_alone(fields, repeats):
    masks = np.zeros(PLANES, np.uint64)
    encode(row_from_board(chess.Board(f"{PIECES} {fields}"))[None], 0, masks)
    assert masks[PLANES_PER_POSITION : 2 * PLANES_PER_POSITION].any() == repeats
