"""Nothing asks for the network: engine, analysis and training run in processes in which asking is an error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hardening import limited
from tests.hardening.side_by_side import TINY
from tests.hardening.test_full_disk import MATERIAL, PGN, START
from tests.new_process import ROOT


@pytest.fixture
def offline(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "offline"
    folder.mkdir()
    return limited.without_network(folder)


@pytest.mark.parametrize(
    "program",
    [
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.getaddrinfo('localhost', 80)",
        "socket.socket().bind(('', 0))",
    ],
)
def test_asking_for_the_network_is_seen(program: str, offline: dict[str, str]) -> None:
    command = [sys.executable, "-c", f"import socket; {program}"]
    done = subprocess.run(command, env=offline, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the network was asked for" in done.stderr


def test_the_player_asks_for_no_network(offline: dict[str, str], tmp_path: Path) -> None:
    game, page = tmp_path / "game.pgn", tmp_path / "page.html"
    game.write_text(PGN)
    commands = [["analyse", "startpos"], ["annotate", str(game)], ["explain", "startpos", "--out", str(page)]]
    commands = [[*words, "--nodes=20", *MATERIAL] for words in commands]
    program = f"from uci.main import main\nfor words in {[*commands, []]}: assert main(words) == 0, words"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, **offline}, check=False, capture_output=True,
        input="\n".join(["uci", "isready", *START]), text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "bestmove" in done.stdout


def test_training_asks_for_no_network(offline: dict[str, str], tmp_path: Path) -> None:
    done = limited.run("selfplay", "loop", tmp_path / "run", "--generations", 1, *TINY, environment=offline)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "the network was asked for" not in done.stderr + done.stdout
