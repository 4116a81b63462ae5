"""Aino in a process of its own: what it owes beyond test_universal.py, and to the driver of
python-chess.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import chess
import chess.engine
import pytest

from engine.board.fen import parse_fen
from tests.new_process import running
from tests.protocol.aino_process import COMMAND, ROOT, START_S, AinoProcess
from tests.protocol.conftest import SMALL
from tests.protocol.lines import best_move, play_line, scored
from tests.protocol.test_universal import CROWDED, option

MATERIAL = ("--evaluator", "material", "--hash-mib", "16")  # needs no net
PROMPTLY_S = 60.0  # generous: what it must not do is wait for the search
LONG_LINE = 1 << 20  # bytes

# their form is that of test_parser.py
MOVE_STATS = re.compile(r"info string (\S+) +\( *\d* *\) N: +(\d+) .*")


def read_cases(name):
    """(command, what the answer mentions, ...) from the lines `command | mention | ...` of a file
    beside this one.
    """
    start = chess.STARTING_BOARD_FEN
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    cases = [
        line.replace("START", start).split("|")
        for line in lines
        if line and not line.startswith("#")
    ]
    return [tuple(part.strip() for part in case) for case in cases]


@pytest.fixture(scope="module")
def aino():
    with AinoProcess(*MATERIAL) as process:
        process.ready()
        yield process


def shown_fen(aino):
    """The position that `d` shows."""
    aino.send("d")
    return aino.read_until("Fen:")[-1]


def test_gui_that_closes_the_pipe_ends_the_engine():
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with running([*COMMAND, *SMALL], cwd=ROOT, **streams) as process:
        process.stdout.close()
        process.stdin.write(b"uci\nisready\nisready\n")
        process.stdin.flush()
        assert process.wait(PROMPTLY_S) == 0
        assert process.stderr.read() == b""


def test_options_come_from_the_users_file(tmp_path):
    folder = tmp_path / "aino"
    folder.mkdir()
    (folder / "aino.toml").write_text('evaluator = "material"\nhash_mib = 16\n')
    assert (
        "option name Evaluator type combo default material"
        in start_and_end(tmp_path, "uci\n").stdout
    )
    (folder / "aino.toml").write_text("hash_mib = 0\n")
    done = start_and_end(tmp_path, "uci\n")
    assert done.stdout.startswith("info string ")
    assert "hash_mib" in done.stdout.splitlines()[0]
    assert done.returncode == 0


def start_and_end(config_home, text):
    """A conversation in which the user's configuration lies in a folder."""
    environment = {**os.environ, "XDG_CONFIG_HOME": str(config_home), "APPDATA": str(config_home)}
    return subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_S,
    )


@pytest.mark.parametrize(("command", "mention"), read_cases("bad_positions.txt"))
def test_a_bad_position_leaves_the_old_one(aino, command, mention):
    aino.send("position startpos moves d2d4 d7d5")
    before = shown_fen(aino)
    aino.send(command)
    answer = aino.ready()
    assert len(answer) == 2, answer
    assert answer[0].startswith("info string ")
    assert mention in answer[0]
    assert shown_fen(aino) == before
    aino.send("go nodes 10")
    lines = aino.read_until("bestmove")
    assert best_move(lines) == "(none)", "no move of another position"
    assert mention in lines[0]
    assert "refused" in lines[0]


@pytest.mark.parametrize(("command", "mention", "fen"), read_cases("odd_positions.txt"))
def test_an_odd_position_is_taken_with_a_word(aino, command, mention, fen):
    aino.send("position startpos", command)
    said = aino.ready()[:-1]
    assert all(line.startswith("info string position: ") for line in said)
    assert mention in " ".join(said)
    assert bool(said) == bool(mention)
    assert shown_fen(aino) == f"Fen: {fen}"
    aino.send("go nodes 10")
    move = best_move(aino.read_until("bestmove"))
    board = parse_fen(fen)
    assert board.parse_uci(move)
    assert board.uci(board.parse_uci(move)) == move


