"""What lc0 answers about positions, and how it computes its printed policy: its exponential, its 16-bit storage."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.board.convert import stack_from_board
from engine.network.planes import encode
from tests.boards import board_after

LOGIT_ERROR = 1.5e-4  # of logits up to 17, by float32 Winograd convolutions against float64
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


def lc0_softmax(logits: np.ndarray, answers: Answers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same as lc0 computes and stores them, [N, 218], and the lowest and highest that rounding errors make of it.

    Stored probabilities are up to 2.4e-4 apart, and one on the edge between two of them may fall on either side.
    """
    legal = np.take_along_axis(logits.astype(np.float32), answers.index, axis=1)
    top = np.where(answers.legal, legal, -np.inf).max(axis=1, keepdims=True).astype(np.float32)
    odds = np.where(answers.legal, _lc0_exp(legal - top), np.float32(0))
    total = np.array([_sum_in_order(row) for row in odds], np.float32)
    policy = odds * (1 / total)[:, None]
    return _stored(policy), _stored(policy * (1 - LOGIT_ERROR)), _stored(policy * (1 + LOGIT_ERROR))


def _lc0_exp(x: np.ndarray) -> np.ndarray:
    """2^a with a = x log2 e as 2^floor(a) times a quadratic in the fraction, float32, up to 0.3% off."""
    a = np.float32(1.442695) * x
    whole = np.trunc(np.where(a < 0, a - np.float32(1), a)).astype(np.int32)
    fraction = (a - whole).astype(np.float32)
    quadratic = np.float32(1) + fraction * (np.float32(0.33976606) * fraction + np.float32(0.6602339))
    return np.ldexp(quadratic, np.maximum(whole, -126)).astype(np.float32)


def _sum_in_order(row: np.ndarray) -> np.float32:
    return np.add.accumulate(row, dtype=np.float32)[-1]


def _stored(p: np.ndarray) -> np.ndarray:
    """A probability there and back through its 16 bits: 5 of the exponent, 11 of the mantissa."""
    bits = p.astype(np.float32).view(np.int32) + ((1 << 11) - (3 << 28))
    short = np.where(bits < 0, 0, bits) >> 12
    back = np.where(short == 0, 0, (short << 12) + (3 << 28)).astype(np.int32)
    return back.view(np.float32)
