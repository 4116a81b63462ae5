"""Planes and the policy map against FORMATS' check values and an independent plain-Python reading of the same rules."""

from __future__ import annotations

import gzip
import json
import lzma
import random
from collections.abc import Iterable

import chess
import numpy as np
import pytest

from engine.board.convert import board_from_row, decode_move, encode_move, row_from_board, stack_from_board
from engine.board.fen import parse_fen
from engine.board.layout import MAX_MOVES
from engine.board.movegen import generate
from engine.network.planes import PLANES, encode, fill_planes
from engine.network.policy_map import CONV_INDEX, INDEX_TO_UCI, POLICY_SIZE, policy_index
from tests.boards import board_after
from tests.unit.board.board_positions import ODD_FENS, chess960_start, choose_move, odd_position
from tests.unit.network.planes_reference import (
    POLICY_NAMES,
    PlainGame,
    expand_plain,
    plain_conv_index,
    plain_policy_index,
)

EN_PASSANT_FENS = [
    "4k3/8/8/8/1pPp4/8/8/4K3 b - c3 0 1",
    "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 1",  # nothing can capture there
    "rnbqkbnr/ppp1pppp/8/3pP3/8/8/PPPP1PPP/RNBQKBNR w KQkq d6 0 2",
]


def compare_game(start: chess.Board, moves: Iterable[chess.Move]) -> int:
    """Compare planes and policy indices at every position of a game; returns how many."""
    plain, played = PlainGame(start.copy()), start.copy()
    expected = [plain.planes()]
    for move in moves:
        plain.push(move)
        played.push(move)
        expected.append(plain.planes())
    stack = stack_from_board(played)
    masks = np.zeros((len(stack), PLANES), np.uint64)
    planes = np.zeros((len(stack), 8, 8, PLANES), np.float32)
    for ply in range(len(stack)):
        encode(stack, ply, 0, masks[ply])
        compare_policy_indices(stack[ply], start.chess960)
    fill_planes(masks, planes)
    np.testing.assert_array_equal(masks, np.array(expected, np.uint64), err_msg=played.fen())
    np.testing.assert_array_equal(planes, expand_plain(expected), err_msg=played.fen())
    return len(stack)


def compare_policy_indices(row: np.ndarray, chess960: bool) -> None:
    board, moves = board_from_row(row, chess960), np.empty(MAX_MOVES, np.uint16)
    codes = moves[: generate(row, moves)]
    ours = [policy_index(row, code) for code in codes]
    theirs = [plain_policy_index(board, decode_move(row, code, chess960)) for code in codes]
    assert ours == theirs, board.fen()


def random_game(board: chess.Board, rng: random.Random, longest: int) -> list[chess.Move]:
    """Random moves from a board, which is left as it was."""
    board = board.copy()
    while len(board.move_stack) < longest and (moves := list(board.legal_moves)):
        board.push(choose_move(board, moves, rng))
    return list(board.move_stack)


def some_start(rng: random.Random) -> chess.Board:
    kind = rng.randrange(4)
    if kind == 0:
        return chess.Board()
    if kind == 1:
        return chess960_start(rng)
    return odd_position(rng) if kind == 2 else parse_fen(rng.choice(EN_PASSANT_FENS + ODD_FENS))


# ---- planes ------------------------------------------------------------------------------------------------------


MANY = pytest.param(30_000, marks=pytest.mark.slow)


@pytest.mark.parametrize("positions", [3_000, MANY])
def test_planes_and_indices_equal_a_plain_implementation(positions):
    rng, compared = random.Random(positions), 0
    starts = [parse_fen(fen) for fen in EN_PASSANT_FENS + ODD_FENS]
    while compared < positions:
        start = starts.pop() if starts else some_start(rng)
        compared += compare_game(start, random_game(start, rng, rng.choice([3, 12, 60])))


@pytest.mark.slow
def test_planes_and_indices_of_real_games(test_data):
    compared = 0
    with lzma.open(test_data / "games" / "human.tsv.xz", "rt") as lines:
        for line in list(zip(lines, range(300), strict=False))[1:]:
            moves = line[0].rstrip("\n").split("\t")[-1].split()
            compared += compare_game(chess.Board(), map(chess.Move.from_uci, moves))
    assert compared > 20_000


# ---- policy ------------------------------------------------------------------------------------------------------


def test_policy_indices_have_the_published_check_values():
    values = {"e1a1": 97, "e1h1": 103, "g1f3": 159, "d2d4": 293, "e2e4": 322, "a7a8": 1401, "a7a8q": 1792}
    values["h7h8b"] = 1857
    assert {name: INDEX_TO_UCI.index(name) for name in values} == values
    assert len(INDEX_TO_UCI) == len(set(INDEX_TO_UCI)) == POLICY_SIZE == 1858


def test_policy_names_and_places_in_the_head_equal_a_plain_reading():
    assert list(INDEX_TO_UCI) == POLICY_NAMES
    assert CONV_INDEX.tolist() == [plain_conv_index(name) for name in POLICY_NAMES]
    assert len(set(CONV_INDEX.tolist())) == POLICY_SIZE


@pytest.mark.parametrize("net", ["maia-1900", "meangirl-8"])
def test_indices_equal_lc0s(test_data, net):
    compared = 0
    with gzip.open(test_data / "lc0-reference" / f"{net}.jsonl.gz", "rt") as lines:
        for record in map(json.loads, lines):
            if "index" not in record:
                continue
            board = board_after(record["moves"], record["fen"])
            row = row_from_board(board)
            for move, index in record["index"].items():
                assert policy_index(row, np.uint16(encode_move(board, board.parse_uci(move)))) == index
                compared += 1
    assert compared > 5000
