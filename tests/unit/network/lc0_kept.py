"""What lc0 answered on generated networks, kept so that the tests need no lc0.

`lc0_transformer_answers.npz` holds what lc0's Eigen backend (commit 909a4082, after 0.32.1) gave on
the networks that `random_transformer` makes of the seeds 0, 1, 2, ..., one for each of KINDS, at
200 positions with their games: chances and plies as they are, policies over the legal moves to
2e-5, and checksums of the planes.
"""

import json
from contextlib import closing
from functools import cache
from pathlib import Path

import chess
import numpy as np
from numpy.testing import assert_allclose

from engine.evaluation.leaf_batches import leaves_of
from engine.evaluation.protocol import input_format_of
from engine.evaluation.tower import NetworkEvaluator
from engine.network.outputs import FIRST_HEADS
from engine.network.weights import load_net

ANSWERS = Path(__file__).with_name("lc0_transformer_answers.npz")
STEPS = 50_000  # of a probability


@cache
def boards():
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


def answered(path, positions, heads=FIRST_HEADS):
    """The leaves of positions, with a network's answers."""
    with closing(NetworkEvaluator(load_net(path, heads))) as evaluator:
        leaves = leaves_of(positions, input_format_of(evaluator))
        evaluator.evaluate(leaves, len(positions))
    return leaves


def check_answers(path, kind, heads=FIRST_HEADS, scalar=False):
    """Compare what plays with lc0's answers on the first positions; policies come in the order of
    the moves' index.
    """
    with np.load(ANSWERS) as data:
        policies = data[kind] / STEPS
        expected = data[f"{kind} value"]
    leaves = answered(path, boards()[: len(expected)], heads)
    wdl = leaves.wdl[: len(expected)]
    assert_allclose(wdl[:, 0] - wdl[:, 2], expected[:, 0], atol=1e-4)
    if not scalar:
        assert_allclose(wdl[:, 1], expected[:, 1], atol=1e-4)
    assert_allclose(leaves.moves_left[: len(expected)], expected[:, 2], atol=1e-3)
    assert np.ptp(expected[:, 0]) > 0.04
    at = row = 0
    while at < len(policies):
        count = int(leaves.n_moves[row])
        order = np.argsort(leaves.policy_index[row, :count])
        odds = np.exp(leaves.logits[row, :count][order].astype(np.float64))
        assert_allclose(odds / odds.sum(), policies[at : at + count], atol=1e-4)
        at, row = at + count, row + 1
    assert row in (40, 200)
