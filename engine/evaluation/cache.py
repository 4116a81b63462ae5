"""A bounded cache of evaluations, for analyses that go back to positions whose tree is gone.

The cache is exact: it returns an answer bit for bit, and only if everything the evaluator sees is the same. That
includes the history planes, so two orders of the same moves are different entries, and the searches of one game, which
keep their subtree, never hit. It pays off where an analysis steps back through a game: nine leaves of ten are known
then (docs/what-was-tried.md). Each answer has one place, and takes it from the one before.
All work is done on the calling thread in the order of the leaves, so the number of threads changes nothing.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

import numpy as np

from engine.board.layout import CASTLING, EN_PASSANT, HALFMOVE
from engine.errors import ConfigError
from engine.evaluation.protocol import LeafBatch, new_leaf_batch
from engine.native.jit import kernel
from engine.native.memory import buffers
from engine.network.planes import FIFTY_MOVE_PLANE

MAX_KEPT_MOVES: Final = 64  # positions with more legal moves are evaluated every time
BYTES_PER_ENTRY: Final = 16 + 4 * MAX_KEPT_MOVES + 12 + 4
QUESTION = ("rows", "masks", "moves", "n_moves", "policy_index")  # fields of a `LeafBatch`
ANSWER = ("logits", "wdl", "moves_left")

# Odd multipliers from the golden ratio and from sqrt(2), for two independent hashes.
_MIX_A = np.uint64(0x9E3779B97F4A7C15)
_MIX_B = np.uint64(0x6A09E667F3BCC909)
_SHIFT_A = np.uint64(29)
_SHIFT_B = np.uint64(32)


class CacheTable(NamedTuple):
    """E entries. The full 128-bit hash is compared: a false hit takes about 2^64 lookups."""

    keys: Annotated[np.ndarray, "uint64 [E, 2]"]  # zeros for an empty entry
    logits: Annotated[np.ndarray, "float32 [E, MAX_KEPT_MOVES]"]  # in the order of the legal moves
    wdl: Annotated[np.ndarray, "float32 [E, 3]"]
    moves_left: Annotated[np.ndarray, "float32 [E]"]


def new_table(mebibytes: float) -> CacheTable:
    """Return an empty table of at most this size. Raises ConfigError if not even one entry fits."""
    entries = int(mebibytes * 2**20) // BYTES_PER_ENTRY
    if entries < 1:
        raise ConfigError(f"an evaluation cache needs at least {BYTES_PER_ENTRY} bytes, not {mebibytes} MiB")
    return buffers(CacheTable, E=entries)


@kernel()
def hash_leaf(leaves, leaf, with_planes, key):
    """Write two hashes of what the evaluator sees of a leaf to key, uint64 [2]; the position implies legal moves."""
    row = leaves.rows[leaf]
    key[0] = _MIX_B
    key[1] = _MIX_A
    if with_planes:
        mix(key, row[CASTLING])  # planes give only the side of a castling rook
        mix(key, row[EN_PASSANT])  # planes may lack the move that allows en passant
        for word in range(FIFTY_MOVE_PLANE + 1):  # later planes are constant
            mix(key, leaves.masks[leaf, word])
    else:
        for word in range(HALFMOVE + 1):
            mix(key, row[word])


@kernel()
def mix(key, word):
    """Mix one more word into both hashes; each step is a bijection of the hash and of the word."""
    a = (key[0] ^ word) * _MIX_A
    b = (key[1] ^ word) * _MIX_B
    key[0] = a ^ (a >> _SHIFT_A)
    key[1] = b ^ (b >> _SHIFT_B)


@kernel()
def look_up(table, leaves, count, with_planes, keys, missing):
    """Answer the known leaves of leaves[:count]; write the others' indices to `missing` and return their number.

    The hashes of all leaves go to keys, uint64 [R, 2].
    """
    n_missing = 0
    for leaf in range(count):
        key = keys[leaf]
        hash_leaf(leaves, leaf, with_planes, key)
        entry = place_of(table, key)
        if table.keys[entry, 0] != key[0] or table.keys[entry, 1] != key[1]:
            missing[n_missing] = leaf
            n_missing += 1
            continue
        for i in range(leaves.n_moves[leaf]):
            leaves.logits[leaf, i] = table.logits[entry, i]
        for i in range(3):
            leaves.wdl[leaf, i] = table.wdl[entry, i]
        leaves.moves_left[leaf] = table.moves_left[entry]
    return n_missing


@kernel()
def place_of(table, key):
    """Index of the only entry that may hold a key."""
    return np.int64(key[0] % np.uint64(table.moves_left.size))


@kernel()
def keep_answers(table, asked, missing, count, keys):
    """Cache the answers of asked[:count], whose hashes are keys[missing[:count]]."""
    for k in range(count):
        if asked.n_moves[k] > MAX_KEPT_MOVES:
            continue
        key = keys[missing[k]]
        entry = place_of(table, key)
        table.keys[entry, 0] = key[0]
        table.keys[entry, 1] = key[1]
        for i in range(asked.n_moves[k]):
            table.logits[entry, i] = asked.logits[k, i]
        for i in range(3):
            table.wdl[entry, i] = asked.wdl[k, i]
        table.moves_left[entry] = asked.moves_left[k]


class OpenQuestions:
    """The leaves of one batch that the table did not know; the evaluator is asked about `asked`."""

    def __init__(self, size: int) -> None:
        self.asked = new_leaf_batch(size)
        self.count = 0
        self.keys = np.zeros((size, 2), np.uint64)  # hashes of all leaves
        self.missing = np.zeros(size, np.int64)  # leaf index of each question


class EvaluationCache:
    """Answers of one evaluator in a table of at most `mebibytes` MiB."""

    def __init__(self, mebibytes: float, needs_planes: bool) -> None:
        self.table = new_table(mebibytes)
        self._needs_planes = needs_planes

    def look_up(self, leaves: LeafBatch, count: int, unanswered: OpenQuestions) -> None:
        """Answer the known ones of the first `count` leaves; put the rest in `unanswered`."""
        keys, missing, asked = unanswered.keys, unanswered.missing, unanswered.asked
        n = unanswered.count = int(look_up(self.table, leaves, count, self._needs_planes, keys, missing))
        for name in QUESTION:
            getattr(asked, name)[:n] = getattr(leaves, name)[missing[:n]]

    def take_answers(self, leaves: LeafBatch, answered: OpenQuestions) -> None:
        """Complete the leaves of a `look_up` after its questions were evaluated, and cache the answers."""
        n, missing, asked = answered.count, answered.missing, answered.asked
        for name in ANSWER:
            getattr(leaves, name)[missing[:n]] = getattr(asked, name)[:n]
        keep_answers(self.table, asked, missing, n, answered.keys)

    def clear(self) -> None:
        """Delete all answers."""
        self.table.keys[:] = 0
