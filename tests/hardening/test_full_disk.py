"""A full disk (simulated by a limit on the size of files): existing files stay, and the message says what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import chess
import pytest

from tests.hardening import limited
from tests.protocol.aino_process import START_S, EngineProcess
from tests.protocol.lines import best_move, scored

FULL = 150  # bytes that a file may have
PGN = '[Event "x"]\n[Result "*"]\n\n' + "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7 *\n"
MATERIAL = ("--evaluator", "material", "--hash-mib", "16", "--threads", "1")
START = ["position startpos", "go nodes 20"]


@pytest.fixture
def pgn(tmp_path: Path) -> Path:
    path = tmp_path / "game.pgn"
    path.write_text(PGN)
    return path


def fails_cleanly(done, path: Path) -> None:
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert path.name in done.stderr + done.stdout
    assert "too large" in (done.stderr + done.stdout).lower()


@pytest.mark.parametrize("target", ["page.html", "old.html"])
def test_a_page_is_whole_or_not_there(tmp_path: Path, target: str) -> None:
    (tmp_path / "old.html").write_text("old")
    page = tmp_path / target
    words = ("explain", "startpos", "--out", page, "--nodes", 20, *MATERIAL)
    fails_cleanly(limited.run("uci", *words, RLIMIT_FSIZE=FULL), page)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["old.html"]
    assert (tmp_path / "old.html").read_text() == "old"


def test_annotating_says_that_the_file_cannot_be_written(pgn: Path) -> None:
    done = limited.run("uci", "annotate", pgn, "--nodes", 20, *MATERIAL, RLIMIT_FSIZE=FULL)
    fails_cleanly(done, pgn.with_name("game.annotated"))
    assert pgn.read_text() == PGN
    assert not list(pgn.parent.glob(".*"))


@pytest.mark.parametrize("suffix", [".dit", ".pb", ".pb.gz"])
def test_a_converted_net_is_whole_or_not_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_text("old")
    done = limited.run("uci", "net", "convert", Path("weights/tower-64x6.dit").resolve(), path, RLIMIT_FSIZE=FULL)
    fails_cleanly(done, path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_terminal_game_that_cannot_be_saved_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "game.pgn"
    path.write_text("x" * FULL)
    words = ("play", "--level", "nodes 20", "--pgn", path, *MATERIAL)
    done = limited.run("uci", *words, text="e4\nquit\n", RLIMIT_FSIZE=FULL)
    assert "Traceback" not in done.stderr
    assert path.name in done.stderr + done.stdout
    assert "1. e4" in done.stdout + done.stderr, "the game is lost"
    assert path.read_text() == "x" * FULL


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_log_that_cannot_grow_does_not_end_the_game() -> None:
    lines = ["setoption name LogFile value /dev/full", *START, "quit"]
    done = limited.run("uci", "--config", os.devnull, *MATERIAL, text="\n".join(lines))
    assert done.returncode == 0, done.stderr
    assert chess.Move.from_uci(best_move(done.stdout.splitlines())) in chess.Board().legal_moves


@pytest.mark.slow
def test_kernels_that_cannot_be_cached_still_play(tmp_path: Path) -> None:
    environment = {"AINO_CACHE_DIR": str(tmp_path)}
    command = limited.command("uci", "--config", os.devnull, *MATERIAL, RLIMIT_FSIZE=FULL)
    with EngineProcess(command, environment) as process:
        told = [*process.ready(), *process.go("startpos", "nodes 20", seconds=START_S)]
        process.send("quit")
        assert process.finish() == (0, "")
    assert not any("failed" in line for line in told)
    assert scored(told)
