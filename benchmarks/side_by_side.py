"""Two engines that play each other while a training run works beside them, all from one empty
kernel cache.

    python -m benchmarks.side_by_side --seconds 600

Games at 0.1 s a move begin as soon as the engines are ready and continue until the time is over;
the training run is interrupted then, as by Ctrl-C, and must end by itself. The exit status is 1 for
an illegal move, a move that takes `LATE_S`, an engine or a training that ends with an error, or a
training without a game.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import chess

from engine.cli.command_line import INTERRUPTED
from tests.protocol.aino_process import ROOT, AinoProcess

MOVE_MS = 100
LATE_S = 10.0  # the machine has fewer cores than processes
TINY = (
    "--workers=1", "--net=16x1", "--games.count=8", "--games.visits=8", "--games.longest=60", "--fit.positions=512",
    "--fit.batch_size=64", "--fit.shard_size=32", "--gate.pairs=2", "--gate.visits=8", "--gate.longest=60",
)  # fmt: skip
ENDINGS = (0, INTERRUPTED)  # exit status of a training that was interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args(arguments)
    # The training ends with this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {"AINO_CACHE_DIR": str(folder / "cache")}
        flags = ("--threads", "1", "--hash-mib", "16")
        training = start_training(folder, environment)
        try:
            with (
                AinoProcess(*flags, environment=environment) as white,
                AinoProcess(*flags, environment=environment) as black,
            ):
                moves, slowest = play((white, black), options.seconds)
            status = interrupt(training)
        finally:
            training.kill()
        stored = sum(path.stat().st_size for path in (folder / "run/replay").glob("gen-*"))
        log = (folder / "training.log").read_text()
    print(
        f"{moves} moves, the slowest {slowest:.2f} s; training: exit status {status}, {stored:,} bytes of games"
    )
    good = slowest < LATE_S and status in ENDINGS and stored > 100 and "Traceback" not in log
    if not good:
        print(log[-2000:])
    return 0 if good else 1


def start_training(folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """`aino-train loop` without an end."""
    command = [
        sys.executable,
        "-m",
        "selfplay",
        "loop",
        str(folder / "run"),
        "--generations",
        "1000",
        *TINY,
    ]
    with (folder / "training.log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log
        )


def play(engines: tuple[AinoProcess, AinoProcess], seconds: float) -> tuple[int, float]:
    """Games until the time is over: moves made, and the slowest one's seconds. ValueError for an
    illegal move.
    """
    for engine in engines:
        engine.send("isready")
    for engine in engines:
        engine.read_until("readyok", 600)
    board = chess.Board()
    made = 0
    slowest = 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        engine = engines[made % 2]
        begun = time.monotonic()
        lines = engine.go(f"fen {board.fen()}", f"movetime {MOVE_MS}")
        slowest = max(slowest, time.monotonic() - begun)
        board.push_uci(lines[-1].split()[1])
        made += 1
        if board.is_game_over(claim_draw=True):
            board = chess.Board()
    return made, slowest


def interrupt(training: subprocess.Popen[bytes]) -> int:
    """Ctrl-C; the exit status."""
    training.send_signal(signal.SIGINT)
    return training.wait(120)


if __name__ == "__main__":
    sys.exit(main())
