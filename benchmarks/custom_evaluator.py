"""Speed of a search with a network of one's own against that network alone, at its full batch, with
one thread.

    python -m benchmarks.custom_evaluator                    the shipped tower in ONNX Runtime, batches of 32
    python -m benchmarks.custom_evaluator --evaluator tiny:Tiny

Both take turns in one run. Evaluations a second of processor time, because others may use the
processors meanwhile.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.measuring import game_boards, new_parser, report
from engine import Engine, EngineOptions, Limits
from engine.evaluation import PlanesEvaluator, board_planes
from engine.evaluation.custom import make_custom
from engine.network.onnx_graph import export_onnx
from engine.network.weights import default_net_path

ROUNDS = 6


class Counted:
    """A network that counts its positions."""

    def __init__(self, network: Callable[[np.ndarray], Any]) -> None:
        self.network = network
        self.batch = getattr(network, "batch", 32)
        self.positions = 0

    def __call__(self, planes: np.ndarray) -> Any:
        self.positions += len(planes)
        return self.network(planes)


def tower_in_onnx() -> Callable[[np.ndarray], Any]:
    """Return the shipped tower, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(default_net_path(entry="default_tower"), Path(folder, "tower.onnx"))
        session = onnxruntime.InferenceSession(Path(folder, "tower.onnx"), options)
    return lambda planes: session.run(["policy", "wdl", "moves_left"], {"planes": planes})


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--evaluator", metavar="MODULE:CLASS", help="measure this class")
    parser.add_argument(
        "--seconds", type=float, default=4.0, help=f"of each way in each of {ROUNDS} rounds"
    )
    options = parser.parse_args(arguments)
    network = Counted(make_custom(options.evaluator) if options.evaluator else tower_in_onnx())
    boards = game_boards()[:ROUNDS]
    planes = np.repeat(board_planes(boards[:1]), network.batch, axis=0)
    rows = []
    with threadpool_limits(1), Engine(EngineOptions(threads=1), PlanesEvaluator(network)) as engine:
        engine.search(Limits(nodes=200))
        for board in boards:
            raw = evaluations_per_second(
                network, partial(call_again, network, planes, options.seconds)
            )
            engine.set_position(board)
            limits = Limits(movetime_ms=round(1000 * options.seconds))
            search = evaluations_per_second(network, partial(engine.search, limits))
            rows.append({"evaluations/s alone": raw, "in a search": search, "ratio": search / raw})
    rows.append({name: median(row[name] for row in rows) for name in rows[0]})
    names = [*map(str, range(1, ROUNDS + 1)), "median"]
    report([{"position": name, **row} for name, row in zip(names, rows, strict=True)], options.json)


def call_again(network: Counted, planes: np.ndarray, seconds: float) -> None:
    """Call the network until the time is over."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        network(planes)


def evaluations_per_second(network: Counted, work: Callable[[], object]) -> float:
    """Positions of the network in a second of this process."""
    before = network.positions
    begun = time.process_time()
    work()
    return (network.positions - before) / (time.process_time() - begun)


if __name__ == "__main__":
    main()
