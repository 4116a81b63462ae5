"""Files that once ended a reader in a traceback or kept it busy for minutes, a test each; fuzzing
has found them.
"""

import contextlib
import time
from contextlib import contextmanager
from dataclasses import replace

import chess
import chess.pgn
import numpy as np
import pytest

from engine.board.convert import row_from_board
from engine.board.layout import DOUBLE_PUSH, ROW_WORDS
from engine.board.pgn.token_kernels import MOST_NAG
from engine.errors import AinoError, DataError, FenError
from selfplay.records.game import decode_record, encode_record
from selfplay.run.games_out import pgn_text
from selfplay.suites.epd import read_epd
from tests.hardening import text_targets
from tests.hardening.game_targets import games
from tests.hardening.net_targets import checkpoints
from tests.hardening.targets import TARGETS
from tests.new_process import output_of
from uci.common.reading import read_every_game, read_game

SOON_S = 2.0  # of processor time; what is tested here took minutes
EPD_POSITION = "4k3/8/8/8/8/8/8/4K2R w K -"


@contextmanager
def soon():
    begun = time.process_time()
    yield
    assert time.process_time() - begun < SOON_S


@pytest.fixture
def written(tmp_path):
    """Writes a file of that name."""

    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


# ---- refused by their readers --------------------------------------------------------------------


def hostile():
    """Names of targets, and files that the readers of these refuse."""
    for text in (
        "a." * 20_000 + "a = 1",
        "a = " + "[" * 900,
        "threads = 1" + "0" * 900,
        "x" * 70_000,
    ):
        yield "options-toml", text.encode()
    for number in ("1" + "0" * 400, "nan", "inf", "-1e30"):
        yield "run-toml", f"[fit]\npeak_rate = {number}\n".encode()
    yield "epd", f"{EPD_POSITION} dm {'9' * 5000};\n".encode()
    yield "epd", b"\xff\xfe4k3"  # another encoding
    good = text_targets.zipped_openings().samples[1]
    flags = good.index(b"PK\x01\x02") + 8
    yield "zip", good[:6] + b"\x01" + good[7:flags] + b"\x01" + good[flags + 1 :]  # encrypted
    yield "zip", good[:40] + b"\xff" * 20 + good[60:]
    for shape in ("(" + "1" * 110, "(99999999999,)", "(", "(-1,)", "('a',)", "1 1"):
        header = (
            f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117)
            + b"\n"
        )
        inside = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        yield "checkpoint", checkpoints().seal(inside)


@pytest.mark.parametrize(
    ("name", "data"), [*hostile()], ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_hostile_file_is_refused_at_once(name, data, written):
    target = TARGETS[name]()
    path = written(f"hostile{target.suffix}", data)
    with soon(), pytest.raises(AinoError):
        target.read(path)


# ---- games and positions -------------------------------------------------------------------------


def test_grades_that_almost_fit_do_not_backtrack(written):
    path = written("suite.epd", f'{EPD_POSITION} c0 "{"Kf2=1," * 40}x"; bm Kf2;\n')
    with soon():
        assert read_epd(path)[0].best == {"e1f2"}


def test_a_clock_larger_than_a_word_is_refused():
    board = chess.Board("4k3/8/8/8/8/8/8/4K2R w - - 18446744073709551616 1")
    with pytest.raises(FenError, match="halfmove"):
        row_from_board(board)


def test_marks_above_255_end_no_game(written):
    game = read_game(written("game.pgn", f'[Event "x"]\n\n1. e4 ${"9" * 5000} e5 $902 $7 *\n'))
    assert [node.nags for node in game.mainline()] == [{MOST_NAG}, {902, 7}]


@pytest.mark.parametrize(
    ("moves", "main_line", "errors", "reads_main_line"),
    [
        ("1. e4 e5 2. Nf3 (2. f4 exf4 3. O-O) 2... Nc6", "e4 e5 Nf3 Nc6", 1, True),
        # a move of the variation's position
        ("1. e4 e5 2. Nf3 (2. f4 exf4 3. O-O) 3. Nf3 Nc6", "e4 e5 Nf3", 2, False),
        ("1. e4 e5 2. Nf3 (2. f4 (2. d5 Nf3) f3) 2... Nc6", "e4 e5 Nf3 Nc6", 2, True),
        ("1. e4 (1. d4 d5 2. c4 c6 3. e5 (3. e6 (3. e7) $1 {no}) $1 {no}) (1. c4) 1... c5", "e4 c5", 1, True),
        ("1. e4 (1. d4 d5 2. c4 c6 3. e5) ((", "e4", 2, False),
        ("1. e4 e5 2. O-O $1 {no} (2. Nf3 Nc6) ) $1 2. Nf3", "e4 e5", 2, False),
        ("1. e5 (1. e4) (1. d4) e5", "", 1, False),
    ],
)  # fmt: skip
def test_a_move_that_cannot_be_read_ends_its_own_line_alone(
    moves, main_line, errors, reads_main_line, written
):
    path = written("game.pgn", f'[Event "x"]\n\n{moves}\n')
    game = next(read_every_game(path)).game
    assert [node.san() for node in game.mainline()] == main_line.split()
    assert len(game.errors) == errors
    for node in breadth_first(game):
        assert node.move in node.parent.board().legal_moves
        assert not node.nags
        assert not node.comment
    refuses = pytest.raises(DataError, match=r"illegal|not closed|to close")
    with contextlib.nullcontext() if reads_main_line else refuses:
        read_game(path)


def breadth_first(game):
    nodes = list(game.variations)
    for node in nodes:
        nodes.extend(node.variations)
        yield node


# ---- replay --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def game():
    return games()[0]


def test_a_start_that_is_no_position_never_reaches_a_kernel(game):
    for word in set(range(ROW_WORDS)) - {DOUBLE_PUSH}:  # which only the network's planes show
        start = game.start.copy()
        start[word] ^= np.uint64(1 << 20)
        with pytest.raises(DataError, match="not a self-play record"):
            decode_record(encode_record(replace(game, start=start)))


def test_illegal_moves_are_told_when_they_are_exported(game):
    damaged = replace(game, moves=np.full_like(game.moves, 0xFFFF))
    with pytest.raises(DataError, match="illegal move at ply 0"):
        pgn_text(damaged, "x")


# ---- kernels -------------------------------------------------------------------------------------

KERNEL = """
from engine.native.jit import kernel

@kernel()
def once(x):
    return x


@kernel()
def twice(x):
    return 2 * once(x)
"""


@pytest.mark.parametrize(
    ("limit", "damage", "suffixes"),
    [
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))", None, set()),
        ("pass", lambda whole: b"", {".kernel", ".part"}),
        ("pass", lambda whole: whole[:30] + bytes(50), {".kernel", ".part"}),
    ],
    ids=["full disk", "empty files", "noise in the files"],
)
def test_a_kernel_cache_that_fails_costs_no_kernel(limit, damage, suffixes, tmp_path):
    (tmp_path / "doubling.py").write_text(KERNEL)
    environment = {"AINO_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}
    # Python itself would keep a cut file, and fail to read it
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    program = f"import resource; {limit}; from doubling import twice; assert twice(21) == 42; "
    # or all were kept
    program += "from engine.native.kernel_use import loses_kernels; print(loses_kernels())"
    for _ in range(2):
        assert output_of(program, **environment) == f"{not suffixes}\n"
        files = [path for kind in ("kernel", "part") for path in tmp_path.rglob(f"*.{kind}")]
        assert {path.suffix for path in files} == suffixes
        for path in files:
            path.write_bytes(damage(path.read_bytes()))
