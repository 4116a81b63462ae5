"""Aino in a real GUI: xboard, through the Polyglot adapter, plays a game between two of them on a virtual screen.

    python -m tests.protocol.gui_game [--picture FILE.png] [--pgn FILE.pgn]

Needs xboard, polyglot, Xvfb and, for the picture, import (Debian: xboard polyglot xvfb imagemagick); if one is missing,
it says so and exits with status 0. Prints the finished game; exit status 1 if it did not end by the rules, or if the
GUI was told no scores.
"""

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import chess.pgn

from tests.protocol.aino_process import COMMAND, ROOT, AinoProcess
from tests.protocol.virtual_screen import find_program, virtual_screen

PROGRAMS = ("xboard", "polyglot", "Xvfb", "import")
ARGUMENTS = ("--evaluator", "material", "--hash-mib", "16", "--threads", "1", "--config", os.devnull)
CLOCK = ("-timeControl", "0:20", "-timeIncrement", "0.2")
GAME_S = 300.0
PICTURE_AFTER_S = 25.0  # from the start: a middlegame
POLL_S = 0.2


def xboard_command(folder: Path, arguments: Sequence[str]) -> list[str]:
    """Starts a game between two of us under xboard, which saves it as game.pgn in the folder."""
    engine = shlex.join([*COMMAND, *arguments])
    return [
        "xboard", "-fcp", engine, "-fd", str(ROOT), "-fUCI", "-scp", engine, "-sd", str(ROOT), "-sUCI",
        "-matchGames", "1", "-matchMode", "true", *CLOCK, "-saveGameFile", str(folder / "game.pgn"),
        "-popupExitMessage", "false", "-settingsFile", str(folder / "settings"), "-showThinking", "true",
        "-soundProgram", "true",
    ]  # fmt: skip


def play(folder: Path, picture: Path | None) -> Path:
    """One game under xboard; the PGN file it saved."""
    pgn = folder / "game.pgn"
    with virtual_screen() as environment:
        gui = subprocess.Popen(xboard_command(folder, ARGUMENTS), cwd=folder, env=environment)
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
    if missing := [name for name in PROGRAMS if find_program(name) is None]:
        print(f"skipped: {', '.join(missing)} not installed")
        return 0
    with AinoProcess(*ARGUMENTS) as engine:  # compiles what there is to compile, which is not the GUI's to wait for
        engine.go("startpos", "nodes 1")
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
