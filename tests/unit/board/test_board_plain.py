"""The board's kernels as plain Python: an interpreter without compiler must say the same as the
machine code.
"""

import json

import chess
import numpy as np

from engine.board import ending
from engine.board.attacks import attackers, checkers
from engine.board.convert import stack_from_board
from engine.board.layout import BLACK, MAX_MOVES, WHITE
from engine.board.movegen import generate
from engine.board.perft import perft
from engine.network.planes import PLANES, encode
from engine.network.policy_map import policy_index
from engine.tactics.see import see
from tests.boards import board_after
from tests.new_process import output_of
from tests.unit.board.board_positions import ODD_FENS

PROGRAM = "import json; from tests.unit.board.test_board_plain import answers; print(json.dumps(answers()))"


def answers():
    """What the kernels say of a game's last position and of the odd ones, as plain integers."""
    game = board_after("e2e4 g8f6 e4e5 d7d5 b1c3 f6g8 c3b1")
    return [about(board) for board in (game, *map(chess.Board, ODD_FENS))]


def about(board):
    stack = stack_from_board(board)
    row = stack[-1]
    moves = np.empty(MAX_MOVES, np.uint16)
    masks = np.empty(PLANES, np.uint64)
    count = generate(row, moves)
    encode(stack, len(stack) - 1, 0, masks)
    per_move = [(see(row, move), policy_index(row, move)) for move in moves[:count]]
    leaves = perft(board, 2)
    facts = [ending.game_end(row, count), checkers(row), leaves]
    occupied = row[WHITE] | row[BLACK]
    attacks = [
        attackers(row, square, occupied, side) for side in (0, 1) for square in chess.SQUARES
    ]
    return [int(x) for x in (*row, *facts, *attacks, *moves[:count], *np.ravel(per_move), *masks)]


def test_plain_python_says_what_machine_code_says():
    # Unsigned words wrap around in slider attacks; NumPy's scalars, unlike compiled code, warn of
    # it.
    plain = output_of(PROGRAM, warnings="ignore::RuntimeWarning", NUMBA_DISABLE_JIT="1")
    assert json.loads(plain) == answers()
