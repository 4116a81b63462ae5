"""Nodes a second against another engine that searches a tree with the same network, lc0 for
example.

    aino net convert tower.pb.gz python -m benchmarks.rival_speed --rival "lc0 --weights=tower.pb.gz
    --backend=blas" --threads 1 2

Both engines are UCI processes with the same number of threads and take turns on the positions of
one game, each with an empty tree. The table has the medians of nodes a second, the median and
quartiles of the ratios, and `per CPU`, the median ratio of nodes per second of processor time
(Linux only), which other programs on the machine change less. Each engine counts its own nodes;
Aino and lc0 both count the visits of a search, of which some need no evaluation.
"""

from __future__ import annotations

import os
import shlex
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import Row, at_least, game_boards, new_parser, program, report
from tests.protocol.aino_process import COMMAND, START_S, EngineProcess

EVERY = 5  # positions of the game from one that is searched to the next


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = new_parser(
        __doc__,
        flags=("--evaluator network", "start Aino with these flags"),
        threads=[1, 2],
        seconds=(2.0, "search each position so long"),
    )
    parser.add_argument(
        "--rival",
        type=program,
        required=True,
        metavar="COMMAND",
        help="start the other engine with this command",
    )
    parser.add_argument(
        "--positions",
        type=at_least(2),
        default=8,
        help="search so many positions (default %(default)s)",
    )
    options = parser.parse_args(arguments)
    commands = [*COMMAND, *shlex.split(options.flags)], shlex.split(options.rival)
    rows = [
        measure(commands, threads, options.seconds, options.positions)
        for threads in options.threads
    ]
    report(rows, options.json)


def measure(commands: Sequence[Sequence[str]], threads: int, seconds: float, positions: int) -> Row:
    """Return a row of the table: Aino, started by the first command, against the engine that the
    second starts.
    """
    fens = [board.fen() for board in game_boards()[::EVERY]][:positions]
    with EngineProcess(commands[0]) as ours, EngineProcess(commands[1]) as theirs:
        for engine in (ours, theirs):
            start(engine, threads)
        searches = [(search(ours, fen, seconds), search(theirs, fen, seconds)) for fen in fens]
        for engine in (ours, theirs):
            engine.send("quit")
    low, ratio, high = statistics.quantiles([own[0] / rival[0] for own, rival in searches], n=4)
    row: dict[str, object] = {
        "threads": threads,
        "aino": round(statistics.median(own[0] for own, _ in searches)),
        "rival": round(statistics.median(rival[0] for _, rival in searches)),
        "ratio": ratio,
        "low": low,
        "high": high,
    }
    if all(one[1] > 0 for pair in searches for one in pair):
        row["per CPU"] = statistics.median(own[1] / rival[1] for own, rival in searches)
    return row


def start(engine: EngineProcess, threads: int) -> None:
    """Set the threads, load the network, and compile what is not compiled yet."""
    engine.send("uci")
    engine.read_until("uciok")
    engine.send(f"setoption name Threads value {threads}")
    engine.go("startpos", "nodes 100", START_S)


def search(engine: EngineProcess, fen: str, seconds: float) -> tuple[float, float]:
    """Search from an empty tree; nodes a second and per second of processor time, by the engine's
    last count.

    The second number is 0 where the system does not tell a process's time.
    """
    engine.send("ucinewgame", "isready")
    engine.read_until("readyok", START_S)
    engine.send(f"position fen {fen}", "go infinite")
    begun = time.perf_counter()
    worked = cpu_seconds(engine.process.pid)
    lines = engine.read_for(seconds)
    engine.send("stop")
    lines += engine.read_until("bestmove")
    duration, worked = time.perf_counter() - begun, cpu_seconds(engine.process.pid) - worked
    return nodes(lines) / duration, nodes(lines) / worked if worked > 0 else 0.0


def cpu_seconds(process: int) -> float:
    """Processor time of a running process and all of its threads; 0 outside Linux."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.exists():
        return 0.0
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def nodes(lines: Sequence[str]) -> int:
    """Return the last number of nodes in lines of a search; 0 if there is none."""
    lines = [
        line for line in lines if line.startswith("info ") and not line.startswith("info string")
    ]
    counts = [line.split(" nodes ")[1].split()[0] for line in lines if " nodes " in line]
    return int(counts[-1]) if counts else 0


if __name__ == "__main__":
    main()
