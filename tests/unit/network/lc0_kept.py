"""What lc0 answered on generated networks, kept so that the tests need no lc0.

`lc0_transformer_answers.npz` holds what lc0's Eigen backend (commit 909a4082, after 0.32.1) gave on
the networks of `network_file` at 200 or 40 positions with their games: chances and plies as they
are, policies over the legal moves to 2e-5, and checksums of the planes. Towers with encoders or of
other input formats were asked of lc0 0.32.1. Its binding names the moves of a turned board as if it
were not turned, so of canonical input only the policies before the first such position are kept.
"""

import json
from contextlib import closing
from functools import cache
from pathlib import Path

import chess
import numpy as np
from numpy.random import default_rng
from numpy.testing import assert_allclose

from engine.evaluation.leaf_batches import leaves_of
from engine.evaluation.protocol import input_format_of
from engine.evaluation.tower import NetworkEvaluator
from engine.network.weights import load_net
from tests.unit.network.lc0_towers import file_bytes, random_net
from tests.unit.network.lc0_transformers import KINDS, random_transformer

ANSWERS = Path(__file__).with_name("lc0_transformer_answers.npz")
STEPS = 50_000  # of a probability
TOWERS = {
    "tower: classical policy, scalar value": {"policy": "classical", "value": "scalar"},
    "tower: attention policy": {"policy": "attention"},
    "tower: mish": {"activation": "mish"},
    "tower: mish, attention policy": {
        "activation": "mish",
        "policy": "attention",
        "gates": False,
        "moves_left": False,
    },
    "tower: mish, classical policy, scalar value": {
        "activation": "mish",
        "policy": "classical",
        "value": "scalar",
    },
    "tower: encoders in an attention policy": {"policy": "attention", "encoders": 2},
    "tower: mish, encoders in an attention policy": {
        "activation": "mish",
        "policy": "attention",
        "encoders": 1,
    },
    "tower: folded weights": {"folded": True},
    "tower: no gates, odd filters": {"gates": False, "filters": 20, "blocks": 1},
    "tower: castling rooks as squares": {"input_format": 2},
    "tower: canonical, hundreds": {"input_format": 4},
}
NO_BLOCKS = "tower: no blocks"  # where lc0 leaves the first convolution out


def network_file(kind):
    """The file of a generated network."""
    if kind in KINDS:
        return random_transformer(list(KINDS).index(kind), **KINDS[kind])
    return file_bytes(random_net(default_rng(11), **TOWERS.get(kind, {"blocks": 0})))


@cache
def boards():
    """The positions with their games."""
    with np.load(ANSWERS) as data:
        positions = json.loads(bytes(data["positions"]))
    boards = []
    for fen, chess960, moves in positions:
        board = chess.Board(fen, chess960=chess960)
        for move in moves:
            board.push(board.parse_uci(move))
        boards.append(board)
    return boards


@cache
def leaves_in(input_format):
    """The leaves of all positions."""
    return leaves_of(boards(), input_format)


def answered(path, positions):
    """The leaves of positions, with a network's answers."""
    with closing(NetworkEvaluator(load_net(path))) as evaluator:
        leaves = leaves_of(positions, input_format_of(evaluator))
        evaluator.evaluate(leaves, len(positions))
    return leaves


def check_answers(name, logits, wdl, plies):
    """Compare a network's answers, logits of legal moves, with lc0's on the first positions."""
    with np.load(ANSWERS) as data:
        policies = data[name] / STEPS
        expected = data[f"{name} value"]
    count = len(expected)
    assert np.ptp(expected[:, 0]) > 0.02
    assert_allclose(wdl[:count, 0] - wdl[:count, 2], expected[:, 0], atol=1e-4)
    if "scalar" not in name:
        assert_allclose(wdl[:count, 1], expected[:, 1], atol=1e-4)
    assert_allclose(plies[:count], expected[:, 2], atol=1e-3)
    leaves = leaves_in(1)
    row = 0
    while len(policies):
        order = np.argsort(leaves.policy_index[row, : leaves.n_moves[row]])
        odds = np.exp(logits[row, order].astype(np.float64))
        assert_allclose(odds / odds.sum(), policies[: len(odds)], atol=1e-4)
        policies = policies[len(odds) :]
        row += 1
    assert row in (4, 40, 200)
