"""Writes the fields of Lc0's training chunks that are read, so that tests have some to read."""

import gzip
import io
import tarfile

import numpy as np

from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.board.makemove import push
from engine.board.movegen import generate
from engine.network import planes as lc0
from engine.network.policy_map import MIRROR_BOTH_SQUARES, POLICY_INDEX, policy_index
from selfplay.data.v6 import (
    ADJUDICATED,
    CASTLING_FIELDS,
    CLASSICAL_INPUT,
    LENGTH_LIMIT,
    NOT_FOR_TRAINING,
    REVERSED,
    STORED_PLANES,
    V6_RECORD,
    VERSION,
)
from selfplay.records.endings import Ending


def chunk_of_game(game):
    """V6 records [n] of a replay game; moves without a full search are marked as not for training."""
    n = len(game.moves)
    masks, stack = np.zeros((n, lc0.PLANES), np.uint64), np.zeros((n + 1, ROW_WORDS), np.uint64)
    legal, counts = np.zeros((n, MAX_MOVES), np.int64), np.zeros(n, np.int64)
    stack[0] = game.start
    scratch = np.zeros(MAX_MOVES, np.uint16)
    for ply, move in enumerate(game.moves.astype(np.uint16)):
        lc0.encode(stack, ply, masks[ply])
        counts[ply] = generate(stack[ply], scratch)
        moves = scratch[: counts[ply]]
        legal[ply, : counts[ply]] = [policy_index(stack[ply], one) for one in moves]
        push(stack, ply, move)
    records = new_records(masks)
    black = masks[:, lc0.BLACK_TO_MOVE_PLANE] != 0
    records["played_idx"] = _policy_indices(game.moves, black)
    _write_policy(records, game, legal, counts, black)
    _write_values(records, game, black)
    adjudicated = {Ending.RESIGNATION: ADJUDICATED, Ending.LENGTH: ADJUDICATED | LENGTH_LIMIT}
    records["invariance_info"] |= adjudicated.get(game.ending, 0)
    return records


def _policy_indices(moves, black):
    return POLICY_INDEX[np.where(black, moves.astype(np.int64) ^ MIRROR_BOTH_SQUARES, moves)]


def _write_policy(records, game, legal, counts, black):
    """Write visit shares over the legal moves; without visits the played move gets all of it."""
    probabilities = records["probabilities"]
    is_legal = np.arange(MAX_MOVES) < counts[:, None]
    probabilities[np.nonzero(is_legal)[0], legal[is_legal]] = 0.0
    owner = np.repeat(np.arange(len(records)), game.target_counts)
    visits = np.bincount(owner, weights=game.target_visits, minlength=len(records))
    shares = game.target_visits / np.maximum(visits, 1)[owner]
    probabilities[owner, _policy_indices(game.target_moves, black[owner])] = shares
    unvisited = np.flatnonzero(visits == 0)
    probabilities[unvisited, records["played_idx"][unvisited]] = 1.0
    records["visits"] = np.where(visits > 0, visits + 1, 0)
    records["invariance_info"] = np.where(game.full & (visits > 0), 0, NOT_FOR_TRAINING)


def _write_values(records, game, black):
    win, draw, loss = game.root_wdl.astype(np.float32).T
    records["root_q"] = win - loss
    records["root_d"] = draw
    records["result_q"] = np.where(black, -game.white_points, game.white_points)


def new_records(masks):
    """Return records [n] of the input planes uint64[n, 112], all other fields zero and every move
    illegal.
    """
    records = np.zeros(len(masks), V6_RECORD)
    records["version"] = VERSION
    records["input_format"] = CLASSICAL_INPUT
    records["probabilities"] = -1.0
    boards = np.ascontiguousarray(masks[:, :STORED_PLANES], "<u8")
    records["planes"] = REVERSED[boards.view(np.uint8)].view("<u8")
    for plane, name in enumerate(CASTLING_FIELDS, start=lc0.CASTLING_PLANE):
        records[name] = masks[:, plane] != 0
    records["side_to_move_or_enpassant"] = masks[:, lc0.BLACK_TO_MOVE_PLANE] != 0
    records["rule50"] = np.minimum(masks[:, lc0.FIFTY_MOVE_PLANE], 255)
    return records


def packed(records):
    """The records of one game as a gzip file."""
    return gzip.compress(np.ascontiguousarray(records, V6_RECORD).tobytes(), 1, mtime=0)


def archive_of(*chunks):
    """Named chunks as a tar archive of gzip files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, records in chunks:
            member = tarfile.TarInfo(name)
            member.size = len(data := packed(records))
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()
