"""Planes and the policy map against FORMATS' check values and an independent plain-Python reading of the same rules."""

from __future__ import annotations

import gzip
import json
import random

import chess
import numpy as np
import pytest

from engine.board.convert import encode_move, row_from_board, stack_from_board
from engine.network.planes import PLANES, encode, expand
from engine.network.policy_map import CONV_INDEX, INDEX_TO_UCI, POLICY_SIZE, policy_index


def plain_planes(board: chess.Board) -> np.ndarray:
    """The 112 planes, float [112, 8, 8], straight from the format's description with python-chess."""
    us = board.turn
    boards = [board.copy()]
    while boards[-1].move_stack and len(boards) < 8:
        older = boards[-1].copy()
        older.pop()
        boards.append(older)
    from_start = boards[-1].root().fen() == chess.STARTING_FEN if not boards[-1].move_stack else True
    planes = np.zeros((112, 64))
    for t in range(8):
        if t < len(boards):
            fill_position(planes, 13 * t, boards[t], us)
        elif not from_start:
            fill_position(planes, 13 * t, boards[-1], us)
    rights = [(us, False), (us, True), (not us, False), (not us, True)]
    for plane, (colour, kingside) in enumerate(rights, 104):
        has = board.has_kingside_castling_rights(colour) if kingside else board.has_queenside_castling_rights(colour)
        planes[plane] = has
    planes[108] = us == chess.BLACK
    planes[109] = board.halfmove_clock
    planes[111] = 1
    return planes.reshape(112, 8, 8)


def fill_position(planes: np.ndarray, base: int, board: chess.Board, us: bool) -> None:
    for square, piece in board.piece_map().items():
        seen = square if us == chess.WHITE else chess.square_mirror(square)
        planes[base + (0 if piece.color == us else 6) + piece.piece_type - 1, seen] = 1
    planes[base + 12] = board.is_repetition(2)


def our_planes(board: chess.Board) -> np.ndarray:
    stack = stack_from_board(board)
    masks = np.zeros((1, PLANES), np.uint64)
    encode(stack, len(stack) - 1, 0, masks[0])
    planes = np.zeros((1, 8, 8, PLANES), np.float32)
    expand(masks, planes)
    return planes[0].transpose(2, 0, 1)


@pytest.mark.parametrize("fen", [chess.STARTING_FEN, "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R b Kq - 7 9"])
def test_planes_equal_a_plain_implementation_with_history(fen):
    rng = random.Random(4)
    for _ in range(25):
        board = chess.Board(fen)
        while not board.is_game_over() and len(board.move_stack) < 40:
            np.testing.assert_array_equal(our_planes(board), plain_planes(board), err_msg=board.fen())
            moves = list(board.legal_moves)
            mine = board.move_stack[-2] if len(board.move_stack) > 1 else chess.Move.null()
            back = [move for move in moves if (move.from_square, move.to_square) == (mine.to_square, mine.from_square)]
            board.push(rng.choice(back if back and rng.random() < 0.5 else moves))  # repetitions too


def test_a_fen_with_en_passant_repeats_the_position_before_the_double_push():
    planes = our_planes(chess.Board("4k3/8/8/8/1pPp4/8/8/4K3 b - c3 0 1"))
    now, before = planes[6], planes[13 + 6]  # White's pawns, mirrored: c4 is seen on c5, c2 on c7
    assert now[4, 2] == 1
    assert before[4, 2] == 0
    assert before[6, 2] == 1


def test_policy_indices_have_the_published_check_values():
    values = {"e1a1": 97, "e1h1": 103, "g1f3": 159, "d2d4": 293, "e2e4": 322, "a7a8": 1401, "a7a8q": 1792, "h7h8b": 1857}
    assert {name: INDEX_TO_UCI.index(name) for name in values} == values
    assert len(INDEX_TO_UCI) == len(set(INDEX_TO_UCI)) == POLICY_SIZE == 1858


def test_convolutional_head_places_are_distinct_and_on_the_stated_planes():
    assert len(set(CONV_INDEX.tolist())) == POLICY_SIZE
    places = {name: divmod(int(CONV_INDEX[INDEX_TO_UCI.index(name)]), 64) for name in ("e2e4", "g1f3", "a7b8r", "h7h8q", "a8a1")}
    assert places == {
        "e2e4": (1, chess.E2),  # north, two squares
        "g1f3": (63, chess.G1),  # knight (-1, 2)
        "a7b8r": (64 + 3 * 2 + 1, chess.A7),
        "h7h8q": (64 + 3 * 1 + 0, chess.H7),
        "a8a1": (7 * 4 + 6, chess.A8),
    }


def test_moves_of_black_are_mirrored_and_castling_is_king_takes_rook():
    board = chess.Board("r3k2r/8/8/8/8/8/6p1/4K3 b kq - 0 1")
    row = row_from_board(board)

    def named(uci: str) -> str:
        return INDEX_TO_UCI[policy_index(row, np.uint16(encode_move(board, chess.Move.from_uci(uci))))]

    assert named("e8g8") == "e1h1"
    assert named("e8c8") == "e1a1"
    assert named("g2g1n") == "g7g8"
    assert named("g2g1q") == "g7g8q"


@pytest.mark.parametrize("net", ["maia-1900", "meangirl-8"])
def test_indices_equal_lc0s(test_data, net):
    compared = 0
    with gzip.open(test_data / "lc0-reference" / f"{net}.jsonl.gz", "rt") as lines:
        for record in map(json.loads, lines):
            if "index" not in record:
                continue
            board = chess.Board(record["fen"])
            for move in record["moves"]:
                board.push_uci(move)
            row = row_from_board(board)
            for move, index in record["index"].items():
                assert policy_index(row, np.uint16(encode_move(board, board.parse_uci(move)))) == index
                compared += 1
    assert compared > 5000
