"""A folder in which the commands of the documents can be typed as they stand."""

import os
import re
import shutil
import signal
import subprocess
import sys

import chess.pgn
import numpy as np

from engine.network.weights import default_net_path
from tests.conftest import find_stockfish
from tests.documents.pages import ROOT, blocks
from tests.selfplay.conftest import random_game

COMMAND_S = 600  # the first command of a kind may have to compile its kernels on a busy machine
# Commands that take hours are interrupted: who works for so long has understood what to do.
BEGINNING_S = 20
SCRIPTS = {"aino": "-m uci", "aino-train": "-m selfplay", "python": "", "pip": "-m pip"}
OPERA = (
    "e4 e5 Nf3 d6 d4 Bg4 dxe5 Bxf3 Qxf3 dxe5 Bc4 Nf6 Qb3 Qe7 Nc3 c6 Bg5 b5 Nxb5 cxb5 Bxb5+ Nbd7 O-O-O Rd8 Rxd7 Rxd7 "
    "Rd1 Qe6 Bxd7+ Nxd7 Qb8+ Nxb8 Rd8#"
)
MATE_IN_ONE = "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1"
HELD_ENDING, HOLDS = "8/8/8/p7/P4K2/1k6/8/8 w - - 0 1", "Ke3"  # Every other move loses.
PUZZLE = "id1,2r3k1/5ppp/8/8/8/8/5PPP/3R2K1 b - - 0 1,c8c2 d1d8,600,backRankMate mate"
# Commands that are only looked at, each with its reason.
SKIPPED = (
    (r"pip install|^python3 -m venv", "what is installed here may not change"),
    (r"^lc0 |cmd=(weiss|stash)|aino-(new|old)/|maia", "engines and networks of others"),
    (r"ray (start|stop)|--cluster", "Ray need not be installed"),
    (r"pytest|ruff|mypy|pdoc", "the tools of .ci/run, which runs them"),
    (r"languages/it|^msg|tests\.documents\.generate", "writes into the project"),
    (r"cupy|\[gpu", "needs a GPU; the tests run it on a stand-in"),
    (
        r"--run runs/selfplay|labels/selfplay|--candidate|--check|runs/more-[*1]|export runs",
        "needs what takes minutes or hours before",
    ),
    (r"aino warmup|-m benchmarks\.", "minutes of compiling or measuring"),
)


def why_skipped(command):
    """Why a command is not run, or None."""
    return next((reason for pattern, reason in SKIPPED if re.search(pattern, command)), None)


def run(folder, command):
    """Type one command line in the workshop, and interrupt it if it works for long.

    The assertion shows what it printed when it fails.
    """
    environment = {
        "PATH": os.pathsep.join([str(folder / ".venv" / "bin"), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "XDG_DATA_HOME": str(folder / "data"),
        "BROWSER": "true",
    }
    status, output = in_a_shell(command, BEGINNING_S, cwd=folder, env={**os.environ, **environment})
    assert status in (0, None), f"{command}\n{output[-4000:]}"


def in_a_shell(command, seconds=COMMAND_S, **place):
    """Exit status, None for what was interrupted after so many seconds, and what was printed.

    What does not hear is killed: jobs in the background ignore Ctrl-C.
    """
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **place,
    )
    for end in (signal.SIGINT, signal.SIGKILL):
        try:
            output, _ = process.communicate(timeout=seconds)
            return process.returncode if end == signal.SIGINT else None, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, end)
    return None, process.communicate()[0]


def new_workshop(folder):
    """A folder with `.venv/bin` and every file that the documents speak of, small."""
    _add_scripts(folder / ".venv" / "bin")
    rng = np.random.default_rng(1)
    opera = chess.Board()
    for move in OPERA.split():
        opera.push_san(move)
    _write_pgn(folder / "game.pgn", [opera])
    held = chess.Board(HELD_ENDING)
    held.push_san(HOLDS)
    _write_pgn(folder / "games.pgn", [held, *(random_game(rng, 30) for _ in range(40))])
    (folder / "many.fen").write_text(f"{chess.STARTING_FEN}\n{MATE_IN_ONE}\n")
    (folder / "puzzles.csv").write_text(f"PuzzleId,FEN,Moves,Rating,Themes\n{PUZZLE}\n")
    (folder / "suites").mkdir()
    position = MATE_IN_ONE.rsplit(" ", 2)[0]
    (folder / "suites" / "wac.epd").write_text(f'{position} bm Rd8#; id "one";\n')
    (folder / "noob_3moves.epd").write_text(f'{chess.STARTING_FEN.rsplit(" ", 2)[0]} id "one";\n')
    for net in "new.dit first.dit seventh.dit candidate.dit eighth.dit".split():
        shutil.copy(default_net_path(), folder / net)
    for name in ("tiny", "small"):
        (folder / f"{name}.py").write_text(custom_network(name.capitalize()), encoding="utf-8")
    _export_teacher(folder)
    return folder


def custom_network(name):
    """The module of a class on the page about networks of one's own."""
    return next(
        block.text for block in blocks("docs/own-network.md") if f"class {name}:" in block.text
    )


def _add_scripts(folder):
    folder.mkdir(parents=True)
    for name, words in SCRIPTS.items():
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    stockfish = find_stockfish()
    if stockfish is not None:
        (folder / "stockfish").symlink_to(stockfish)


def _export_teacher(folder):
    """Write the value network of Stockfish 15.1 to `teacher.nnue` where Stockfish is installed."""
    if (stockfish := find_stockfish()) is not None:
        commands = "export_net teacher.nnue\nquit\n"
        subprocess.run(
            [stockfish],
            input=commands,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=200,
            check=True,
        )


def _write_pgn(path, boards):
    games = []
    for number, board in enumerate(boards):
        game = chess.pgn.Game.from_board(board)
        game.headers["Result"] = (
            ("1-0", "0-1", "1/2-1/2")[number % 3] if len(boards) > 1 else board.result()
        )
        games.append(f"{game}\n\n")
    path.write_text("".join(games))
