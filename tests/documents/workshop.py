"""A folder in which the commands of the documents can be typed, reduced where they take long."""

import contextlib
import io
import lzma
import os
import re
import shlex
import shutil
import subprocess
import sys
from unittest.mock import patch

import chess
import chess.pgn
import numpy as np

import selfplay.main
import uci.main
from engine.network.weights import default_net_path
from tests.conftest import find_stockfish
from tests.documents.pages import ROOT, blocks
from tests.selfplay.conftest import pgn_of, random_game

COMMAND_S = 600  # the first command of a kind may have to compile its kernels on a busy machine
ENTRIES = {"aino": uci.main, "aino-train": selfplay.main}
OWN = re.compile(r"(?:\.venv/bin/)?(aino|aino-train) ([^<>|;&]*)(?:< /dev/null)?")
SCRIPTS = {"aino": "-m uci", "aino-train": "-m selfplay", "python": "", "pip": "-m pip"}
OPERA = (
    "e4 e5 Nf3 d6 d4 Bg4 dxe5 Bxf3 Qxf3 dxe5 Bc4 Nf6 Qb3 Qe7 Nc3 c6 Bg5 b5 Nxb5 cxb5 Bxb5+ Nbd7 O-O-O Rd8 Rxd7 Rxd7 "
    "Rd1 Qe6 Bxd7+ Nxd7 Qb8+ Nxb8 Rd8#"
)
MATE_IN_ONE = "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1"
HELD_ENDING, HOLDS = "8/8/8/p7/P4K2/1k6/8/8 w - - 0 1", "Ke3"  # Every other move loses.
PUZZLE = "id1,2r3k1/5ppp/8/8/8/8/5PPP/3R2K1 b - - 0 1,c8c2 d1d8,600,backRankMate mate"
RUN = " --games.count 4 --games.concurrent 4 --games.longest 20 --fit.positions 64 --fit.batch_size 16"
RUN += " --gate.pairs 1 --gate.visits 4 --gate.longest 20 --games.visits 4 --games.fast_visits 4"

# What a command is reduced by: pattern -> replacement, in this order. The flags that the documents
# show stay in place.
REDUCTIONS = (
    (r"--minutes \d+", "--positions 64 --batch 16"),
    (r"--positions \d+", "--positions 64"),
    (r"(pretrain (?!.*--batch).*)$", r"\1 --batch 16"),
    (r"--net sparse-\d+(?![+\d])", "--net sparse-128"),
    (r"(match .*)$", r"\1 --longest 12"),
    (r"--games [2-9]\d*|--games 1\d+", "--games 2"),
    (r"--tc [\d.]+\+[\d.]+", "--nodes 10"),
    (r" --nodes-per-ms \d+", ""),  # which needs a clock
    (r"--movetime 0\.02", "--nodes 10"),
    (r"--nodes \d\d\d\d+", "--nodes 20"),
    # whose games are those of tests/selfplay/run/test_anchors.py
    (r"--anchors ", "--anchors --anchors.games 0 "),
    (r"--generations \d+", "--generations 1"),
    (r"--games\.\w+ [\d.]+|--fit\.\w+ [\d.]+|--gate\.\w+ [\d.]+", ""),
    (r"(loop (?=runs/).*)$", rf"\1{RUN}"),
    (r"(suite .*)--movetime 1", r"\1--nodes 20"),
    (r"--count \d+", "--count 8"),
    (r"(teach .*--count 8.*)$", r"\1 --chunk-rows 64 --filter-mib 1 --tree-visits 20"),
    (r"(?:seventh|eighth)\.dit", "first.dit"),
    (r'--level "time 1"', f'--level "nodes 1" --fen "{MATE_IN_ONE}"'),
    (r"(play .*--weights-file .*|play --load .*|play --side black.*)$", r"\1 < /dev/null"),
    (r"(analyse (?!.*--nodes).*)$", r"\1 --nodes 20"),
    (r"(annotate .*)$", r"\1 --nodes 20"),
    (r"(aino bench (?!.*--only)(?!.*--signature).*)$", r"\1 --only board --seconds 0.01"),
    (r"--load last", "--load game.pgn"),
    (r"perft \d", "perft 2"),
    (r"maia-1900\.pb\.gz", "tower.pb.gz"),
    (r"runs/nothing/nets/best\.dit", "new.dit"),
    (r"\.\./aino-(?:new|old)/", ""),
    (r"(tests\.hardening --quick.*)$", r"\1 --list"),
)
# Commands that are only looked at, each with its reason.
SKIPPED = (
    (r"^\S*pip install", "what is installed here may not change"),
    (r"^python3 -m venv", "a new environment: .ci/run runs the test command and the installation"),
    (r"^\S*lc0 |cmd=glaurung|cmd=weiss", "other engines need not be installed"),
    (r"ray (start|status|stop)|--cluster", "Ray need not be installed"),
    (r"pytest", "a test that runs tests"),
    (
        r"teach .*--held-out",
        "none of the workshop's few games is held out; test_teacher_search has such a folder",
    ),
    (r"ruff|mypy|pdoc", "the tools of .ci/run, which runs them"),
    (r"tests\.documents\.generate", "writes into the project; a test compares what it makes"),
    (r"report .*--live", "writes until Ctrl-C; tests/selfplay/report runs it"),
    (r"play --web", "serves until Ctrl-C; tests/uci and tests/browser run it"),
    (r"-m benchmarks\.(?!convert)|tests\.gradient", "minutes: its flags are tested"),
    (r"cupy|\[gpu", "needs a GPU; the tests run it on a stand-in"),
    (r"languages/it|^msg", "the project's folders; tests of their own do the same"),
    (r"aino warmup", "compiles every kernel; tests/uci runs it"),
    (r"aino bench --signature", "tests/regression runs it"),
)


