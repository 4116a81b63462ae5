"""What lc0 printed about positions. Its exponential is up to 0.3% off, and it stores a probability to 2.4e-4."""

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.board.convert import stack_from_board
from engine.network.planes import encode
from tests.boards import board_after

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
