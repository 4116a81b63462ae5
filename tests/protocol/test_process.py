"""Aino in a process of its own: what it owes beyond test_universal.py, and to the driver of
python-chess.
"""

import os
import subprocess
import sys

import chess.engine
import pytest

from tests.new_process import posix, talking
from tests.protocol.aino_process import COMMAND, ROOT, START_S
from tests.protocol.conftest import SMALL


def test_gui_that_closes_the_pipe_ends_the_engine():
    with talking([*COMMAND, *SMALL]) as process:
        process.stdout.close()
        process.stdin.write(b"uci\nisready\nisready\n")
        process.stdin.flush()
        assert process.wait(60.0) == 0
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


@posix  # closes a stream in a child before it begins
@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_is_no_error(closed):
    """Services start programs so, and Windows those without a console: Python then has no
    `sys.stdin` at all.
    """
    program = f"import os, sys; os.close({closed}); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", program, *COMMAND, *SMALL]
    done = subprocess.run(
        command, cwd=ROOT, input=b"uci\nquit\n", capture_output=True, timeout=START_S, check=False
    )
    assert done.returncode == 0
    assert done.stderr == b""
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