def why_skipped(command):
    """Why a command is not run, or None."""
    return next((reason for pattern, reason in SKIPPED if re.search(pattern, command)), None)


def reduced(command):
    """The command with fewer games, nodes and positions, so that it takes seconds."""
    for pattern, replacement in REDUCTIONS:
        command = re.sub(pattern, replacement, command)
    return command


def run(folder, command):
    """Run one command line in the workshop; the assertion shows what it printed when it fails.

    Our own commands run in this process, which has loaded the kernels already, unless the line
    needs a shell.
    """
    variables = {
        "PATH": os.pathsep.join([str(folder / ".venv" / "bin"), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "XDG_DATA_HOME": str(folder / "data"),
    }
    own = OWN.fullmatch(command)
    with patch.dict(os.environ, variables), contextlib.chdir(folder):
        if own is None:
            status, said = in_a_shell(command)
        else:
            status, said = in_this_process(ENTRIES[own[1]], shlex.split(own[2]))
    assert status == 0, f"{command}\n{said[-4000:]}"


def in_a_shell(command):
    """Exit status, and what was printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_S,
    )
    return done.returncode, done.stdout


def in_this_process(program, words):
    """Exit status, and what was printed."""
    with (
        open(os.devnull, encoding="utf-8") as nothing,
        io.TextIOWrapper(io.BytesIO(), write_through=True) as said,
    ):
        with patch.multiple(sys, stdin=nothing, stdout=said, stderr=said):
            status = exit_status(program, words)
        return status, said.buffer.getvalue().decode()


def exit_status(program, words):
    try:
        return program.main(words)
    except SystemExit as end:
        return end.code


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
    _write_pgn(folder / "games.pgn", [held, *(random_game(rng, 30) for _ in range(7))])
    _write_pgn(folder / "matches.pgn", [random_game(rng, 30) for _ in range(8)])
    (folder / "many.fen").write_text(f"{chess.STARTING_FEN}\n{MATE_IN_ONE}\n", encoding="ascii")
    (folder / "puzzles.csv").write_text(
        f"PuzzleId,FEN,Moves,Rating,Themes\n{PUZZLE}\n", encoding="ascii"
    )
    (folder / "suites").mkdir()
    position = MATE_IN_ONE.rsplit(" ", 2)[0]
    for suite in ("suites/wac.epd", "wac.epd", "sts_odd.epd", "arasan2024.epd"):
        (folder / suite).write_text(f'{position} bm Rd8#; id "one";\n', encoding="ascii")
    for moves in range(1, 5):
        (folder / f"mate{moves}.fen").write_text(f"{MATE_IN_ONE}\n", encoding="ascii")
    (folder / "noob_3moves.epd").write_text(
        f'{chess.STARTING_FEN.rsplit(" ", 2)[0]} id "one";\n', encoding="ascii"
    )
    with lzma.open(folder / "human.pgn.xz", "wt") as stream:
        stream.write("".join(pgn_of(random_game(rng, 20), "1-0") for _ in range(8)))
    for name in ("weights", "docs"):
        (folder / name).mkdir()
    for net in ("new.dit", "old.dit", "first.dit", "weights/sparse-768-v1024.dit"):
        shutil.copy(default_net_path(), folder / net)
    shutil.copy(default_net_path(entry="default_tower"), folder / "weights/tower-64x6.dit")
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
    path.write_text("".join(games), encoding="utf-8")
