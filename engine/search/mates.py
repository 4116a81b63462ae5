"""Forced mates near the root, found by the rules alone.

A policy that has learned from games does not expect a quiet move before the mate, or a queen given up for it, and
where everything wins the values do not tell the way. The few positions within reach are soon looked through; the
search is then led to the move, and its own proof decides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.board.attacks import in_check
from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.board.makemove import copy_row, make
from engine.board.movegen import generate
from engine.native.jit import kernel
from engine.search.judge import mating_move

DEEPEST = 4  # moves
NODE_LIMIT = 2_000  # positions looked at: about two milliseconds


class MateSpace(NamedTuple):
    """A stack."""

    rows: np.ndarray  # uint64 [2 * DEEPEST + 1, 16]
    moves: np.ndarray  # uint16 [2 * DEEPEST + 1, 218]
    nodes: np.ndarray  # int64 [1] positions looked at


def new_mate_space() -> MateSpace:
    """A fresh stack."""
    plies = 2 * DEEPEST + 1
    rows, moves = np.zeros((plies, ROW_WORDS), np.uint64), np.zeros((plies, MAX_MOVES), np.uint16)
    return MateSpace(rows, moves, np.zeros(1, np.int64))


@kernel()
def mating_start(row, most, space):
    """A legal move of `row` that mates in at most ``most`` moves (up to DEEPEST) against every defence; -1: none seen.

    Two moves before the end any move is tried, before that only checks. Draws by repetition or counter are not seen.
    """
    space.nodes[0] = 0
    for moves in range(1, most + 1):  # the shortest mate first
        copy_row(row, space.rows[0])
        index = _attack(space, np.int64(0), np.int64(moves))
        if index >= 0:
            return np.int64(space.moves[0, index])
    return np.int64(-1)


@kernel()
def _attack(space, ply, most):
    """Index of the first move of rows[ply] after which every defence is mated in at most ``most`` moves, -1 if none."""
    row, moves = space.rows[ply], space.moves[ply]
    count = generate(row, moves)
    mating = mating_move(row, moves, count, space.rows[ply + 1], space.moves[ply + 1])
    if most == 1 or mating >= 0:
        return mating
    for i in range(count):
        make(row, moves[i], space.rows[ply + 1])
        if most > 2 and not in_check(space.rows[ply + 1]):
            continue
        defences = np.int64(generate(space.rows[ply + 1], space.moves[ply + 1]))
        refuted = defences == 0  # a stalemate; mates were found before
        for k in range(defences):
            space.nodes[0] += 1
            make(space.rows[ply + 1], space.moves[ply + 1, k], space.rows[ply + 2])
            refuted = space.nodes[0] > NODE_LIMIT or _attack(space, ply + 2, most - 1) < 0
            if refuted:
                break
        if not refuted:
            return np.int64(i)
    return np.int64(-1)
