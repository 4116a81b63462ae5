"""What lc0 answered on generated networks, kept so that the tests need no lc0.

`lc0_transformer_answers.npz` holds what lc0's Eigen backend (commit 909a4082, after 0.32.1) gave on the networks that
`random_transformer` makes of the seeds 0, 1, 2, ..., one for each of KINDS, at 200 positions with their games: chances
and plies as they are, policies over the legal moves to 2e-5, and checksums of the planes.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import chess
import numpy as np

from engine.evaluation.protocol import LeafBatch

ANSWERS = Path(__file__).with_name("lc0_transformer_answers.npz")
STEPS = 50_000  # of a probability


@cache
def boards() -> list[chess.Board]:
    """The positions with their games."""
    with np.load(ANSWERS) as data:
        positions = json.loads(bytes(data["positions"]))
    found = []
    for fen, chess960, moves in positions:
        board = chess.Board(fen, chess960=chess960)
        for move in moves:
            board.push(board.parse_uci(move))
        found.append(board)
    return found


def check_policies(leaves: LeafBatch, expected: np.ndarray) -> None:
    """Compare policies with those of the first positions, one after the other, moves in the order of their index."""
    at = row = 0
    while at < len(expected):
        count = int(leaves.n_moves[row])
        order = np.argsort(leaves.policy_index[row, :count])
        odds = np.exp(leaves.logits[row, :count][order].astype(np.float64))
        np.testing.assert_allclose(odds / odds.sum(), expected[at : at + count], atol=1e-4)
        at, row = at + count, row + 1
    assert row in (40, 200)
