"""Aino in real GUIs on a virtual screen: it plays moves of games, and its processes end with the
GUI's wish.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from engine.native import jit
from tests.boards import board_after
from tests.new_process import linux, running
from tests.protocol.aino_process import COMMAND, ROOT, AinoProcess
from tests.protocol.virtual_screen import SEARCH_PATH, processes_left, virtual_screen

pytestmark = [
    pytest.mark.slow,
    linux,  # finds processes in /proc
]

ARGUMENTS = f"--evaluator material --hash-mib 16 --threads 1 --config {os.devnull}".split()
PLIES = 10
GAME_S = 400.0  # on a busy machine
END_S = 120.0  # from the wish to the end of the last process
SCRIPT = Path(__file__).with_name("scid_game.tcl")


@pytest.fixture(scope="module", autouse=True)
def compiled_engine():
    """Compiles what there is to compile, which is not the GUI's to wait for."""
    with AinoProcess(*ARGUMENTS) as engine:
        engine.go("startpos", "nodes 1")


def programs(*names):
    """The paths of these programs; skips the test where one is missing."""
    paths = [shutil.which(name, path=SEARCH_PATH) for name in names]
    if None in paths:
        pytest.skip(f"not all are installed: {', '.join(names)}")
    return paths


def wait_for(condition, gui):
    deadline = time.monotonic() + GAME_S
    while not condition():
        assert gui.poll() is None, "the GUI has ended"
        assert time.monotonic() < deadline
        time.sleep(0.1)


def assert_legal(moves):
    """At least ten moves from the start position, each of them legal."""
    assert len(moves) >= PLIES
    board_after(moves)


def xboard_command(folder, log):
    """Starts a game between two of us under xboard."""
    engine = shlex.join([*COMMAND, *ARGUMENTS])
    return [
        "xboard", "-fcp", engine, "-fd", str(ROOT), "-fUCI", "-scp", engine, "-sd", str(ROOT), "-sUCI",
        "-matchGames", "1", "-matchMode", "true", "-timeControl", "0:20", "-timeIncrement", "0.2",
        "-popupExitMessage", "false", "-settingsFile", str(folder / "settings"), "-showThinking", "true",
        "-soundProgram", "true", "-debugMode", "true", "-nameOfDebugFile", str(log),
    ]  # fmt: skip


def moves_in_log(path):
    """What the engines have played, in UCI notation, by what xboard has written down."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    whole = text.split("\n")[:-1]
    return [line.split()[-1] for line in whole if ": move " in line and "<" in line]


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
def test_xboard_leaves_no_process(end, tmp_path):
    programs("Xvfb", "xboard", "polyglot")
    log = tmp_path / "debug"
    with virtual_screen() as screen:
        with running(xboard_command(tmp_path, log), cwd=tmp_path, env=screen) as gui:
            wait_for(lambda: len(moves_in_log(log)) >= PLIES, gui)
            assert len(processes_left(screen, COMMAND[0])) >= 2, (
                "the two engines are found while they play"
            )
            gui.send_signal(signal.Signals[end])
            # xboard's own handler of SIGTERM may wait for a lock that it holds
            with contextlib.suppress(subprocess.TimeoutExpired):
                gui.wait(END_S)
        assert not processes_left(screen, "", END_S)
    assert_legal(moves_in_log(log))


def test_scid_plays_with_the_engine(tmp_path):
    _, tkscid, scid = programs("Xvfb", "tkscid", "scid")
    words = [
        tkscid,
        str(SCRIPT),
        scid,
        COMMAND[0],
        shlex.join([*COMMAND[1:], *ARGUMENTS]),
        str(PLIES),
    ]
    report = {}
    with virtual_screen() as screen:
        surroundings = {**screen, **own_home(tmp_path)}
        with running(
            words, cwd=tmp_path, env=surroundings, stdout=subprocess.PIPE, text=True
        ) as gui:
            silent = threading.Timer(GAME_S, gui.kill)
            silent.start()
            while "closed" not in report and "error" not in report:
                what, _, text = gui.stdout.readline().partition("\t")
                assert what, "Scid has ended"
                report[what] = text.strip()
            silent.cancel()
            assert "error" not in report, report
            assert not processes_left(screen, COMMAND[0], END_S), (
                "the window is closed, and Scid still runs"
            )
        assert not processes_left(screen, "", END_S)
    assert report["ticked"] == "1", "UCI"
    assert report["name"].startswith("Aino ")
    depth, score = report["analysis"].split()[:2]
    assert int(depth) >= 1
    assert abs(float(score)) < 3.0
    assert_legal(report["game"].split())


def own_home(folder):
    """Environment of a user who has never started Scid; the compiled kernels stay where they are."""
    kernels = jit.cache_base()
    return {"HOME": str(folder), jit.CACHE_ENVIRONMENT_VARIABLE: str(kernels.parent)}


PREFERENCES = "[org/gnome/Chess]\nopponent='Aino'\ndifficulty='easy'\n"


@pytest.mark.parametrize("moves", ["1. e4", "1. e4 e5 2. Nf3"])
def test_gnome_chess_goes_on_with_a_game(moves, tmp_path):
    """A person's moves need clicks on a board that nobody can find, so they stand in a game that it
    opens.
    """
    session, gnome_chess, _ = programs("dbus-run-session", "gnome-chess", "Xvfb")
    log, command, game = (tmp_path / name for name in ("uci.log", "aino.sh", "game.pgn"))
    command.write_text(
        f"#!/bin/sh\nexec {shlex.join([*COMMAND, *ARGUMENTS, '--log-file', str(log)])}\n"
    )
    command.chmod(0o755)
    game.write_text(f'[BlackAI "Aino"]\n[BlackLevel "easy"]\n[Result "*"]\n\n{moves} *\n')
    settings = {"gnome-chess/engines.conf": f"[Aino]\nprotocol=uci\nbinary={command}\n"}
    settings["glib-2.0/settings/keyfile"] = PREFERENCES
    for name, text in settings.items():
        path = tmp_path / ".config" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    with virtual_screen() as screen:
        desktop = {
            "GSETTINGS_BACKEND": "keyfile",
            "GSK_RENDERER": "cairo",
            "GTK_A11Y": "none",
            "NO_AT_BRIDGE": "1",
            "XDG_CONFIG_HOME": str(tmp_path / ".config"),
        }
        words = [session, "--", gnome_chess, str(game)]
        surroundings = {**screen, **own_home(tmp_path), **desktop}
        with running(words, cwd=tmp_path, env=surroundings, start_new_session=True) as gui:
            try:
                wait_for(lambda: log.exists() and "<< bestmove" in log.read_text(), gui)
            finally:
                os.killpg(gui.pid, signal.SIGTERM)
                gui.wait(END_S)
        assert not processes_left(screen, "", END_S)
    talk = log.read_text()
    position = talk.partition(">> position")[2].splitlines()[0].partition("moves ")[2].split()
    answer = talk.partition("<< bestmove ")[2].split()[0]
    assert len(position) == len([word for word in moves.split() if not word.endswith(".")])
    board_after([*position, answer])
