"""The fused embedding of the squares, computed from the bits of the planes: a square has few of
them set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.board.attacks import ONE, ZERO
from engine.native.bits import ctz
from engine.native.jit import kernel
from engine.native.lanes import LANES, load, splat, store
from engine.network.fused.encoder_steps import SQUARES, norm_row
from engine.network.fused.multiply import dense_rows
from engine.network.fused.smooth import activate
from engine.network.planes import ALL_ONES, FIFTY_MOVE_PLANE, PLANES


class BoardWeights(NamedTuple):
    """From planes to E numbers of each square (whole lanes)."""

    width: np.int64  # numbers of a square that count
    act: np.int64  # activation code
    epsilon: np.float32
    planes: np.ndarray  # [112, E] what a bit adds to its square
    start: np.ndarray  # [64, E] what each square starts with
    # [768, 64 P] what a piece adds to all squares, by square, then plane; empty without.
    pieces: np.ndarray
    pieces_bias: np.ndarray  # [64 P]
    more: np.ndarray  # [P * E] what these become
    nothing: np.ndarray  # [E] zeros
    norm: np.ndarray  # [2 E] or empty
    gate: np.ndarray  # [2, 64 * E] scale and shift, or empty


@kernel(contract=True)
def embed(weights, masks, x, count, pre):
    """Write x [64 count, E] from masks uint64 [count, 112]; `pre` [64 P] is scratch."""
    width = np.int64(len(weights.nothing))
    board = SQUARES * width
    for p in range(count):
        for i in range(0, board, LANES):
            store(x, p * board + i, load(weights.start, i))
        if len(weights.pieces_bias):
            _add_pieces(weights, masks[p], x, p * board, width, pre)
        _add_planes(weights, masks[p], x, p * board, width)
        activate(x[p * board : (p + 1) * board], weights.nothing, SQUARES, weights.act)
        if len(weights.norm):
            for row in range(p * board, (p + 1) * board, width):
                norm_row(x, row, width, weights.width, weights.norm, weights.epsilon)
        if weights.gate.shape[1]:
            for i in range(0, board, LANES):
                gated = load(x, p * board + i) * load(weights.gate[0], i) + load(weights.gate[1], i)
                store(x, p * board + i, gated)


@kernel(contract=True)
def _add_planes(weights, masks, x, at, width):
    """Add the row of every set bit to its square, and the rows of full planes, added up first, to
    all squares.
    """
    for c in range(0, width, LANES):
        everywhere = splat(np.float32(masks[FIFTY_MOVE_PLANE])) * load(
            weights.planes, FIFTY_MOVE_PLANE * width + c
        )
        for plane in range(PLANES):
            if masks[plane] == ALL_ONES and plane != FIFTY_MOVE_PLANE:
                everywhere = everywhere + load(weights.planes, plane * width + c)
        for row in range(at + c, at + 64 * width, width):
            store(x, row, load(x, row) + everywhere)
    for plane in range(PLANES):
        board = masks[plane]
        if plane == FIFTY_MOVE_PLANE or board == ALL_ONES:
            continue
        while board != ZERO:
            row = at + ctz(board) * width
            for c in range(0, width, LANES):
                store(x, row + c, load(x, row + c) + load(weights.planes, plane * width + c))
            board &= board - ONE


@kernel(contract=True)
def _add_pieces(weights, masks, x, at, width, pre):
    """Add to each square what the pieces of the whole board say of it."""
    size = np.int64(len(weights.pieces_bias))
    for i in range(0, size, LANES):
        store(pre, i, load(weights.pieces_bias, i))
    for plane in range(12):
        board = masks[plane]
        while board != ZERO:
            row = (ctz(board) * 12 + plane) * size
            for i in range(0, size, LANES):
                store(pre, i, load(pre, i) + load(weights.pieces, row + i))
            board &= board - ONE
    planes = size // 64
    dense_rows(pre, planes, weights.more, width, x[at : at + 64 * width], SQUARES)
    for i in range(0, 64 * width, LANES):
        store(x, at + i, load(x, at + i) + load(weights.start, i))
