"""Accumulators of the teacher's net: each side's view of the board, built from scratch or updated
by a move.

A feature is a piece on a square, seen by the side whose king stands on k. flip is 56 for Black,
else 0, and is exclusive-ored with 7 if the king is on files a to d:

    (square ^ flip) + 64 * (2 * kind + (1 if not of that side); 10 for both kings) + 704 * bucket,
    bucket = 4 * (7 - rank) + (7 - file) of k ^ flip.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.layout import KING, WHITE
from engine.native.aligned_arrays import aligned_zeros, buffers
from engine.native.bits import ctz
from engine.native.jit import kernel
from engine.network.accumulator.short_rows import SHORT_BLOCK, change_block
from selfplay.teachers.net_file import STOCKFISH_15

TEACHER_WIDTH, BUCKETS = STOCKFISH_15.width, STOCKFISH_15.buckets
KING_FEATURES = 704  # features for each square of the side's own king
PSQT_STEP = TEACHER_WIDTH // BUCKETS  # columns for each number of a feature's `psqt`
ADDED = 8  # index in `changed` of the first filled square; a move empties and fills at most two


class Accumulators(NamedTuple):
    """A stack of accumulators, one per ply and side, and one thread's scratch space."""

    values: Annotated[np.ndarray, "int16 [plies * 2 * TEACHER_WIDTH]"]
    psqt: Annotated[np.ndarray, "int32 [plies * 2 * BUCKETS]"]
    indices: Annotated[np.ndarray, "int64 [64]"]  # where the rows of features begin
    changed: Annotated[np.ndarray, "int64 [16, 3]"]  # square, kind, colour
    inputs: Annotated[np.ndarray, "uint8 [TEACHER_WIDTH]"]  # activations of the accumulators
    input_quads: Annotated[np.ndarray, "int32 [TEACHER_WIDTH // 4]"]  # the same memory
    hidden: Annotated[np.ndarray, "uint8 [32]"]
    hidden_quads: Annotated[np.ndarray, "int32 [8]"]  # the same memory
    sums: Annotated[np.ndarray, "int32 [32]"]  # of a layer


def new_accumulators(plies: int) -> Accumulators:
    inputs, hidden = aligned_zeros(TEACHER_WIDTH, dtype=np.uint8), aligned_zeros(32, dtype=np.uint8)
    quads = {"input_quads": inputs.view(np.int32), "hidden_quads": hidden.view(np.int32)}
    return buffers(Accumulators, {"inputs": inputs, "hidden": hidden, **quads}, plies=plies)


@kernel()
def start(net, acc, ply, row):
    """Compute both accumulators of a ply from scratch."""
    _refresh(net, acc, ply, np.int64(0), row)
    _refresh(net, acc, ply, np.int64(1), row)


@kernel()
def advance(net, acc, ply, row, child):
    """Update the accumulators of `row` at ply to `child` at ply + 1; `child` is one move or a pass
    away.
    """
    removed, added = _note_changes(acc, row, child)
    for side in range(2):
        if row[KING] & row[WHITE + side] != child[KING] & child[WHITE + side]:
            _refresh(net, acc, ply + 1, side, child)
            continue
        flip, base = _view(child, side)
        _write_features(acc, np.int64(0), removed, side, flip, base)
        _write_features(acc, np.int64(ADDED), ADDED + added, side, flip, base)
        _update(net, acc, ply, side, removed, added)


@kernel()
def _view(row, side):
    """(exclusive-or mask of squares, first feature of the king's square)."""
    king = ctz(row[KING] & row[WHITE + side])
    flip = 56 * side
    if king & 7 < 4:
        flip ^= 7
    king ^= flip
    return flip, KING_FEATURES * (4 * (7 - (king >> 3)) + 7 - (king & 7))


@kernel()
def _feature(square, kind, colour, side, flip, base):
    piece = 2 * kind
    if kind != KING and colour != side:
        piece += 1
    return ((square ^ flip) + 64 * piece + base) * TEACHER_WIDTH


@kernel()
def _write_features(acc, first, last, side, flip, base):
    """Write the features of changed[first:last] to the same places of `indices`."""
    for i in range(first, last):
        change = acc.changed[i]
        acc.indices[i] = _feature(change[0], change[1], change[2], side, flip, base)


@kernel()
def _refresh(net, acc, ply, side, row):
    flip, base = _view(row, side)
    count = np.int64(0)
    for colour in range(2):
        for kind in range(KING + 1):
            pieces = row[kind] & row[WHITE + colour]
            while pieces:
                acc.indices[count] = _feature(ctz(pieces), kind, colour, side, flip, base)
                count += 1
                pieces &= pieces - np.uint64(1)
    out = (2 * ply + side) * TEACHER_WIDTH
    for c in range(0, TEACHER_WIDTH, SHORT_BLOCK):
        change_block(
            net.bias,
            c,
            net.weight,
            c,
            acc.indices,
            count,
            acc.indices,
            np.int64(0),
            acc.values,
            out + c,
        )
    out = (2 * ply + side) * BUCKETS
    for bucket in range(BUCKETS):
        total = np.int64(0)
        for i in range(count):
            total += net.psqt[acc.indices[i] // PSQT_STEP + bucket]
        acc.psqt[out + bucket] = total


@kernel()
def _note_changes(acc, row, child):
    """Write the emptied and the filled squares to `changed`; returns both counts."""
    removed, added = np.int64(0), np.int64(ADDED)
    for colour in range(2):
        for kind in range(KING + 1):
            old, new = row[kind] & row[WHITE + colour], child[kind] & child[WHITE + colour]
            if old == new:
                continue
            removed = _note(acc, removed, old & ~new, kind, colour)
            added = _note(acc, added, new & ~old, kind, colour)
    return removed, added - ADDED


@kernel()
def _note(acc, at, squares, kind, colour):
    """Write squares of a kind of piece to changed[at:]; returns the place after them."""
    while squares:
        acc.changed[at, 0] = ctz(squares)
        acc.changed[at, 1] = kind
        acc.changed[at, 2] = colour
        at += 1
        squares &= squares - np.uint64(1)
    return at


@kernel()
def _update(net, acc, ply, side, removed, added):
    """Write a side's accumulator at ply + 1: that at ply, minus the removed features, plus the
    added ones.
    """
    values = acc.values
    old = (2 * ply + side) * TEACHER_WIDTH
    new = old + 2 * TEACHER_WIDTH
    come = acc.indices[ADDED:]
    for c in range(0, TEACHER_WIDTH, SHORT_BLOCK):
        change_block(
            values, old + c, net.weight, c, come, added, acc.indices, removed, values, new + c
        )
    old = (2 * ply + side) * BUCKETS
    for bucket in range(BUCKETS):
        total = np.int64(acc.psqt[old + bucket])
        for i in range(removed):
            total -= net.psqt[acc.indices[i] // PSQT_STEP + bucket]
        for i in range(ADDED, ADDED + added):
            total += net.psqt[acc.indices[i] // PSQT_STEP + bucket]
        acc.psqt[old + 2 * BUCKETS + bucket] = total
