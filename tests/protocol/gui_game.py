"""Aino in a real GUI: xboard, through the Polyglot adapter, plays a game between two of them on a virtual screen.

    python -m tests.protocol.gui_game [--picture FILE.png] [--pgn FILE.pgn]

Needs xboard, polyglot, Xvfb and, for the picture, import (Debian: xboard polyglot xvfb imagemagick); if one is missing,
it says so and exits with status 0. Prints the finished game; exit status 1 if it did not end by the rules, or if the
GUI was told no scores.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import chess.pgn

from tests.protocol.aino_process import COMMAND, ROOT, AinoProcess

PROGRAMS = ("xboard", "polyglot", "Xvfb", "import")
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/games"])  # where Debian puts games
SCREEN = "1100x700x24"
ENGINE = " ".join([*COMMAND, "--evaluator", "material", "--hash-mib", "16", "--threads", "1", "--config", os.devnull])
CLOCK = ("-timeControl", "0:20", "-timeIncrement", "0.2")
GAME_S = 300.0
PICTURE_AFTER_S = 25.0  # from the start: a middlegame
POLL_S = 0.2


def missing_programs() -> list[str]:
    """Which of the programs this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCH_PATH) is None]


@contextlib.contextmanager
def virtual_screen() -> Iterator[dict[str, str]]:
    """An X server without a screen; gives the environment in which programs find it."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", SCREEN, "-nolisten", "tcp"],
        pass_fds=[write],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            display = pipe.readline().strip()
        yield {**os.environ, "DISPLAY": f":{display}", "PATH": SEARCH_PATH, "PYTHONPATH": str(ROOT)}
    finally:
        server.terminate()
        server.wait()


def play(folder: Path, picture: Path | None) -> Path:
    """One game under xboard; the PGN file it saved."""
    pgn = folder / "game.pgn"
    command = [
        "xboard", "-fcp", ENGINE, "-fd", str(ROOT), "-fUCI", "-scp", ENGINE, "-sd", str(ROOT), "-sUCI",
        "-matchGames", "1", "-matchMode", "true", *CLOCK, "-saveGameFile", str(pgn), "-popupExitMessage", "false",
        "-settingsFile", str(folder / "settings"), "-showThinking", "true",
        "-soundProgram", "true",
    ]  # fmt: skip
    with virtual_screen() as environment:
        gui = subprocess.Popen(command, cwd=folder, env=environment)
        try:
            if picture is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    gui.wait(PICTURE_AFTER_S)
                subprocess.run(["import", "-window", "root", str(picture)], env=environment, check=True)
            deadline = time.monotonic() + GAME_S
            while not pgn.exists() and gui.poll() is None and time.monotonic() < deadline:
                time.sleep(POLL_S)
        finally:
            gui.terminate()
            gui.wait()
    return pgn


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, metavar="FILE", help="save what the screen shows during the game")
    parser.add_argument("--pgn", type=Path, metavar="FILE", help="keep the game")
    arguments = parser.parse_args()
    if missing := missing_programs():
        print(f"skipped: {', '.join(missing)} not installed")
        return 0
    with AinoProcess() as engine:  # compiles what there is to compile, which is not the GUI's to wait for
        engine.ready()
    with tempfile.TemporaryDirectory() as folder:
        path = play(Path(folder), arguments.picture and arguments.picture.resolve())
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if arguments.pgn is not None:
            arguments.pgn.write_text(text, encoding="utf-8")
        with path.open(encoding="utf-8") if text else contextlib.nullcontext() as file:
            game = chess.pgn.read_game(file) if file else None
    print(text)
    if game is None or game.errors:
        print("no game was saved", file=sys.stderr)
        return 1
    print(f"{game.headers['Result']} after {game.end().ply()} plies, {game.end().comment or 'no comment'}")
    thought = any("/" in node.comment for node in game.mainline())  # score/depth, as xboard heard them
    return 0 if thought and game.end().board().is_game_over(claim_draw=True) else 1


if __name__ == "__main__":
    sys.exit(main())
