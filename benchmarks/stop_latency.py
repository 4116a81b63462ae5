"""Time from `stop` to `bestmove`, through a real UCI process that is busy searching.

    python -m benchmarks.stop_latency --stops 200 --threads 2

Each stop ends a `go infinite` that has run for a random fraction of a second, taking the positions
of a game in turn, so that some searches keep part of the tree. One row for each evaluator: median,
95th percentile and worst, in milliseconds.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence

from benchmarks.measuring import EVALUATORS, Progress, game_boards, new_parser, report
from tests.protocol.aino_process import AinoProcess

SHORTEST_S, LONGEST_S = 0.05, 0.5


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(__doc__, stops=200, threads=2, hash_mib=256, multi_pv=1)
    parser.add_argument("--evaluators", nargs="+", choices=EVALUATORS, default=list(EVALUATORS))
    options = parser.parse_args(arguments)
    rows = []
    for name in options.evaluators:
        flags = (
            "--evaluator",
            name,
            "--threads",
            str(options.threads),
            "--hash-mib",
            str(options.hash_mib),
        )
        with AinoProcess(*flags, "--multi-pv", str(options.multi_pv)) as process:
            process.ready()
            times = sorted(stop_times(process, name, options.stops))
        rows.append(
            {
                "evaluator": name,
                "threads": options.threads,
                "stops": len(times),
                "median ms": statistics.median(times),
                "95% ms": times[int(0.95 * (len(times) - 1))],
                "worst ms": times[-1],
            }
        )
    report(rows, options.json)


def stop_times(process: AinoProcess, name: str, stops: int) -> list[float]:
    """Milliseconds from each `stop` to its `bestmove`."""
    rng = random.Random(1)
    boards = game_boards()
    progress = Progress(name, stops)
    times = []
    for number in range(stops):
        board = boards[number % len(boards)]
        moves = " ".join(move.uci() for move in board.move_stack)
        process.send(
            f"position startpos moves {moves}" if moves else "position startpos", "go infinite"
        )
        time.sleep(rng.uniform(SHORTEST_S, LONGEST_S))
        begun = time.perf_counter()
        process.send("stop")
        process.read_until("bestmove")
        times.append(1000.0 * (time.perf_counter() - begun))
        progress.update(number + 1)
    return times


if __name__ == "__main__":
    main()
