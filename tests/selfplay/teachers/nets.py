"""Net files of the teacher's architecture with random weights, of any size, and their values by
plain NumPy.
"""

import struct

import chess
import numpy as np
from numpy.random import default_rng

from benchmarks.selfplay_speed import random_positions as random_games
from engine.board.convert import row_from_board
from engine.board.layout import HALFMOVE
from engine.board.makemove import make
from engine.board.movegen import generate
from selfplay.records.label_folder import Chunk, LabelWriter
from selfplay.teachers.labelling import LabelPlan, sample_chunk
from selfplay.teachers.net_file import (
    NNUE_VERSION,
    STACK_HASH,
    STOCKFISH_15,
    NetShape,
    read_stockfish_net,
)
from selfplay.teachers.sample_sources import games_of_sets

SMALL = NetShape(features=11, width=16, buckets=2)


def net_bytes(shape, description=b"random"):
    """A well-formed file."""
    rng = default_rng(1)

    def numbers(size, most, dtype):
        return rng.integers(-most, most, size).astype(dtype).tobytes()

    hash_ = shape.transformer_hash
    parts = [
        struct.pack("<III", NNUE_VERSION, hash_ ^ STACK_HASH, len(description)),
        description,
        struct.pack("<I", hash_),
    ]
    parts += [numbers(shape.width, 90, "<i2"), numbers(shape.features * shape.width, 30, "<i2")]
    parts += [numbers(shape.features * shape.buckets, 3000, "<i4")]
    layers = ((16, 3000, 16 * shape.width, 30), (32, 1000, 32 * 32, 60), (1, 5000, 32, 60))
    for _ in range(shape.buckets):
        parts.append(struct.pack("<I", STACK_HASH))
        for n_biases, bias, n_weights, weight in layers:
            parts += [numbers(n_biases, bias, "<i4"), numbers(n_weights, weight, "i1")]
    return b"".join(parts)


PIECE_CP = (100, 320, 330, 500, 950, 0)


def material_net_bytes():
    """A net of the real size that counts material, a pawn 100 centipawns: what hangs is known
    without Stockfish.
    """
    shape = STOCKFISH_15
    psqt = np.zeros((shape.features // 704, 11, 64, shape.buckets), "<i4")
    for kind, cp in enumerate(PIECE_CP[:5]):
        psqt[:, 2 * kind], psqt[:, 2 * kind + 1] = round(16 * 3.61 * cp), -round(16 * 3.61 * cp)
    hash_ = shape.transformer_hash
    stack = struct.pack("<I", STACK_HASH) + bytes(
        4 * 16 + 16 * shape.width + 4 * 32 + 32 * 32 + 4 + 32
    )
    head = struct.pack("<IIII", NNUE_VERSION, hash_ ^ STACK_HASH, 0, hash_)
    return (
        head
        + bytes(2 * shape.width + 2 * shape.features * shape.width)
        + psqt.tobytes()
        + shape.buckets * stack
    )


def random_positions(count, seed, chess960=False):
    """Rows [count, 16] of random games, each with a legal move."""
    rng = default_rng(seed)
    rows = []
    legal = np.zeros(218, np.uint16)
    while len(rows) < count:
        board = chess.Board.from_chess960_pos(int(rng.integers(960))) if chess960 else chess.Board()
        row = row_from_board(board)
        for _ in range(int(rng.integers(4, 120))):
            n = generate(row, legal)
            if n == 0 or row[HALFMOVE] >= 100:
                break
            rows.append(row)
            row = np.zeros(16, np.uint64)
            make(rows[-1], legal[rng.integers(n)], row)
    order = rng.permutation(len(rows))[:count]
    return np.stack(rows)[order]


def sample_games():
    """Random games to sample labels from."""
    return games_of_sets([random_games(default_rng(2), games=40, plies=60)])


def material_labels(folder, rows, **settings):
    """Writes a label folder of one chunk, whose teacher counts material. Returns its rows.

    settings: other fields of the plan, which are the folder's settings.
    """
    net = folder.with_suffix(".nnue")
    net.write_bytes(material_net_bytes())
    sampled = sample_chunk(
        read_stockfish_net(net),
        sample_games(),
        LabelPlan(chunk_rows=rows, **settings),
        0,
    )
    chunk = Chunk(sampled.values, sampled.scored)
    LabelWriter(folder, {"teacher": "material", **settings}).publish([chunk])
    return chunk
