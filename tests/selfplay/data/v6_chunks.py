"""Writes the fields of Lc0's training chunks that are read, so that tests have some to read."""

import gzip
import io
import tarfile

import numpy as np

from engine.board.layout import ROW_WORDS
from engine.board.makemove import push
from engine.network import planes as lc0
from engine.network.policy_map import policy_index
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
from tests.unit.board.board_positions import legal_codes

ENDINGS = {Ending.RESIGNATION: ADJUDICATED, Ending.LENGTH: ADJUDICATED | LENGTH_LIMIT}


def chunk_of_game(game):
    """V6 records [n] of a replay game; moves without a full search are marked as not for training."""
    records = np.zeros(len(game.moves), V6_RECORD)
    stack = np.zeros((len(records) + 1, ROW_WORDS), np.uint64)
    stack[0] = game.start
    lasts = np.cumsum(game.target_counts)
    for ply, move in enumerate(game.moves):
        targets = slice(lasts[ply] - game.target_counts[ply], lasts[ply])
        _write_position(records[ply], stack, ply)
        _write_policy(
            records[ply], stack[ply], move, game.target_moves[targets], game.target_visits[targets]
        )
        if not game.full[ply] or not records[ply]["visits"]:
            records[ply]["invariance_info"] = NOT_FOR_TRAINING
        push(stack, ply, move)
    win, draw, loss = game.root_wdl.astype(np.float32).T
    black = records["side_to_move_or_enpassant"] != 0
    records["root_q"] = win - loss
    records["root_d"] = draw
    records["result_q"] = np.where(black, -game.white_points, game.white_points)
    records["invariance_info"] |= ENDINGS.get(game.ending, 0)
    return records


def _write_position(record, stack, ply):
    masks = np.zeros(lc0.PLANES, np.uint64)
    lc0.encode(stack, ply, masks)
    record["version"] = VERSION
    record["input_format"] = CLASSICAL_INPUT
    record["planes"] = REVERSED[masks[:STORED_PLANES].astype("<u8").view(np.uint8)].view("<u8")
    for plane, name in enumerate(CASTLING_FIELDS, start=lc0.CASTLING_PLANE):
        record[name] = masks[plane] != 0
    record["side_to_move_or_enpassant"] = masks[lc0.BLACK_TO_MOVE_PLANE] != 0
    record["rule50"] = min(masks[lc0.FIFTY_MOVE_PLANE], 255)


def _write_policy(record, row, played, moves, visits):
    """Write visit shares over the legal moves; without visits the played move gets all of it."""
    record["played_idx"] = policy_index(row, played)
    record["probabilities"] = -1.0
    for move in legal_codes(row):
        record["probabilities"][policy_index(row, move)] = 0.0
    if not len(visits):
        record["probabilities"][record["played_idx"]] = 1.0
        return
    record["visits"] = visits.sum() + 1
    for move, share in zip(moves, visits / visits.sum(), strict=True):
        record["probabilities"][policy_index(row, move)] = share


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
