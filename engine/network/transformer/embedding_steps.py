"""The fused embedding of the squares, computed from the bits of the planes: a square has few of
them set.
"""

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
from engine.network.transformer.transformer_model import PIECE_PLANES


class PieceLayers(NamedTuple):
    """Two dense layers from the pieces of the whole board, to P numbers of each square and on to E;
    empty in an embedding without them.
    """

    to_numbers: np.ndarray  # [768, 64 P], by the piece's square, then its plane
    numbers_bias: np.ndarray  # [64 P]
    to_squares: np.ndarray  # [P * E]


class SquareEmbedding(NamedTuple):
    """From planes to E numbers of each square (whole lanes)."""

    width: np.int64  # numbers of a square that count
    act: np.int64  # activation code
    epsilon: np.float32
    pieces: PieceLayers
    planes: np.ndarray  # [112, E] what a bit adds to its square
    square_bias: np.ndarray  # [64, E]
    # The bias that the activation adds: [E] zeros, because each square has its own already.
    zero_bias: np.ndarray
    norm: np.ndarray  # [2 E] or empty
    gate: np.ndarray  # [2, 64 * E] scale and shift, or empty


@kernel(contract=True)
def embed(embedding, masks, x, count, piece_numbers):
    """Write x [64 count, E] from masks uint64 [count, 112]; `piece_numbers` [64 P] is scratch."""
    width = len(embedding.zero_bias)
    board = SQUARES * width
    for p in range(count):
        squares = x[p * board : (p + 1) * board]
        if len(piece_numbers):
            _write_pieces(embedding.pieces, masks[p], squares, width, piece_numbers)
        else:
            squares[:] = 0
        _add_planes(embedding, masks[p], squares, width)
        activate(squares, embedding.zero_bias, SQUARES, embedding.act)
        if len(embedding.norm):
            for row in range(0, board, width):
                norm_row(squares, row, width, embedding.width, embedding.norm, embedding.epsilon)
        if embedding.gate.shape[1]:
            _apply_gate(embedding.gate, squares)


@kernel(contract=True)
def _write_pieces(layers, masks, squares, width, numbers):
    """Write to each square what the pieces of the whole board say of it."""
    size = len(numbers)
    for i in range(0, size, LANES):
        store(numbers, i, load(layers.numbers_bias, i))
    for plane in range(PIECE_PLANES):
        board = masks[plane]
        while board != ZERO:
            row = (ctz(board) * PIECE_PLANES + plane) * size
            for i in range(0, size, LANES):
                store(numbers, i, load(numbers, i) + load(layers.to_numbers, row + i))
            board &= board - ONE
    dense_rows(numbers, size // SQUARES, layers.to_squares, width, squares, SQUARES)


@kernel(contract=True)
def _add_planes(embedding, masks, squares, width):
    """Add to each square its bias, the rows of full planes, added up first, and the row of every
    set bit of the other planes.
    """
    for c in range(0, width, LANES):
        everywhere = splat(np.float32(masks[FIFTY_MOVE_PLANE])) * load(
            embedding.planes, FIFTY_MOVE_PLANE * width + c
        )
        for plane in range(PLANES):
            if masks[plane] == ALL_ONES and plane != FIFTY_MOVE_PLANE:
                everywhere = everywhere + load(embedding.planes, plane * width + c)
        for row in range(c, SQUARES * width, width):
            biased = load(squares, row) + load(embedding.square_bias, row)
            store(squares, row, biased + everywhere)
    for plane in range(PLANES):
        board = masks[plane]
        if plane == FIFTY_MOVE_PLANE or board == ALL_ONES:
            continue
        while board != ZERO:
            row = ctz(board) * width
            for c in range(0, width, LANES):
                bit = load(embedding.planes, plane * width + c)
                store(squares, row + c, load(squares, row + c) + bit)
            board &= board - ONE


@kernel(contract=True)
def _apply_gate(gate, squares):
    """Scale and shift each number by its place."""
    scale, shift = gate
    for i in range(0, len(squares), LANES):
        store(squares, i, load(squares, i) * load(scale, i) + load(shift, i))
