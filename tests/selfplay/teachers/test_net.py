"""The teacher's net: its file, its value against Stockfish and plain NumPy, and its accumulators
along moves.
"""

import re
import struct
import subprocess

import numpy as np
import pytest

from engine.board.convert import board_from_row, row_from_board
from engine.board.layout import HALFMOVE, MAX_MOVES
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.errors import NetFileError
from engine.native.jit import kernel
from selfplay.teachers.accumulators import BUCKETS, TEACHER_WIDTH, advance, new_accumulators, start
from selfplay.teachers.net_file import read_stockfish_net
from selfplay.teachers.quiet_search import begin_quiescence, new_teacher
from selfplay.teachers.sampling import step_down
from selfplay.teachers.static_value import _outputs, _toward_zero
from tests.selfplay.teachers.nets import SMALL, net_bytes, random_positions

WHOLE = net_bytes(SMALL)


@kernel()
def net_values(net, acc, rows, values):
    for i in range(len(rows)):
        start(net, acc, np.int64(0), rows[i])
        psqt, positional = _outputs(net, acc, np.int64(0), rows[i])
        values[i] = _toward_zero(psqt + positional, np.int64(16))  # Stockfish's `eval`


@kernel()
def count_wrong_updates(teacher, fresh, rows, samples):
    """Play samples[i] % (number of moves) from random starts; how many numbers differ from those
    from scratch.
    """
    wrong = 0
    begun = 0
    count = np.int64(0)
    moves = np.zeros(MAX_MOVES, np.uint16)
    acc = teacher.acc
    row = teacher.rows[0]
    child = teacher.rows[1]
    for i in range(len(samples)):
        if count == 0 or row[HALFMOVE] >= 100:
            begin_quiescence(teacher, rows[begun % len(rows)])
            begun += 1
            count = np.int64(generate(row, moves))
        make(row, moves[np.int64(samples[i]) % count], child)
        advance(teacher.net, acc, np.int64(0), row, child)
        start(teacher.net, fresh, np.int64(1), child)
        wrong += np.count_nonzero(
            acc.values[2 * TEACHER_WIDTH : 4 * TEACHER_WIDTH]
            != fresh.values[2 * TEACHER_WIDTH : 4 * TEACHER_WIDTH]
        )
        wrong += np.count_nonzero(
            acc.psqt[2 * BUCKETS : 4 * BUCKETS] != fresh.psqt[2 * BUCKETS : 4 * BUCKETS]
        )
        step_down(teacher)
        count = np.int64(generate(row, moves))
    return wrong


def wrong_updates(net, moves):
    rows = np.concatenate([random_positions(50, 7), random_positions(50, 8, chess960=True)])
    samples = np.random.default_rng(3).integers(0, 1 << 30, moves).astype(np.uint32)
    return count_wrong_updates(new_teacher(net), new_accumulators(2), rows, samples)


def test_updates_along_moves_equal_accumulators_from_scratch(random_net):
    assert wrong_updates(random_net, 20_000) == 0


def test_value_is_that_of_the_layers_written_out(random_net):
    """Where Stockfish 15 is missing, this stands for its values: they were computed from the file's
    layout by NumPy.
    """
    rows = np.concatenate([random_positions(4, 1), random_positions(4, 2, chess960=True)])
    values = np.zeros(len(rows), np.int64)
    net_values(random_net, new_accumulators(1), rows, values)
    assert values.tolist() == [-990, 470, 389, -699, -693, 15, 621, -1357]


def test_value_is_what_stockfish_shows_on_1000_positions(stockfish, stockfish_net):
    boards = [board_from_row(row) for row in random_positions(1400, 5)]
    boards = [board for board in boards if not board.is_check()][:1000]
    text = "".join(f"position fen {board.fen()}\neval\n" for board in boards)
    output = subprocess.run(
        [stockfish], input=text + "quit\n", capture_output=True, text=True, check=True
    ).stdout
    shown = [
        float(x) for x in re.findall(r"^NNUE evaluation\s+([+-]?\d+\.\d+)", output, re.MULTILINE)
    ]
    rows = np.stack([row_from_board(board) for board in boards])
    values = np.zeros(1000, np.int64)
    net_values(stockfish_net, new_accumulators(1), rows, values)
    of_white = np.where([board.turn for board in boards], values, -values)
    assert len(shown) == 1000
    assert [round(value / 361 + 1e-9, 2) for value in of_white.tolist()] == pytest.approx(
        shown, abs=1e-9
    )


def read_bytes(folder, data):
    path = folder / "net.nnue"
    path.write_bytes(data)
    return read_stockfish_net(path, SMALL)


def test_small_net_is_read_whole(tmp_path):
    net = read_bytes(tmp_path, WHOLE)
    assert [len(array) for array in net] == [16, 176, 22, 32, 512, 64, 2048, 2, 64]
    assert all(array.ctypes.data % 64 == 0 for array in net)


@pytest.mark.parametrize(
    ("offset", "value", "text"),
    [
        (0, 0x7AF32F16, "version"),
        (4, 1, "hash"),
        (8, 1 << 30, "description"),
        (
            12 + 6,
            0x7F234CB8 ^ 2 * 1536,
            "HalfKAv2_hm with 2 x 16 .*, found the hash 0x7f2340b8, of another version's",
        ),
        (12 + 6, 12345, "found the hash 0x3039"),
    ],
)
def test_another_architecture_is_refused_by_name(tmp_path, offset, value, text):
    data = bytearray(WHOLE)
    struct.pack_into("<I", data, offset, value)
    with pytest.raises(NetFileError, match=text):
        read_bytes(tmp_path, bytes(data))


@pytest.mark.parametrize("data", [*(WHOLE[:length] for length in (0, 14, -1)), WHOLE + b"\0"])
def test_net_file_that_is_cut_short_or_too_long_is_refused(tmp_path, data):
    with pytest.raises(NetFileError, match="expected"):
        read_bytes(tmp_path, data)
    with pytest.raises(NetFileError, match="readable"):
        read_stockfish_net(tmp_path / "none.nnue")
