"""Lc0 nets answer as lc0 does: `maia-1900` (64x6, WDL) and `meangirl-8` (32x4, scalar value), both with gates and a
convolutional policy, through the training path, the fused path and a trip through our own export.

lc0's exponential is up to 0.3% off, and it stores a probability to 2.4e-4.
"""

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from engine.board.convert import stack_from_board
from engine.network.lc0.planes_file import read_planes, write_planes
from engine.network.lc0.reader import load_lc0
from engine.network.planes import encode
from engine.network.weights import load_network
from tests.boards import board_after
from tests.unit.network.lc0_nets import NetAnswers, fused_answers, training_answers

EVERYTHING = pytest.param(None, marks=pytest.mark.slow)
NETS = ("maia-1900", "meangirl-8")


class Answers(NamedTuple):
    """Positions with lc0's printed answers. Moves share columns; beyond a position's moves there is padding."""

    masks: np.ndarray  # uint64 [N, 112]
    index: np.ndarray  # int64 [N, 218] places among the policy moves
    legal: np.ndarray  # bool [N, 218]
    policy: np.ndarray  # float64 [N, 218] as printed, to 1e-4
    value: np.ndarray  # float64 [N] win - loss, to 1e-4


def read_answers(data: Path, net: str, limit: int | None = None) -> Answers:
    """lc0's answers on a net, of its first `limit` positions."""
    with gzip.open(data / "lc0-reference" / f"{net}.jsonl.gz", "rt") as lines:
        records = [record for record in map(json.loads, lines) if record["nodes"] == 1][:limit]
    n = len(records)
    answers = Answers(
        masks=np.zeros((n, 112), np.uint64),
        index=np.zeros((n, 218), np.int64),
        legal=np.zeros((n, 218), bool),
        policy=np.zeros((n, 218)),
        value=np.array([record["v"] for record in records]),
    )
    for row, record in enumerate(records):
        board = board_after(record["moves"], record["fen"])
        stack = stack_from_board(board)
        encode(stack, len(stack) - 1, 0, answers.masks[row])
        moves = len(record["policy"])
        answers.legal[row, :moves] = True
        answers.policy[row, :moves] = list(record["policy"].values())
        answers.index[row, :moves] = [record["index"][move] for move in record["policy"]]
    return answers


def legal_softmax(logits: np.ndarray, answers: Answers) -> np.ndarray:
    """Probabilities [N, 218] of the legal moves from logits [N, 1858], computed exactly; 0 beyond them."""
    legal = np.where(answers.legal, np.take_along_axis(logits.astype(np.float64), answers.index, axis=1), -np.inf)
    odds = np.exp(legal - legal.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def assert_lc0s(found: NetAnswers, answers: Answers) -> None:
    exact = legal_softmax(found.logits, answers)
    assert (np.abs(exact - answers.policy) <= 0.005 * exact + 1e-4).all()
    assert np.abs(found.value - answers.value).max() <= 1e-4


def fused(path: Path, masks: np.ndarray) -> NetAnswers:
    return fused_answers(load_network(path), masks)


def trained(path: Path, masks: np.ndarray) -> NetAnswers:
    return training_answers(load_lc0(path), masks)


@pytest.mark.parametrize("limit", [64, EVERYTHING], ids=["some", "all"])
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("path_of", [trained, fused])
def test_a_path_answers_as_lc0_does(test_data, net, limit, path_of):
    answers = read_answers(test_data, net, limit)
    assert len(answers.value) >= (limit or 250)
    assert_lc0s(path_of(test_data / "nets" / f"{net}.pb.gz", answers.masks), answers)


@pytest.mark.parametrize("net", NETS)
def test_an_exported_net_answers_as_the_one_it_came_from(test_data: Path, tmp_path: Path, net: str) -> None:
    source, answers = test_data / "nets" / f"{net}.pb.gz", read_answers(test_data, net, 64)
    write_planes(tmp_path / "there.dit", read_planes(source))
    write_planes(tmp_path / "back.pb.gz", read_planes(tmp_path / "there.dit"))
    first, again = (fused(path, answers.masks) for path in (source, tmp_path / "back.pb.gz"))
    policies = [legal_softmax(found.logits, answers) for found in (first, again)]
    assert np.abs(policies[0] - policies[1]).max() <= 2e-3
    assert np.abs(first.value - again.value).max() <= 2e-3
