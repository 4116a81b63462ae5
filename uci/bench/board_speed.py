"""The board's part of `aino bench`: perft beside python-chess, planes, and what a position takes in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import chess
import numpy as np

from engine.board.convert import stack_from_board
from engine.board.layout import empty_stack
from engine.board.perft import perft
from engine.native.jit import kernel
from engine.network.planes import PLANES, encode, fill_planes
from uci.tools.perft import count_with_python_chess

PERFT_POSITIONS = {
    "start": chess.STARTING_FEN,
    "Kiwipete": "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
}
PYTHON_CHESS_DEPTH = 3  # plies; the two positions take some 10 ms and 100 ms

Speed = Callable[[Callable[[], int]], float]  # units per second of some work, which returns how many units it did


def measure_board(speed: Speed, game: chess.Board, depth: int) -> dict[str, Any]:
    """Nodes and positions a second in one thread, and bytes a position on a stack.

    perft: "bulk" counts the moves of the last ply, as python-chess's figure does; "made" plays each of them.
    planes: the positions of `game` with their history become bit masks and scalars; expanding these to float32 is timed
    separately.
    """
    nodes: dict[str, float] = {}
    for name, fen in PERFT_POSITIONS.items():
        board = chess.Board(fen)
        nodes[f"{name} bulk"] = speed(partial(perft, board, depth))
        nodes[f"{name} made"] = speed(partial(perft, board, depth - 1, bulk=False))
        nodes[f"{name} python-chess"] = speed(partial(count_with_python_chess, board, PYTHON_CHESS_DEPTH))
    stack = stack_from_board(game)
    masks = np.zeros((len(stack), PLANES), np.uint64)
    planes = np.zeros((len(stack), 8, 8, PLANES), np.float32)
    return {
        "perft nodes/s": nodes,
        "planes positions/s": {
            "bit masks": speed(partial(_encode_game, stack, masks)),
            "to float32": speed(partial(_expand, masks, planes)),
        },
        "bytes a position": empty_stack(1).nbytes,
    }


@kernel()
def _encode_game(stack, masks):
    """Encode every position of a game, in one call as the search does; returns how many."""
    for ply in range(stack.shape[0]):
        encode(stack, ply, 0, masks[ply])
    return stack.shape[0]


def _expand(masks: np.ndarray, planes: np.ndarray) -> int:
    fill_planes(masks, planes)
    return len(masks)