def test_bytes_that_are_no_text_are_junk(aino):
    aino.send_bytes(b"\xff\xfe\x80 go\xc3\n" + b"x" * LONG_LINE + b"\n\n\r\n")
    lines = aino.ready()
    assert all(line.startswith("info string") for line in lines[:-1])
    assert len(lines) == 3


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16-le", "utf-16"])
def test_words_in_the_encodings_of_other_guis_are_read(aino, encoding):
    aino.send_bytes("Müller\n".encode(encoding))
    assert aino.ready()[0] == "info string unknown command: Müller"


def test_marks_of_streams_spoil_no_line(aino):
    aino.send_bytes(b"\xef\xbb\xbfposition startpos moves e2e4\n\0isready\r\n\0go nodes 5\0\n")
    assert aino.read_until("readyok") == ["readyok"]
    assert best_move(aino.read_until("bestmove"))[1] in "678"


def test_move_statistics_follow_the_search(aino):
    with option(aino, "VerboseMoveStats", "true", "false"):
        lines = aino.go(f"fen {CROWDED}", "nodes 200")
    counts = {move: int(count) for move, count in MOVE_STATS.findall("\n".join(lines))}
    assert counts.pop("node") == sum(counts.values()) + 1  # one for the position's own evaluation
    assert set(counts) == {move.uci() for move in chess.Board(CROWDED).legal_moves}
    assert [" score " in line for line in lines[-len(counts) - 3 :]][:2] == [True, False]


def test_perft_counts_until_it_is_stopped(aino):
    aino.send(f"position fen {CROWDED}", "go perft 2")
    lines = aino.read_until("Nodes")
    assert lines[-1] == "Nodes searched: 2039"
    aino.send("go perft 12", "isready")
    aino.read_until("readyok", PROMPTLY_S)
    aino.send("stop", "isready")
    lines = aino.read_until("info", PROMPTLY_S)
    assert lines[-1] == "info string perft stopped"


def test_limited_strength_shows_the_move_that_it_plays(aino):
    aino.send("setoption name UCI_LimitStrength value true", "setoption name UCI_Elo value 500")
    try:
        for _ in range(10):
            lines = aino.go(f"fen {CROWDED}", "wtime 60000 btime 60000")
            play_line(chess.Board(CROWDED), scored(lines)[-1].pv)
            assert scored(lines)[-1].pv[0] == best_move(lines)
    finally:
        aino.send("setoption name UCI_LimitStrength value false")


def test_current_move_is_shown_in_long_searches(aino):
    aino.send("position startpos", "go infinite")
    lines = [""]
    while " currmove " not in lines[-1]:
        lines = aino.read_until("info", PROMPTLY_S)
    aino.send("stop")
    aino.read_until("bestmove", PROMPTLY_S)
    words = lines[-1].split()
    number = int(words[words.index("currmovenumber") + 1])
    play_line(chess.Board(), [words[words.index("currmove") + 1]])
    assert 1 <= number <= 20


@pytest.mark.skipif(os.name != "posix", reason="closes a stream in a child before it begins")
@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_is_no_error(closed):
    """Services start programs so, and Windows those without a console: Python then has no
    `sys.stdin` at all.
    """
    program = f"import os, sys; os.close({closed}); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", program, *COMMAND, "--config", os.devnull, *MATERIAL]
    done = subprocess.run(
        command, cwd=ROOT, input=b"uci\nquit\n", capture_output=True, timeout=START_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (b"uciok" in done.stdout) == (closed == 2)


def test_the_driver_of_python_chess_plays():
    limit = chess.engine.Limit(white_clock=1, black_clock=1, white_inc=0.01, black_inc=0.01)
    board = chess.Board()
    command = [*COMMAND, *SMALL]
    with chess.engine.SimpleEngine.popen_uci(command, timeout=START_S, cwd=ROOT) as driver:
        for _ in range(6):
            result = driver.play(board, limit, ponder=True)
            board.push(result.move)
            board.push(result.ponder or next(iter(board.legal_moves)))
    assert len(board.move_stack) == 12
