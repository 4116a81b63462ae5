"""Fused inference against ONNX Runtime and OpenVINO on the CPU: same net, same positions, same
threads, one run.

    python -m benchmarks.inference --nets 64x6 128x10 --batches 1 8 32 64 --threads 1 2
    python -m benchmarks.inference --nets transformer-128x4x8 transformer-256x10x8 --batches 1 32

The other runtimes are optional: each is timed if it is installed (`pip install onnxruntime
openvino`). Contestants take turns, round by round, so that a busy machine slows all of them; the
table shows medians and the quartiles of our own. Ours starts from bit masks (planes are expanded
inside), theirs from ready float planes; ours ends with the logits of the legal moves, theirs with
those of all policy moves. Weights are random: time does not depend on them.
"""

import importlib.util
import statistics
from collections.abc import Callable, Sequence

import chess
import numpy as np

from benchmarks.measuring import Row, counted, new_parser, report, take_turns
from engine.board.convert import stack_from_board
from engine.evaluation.leaf_batches import fill_leaf
from engine.evaluation.protocol import LeafBatch, new_leaf_batch
from engine.evaluation.tower import NetworkEvaluator
from engine.network.families import PlanesConfig, planes_config_named
from engine.network.onnx_graph import onnx_graph
from engine.network.planes import float_planes
from engine.network.tower.tower_model import TowerConfig
from engine.network.weights import fused_network

Contestant = Callable[[], np.ndarray]  # evaluates the batch once; returns wdl [B, 3]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(
        __doc__,
        batches=[1, 8, 32, 64],
        threads=[1, 2],
        rounds=9,
        seconds=(0.25, "time each contestant this many seconds in each round"),
    )
    parser.add_argument("--nets", type=planes_config_named, nargs="+", default=[TowerConfig()])
    options = parser.parse_args(arguments)
    rows = []
    for config in options.nets:
        model = config.build(np.random.default_rng(0))
        tensors = {**model.named_parameters(), **model.named_buffers()}
        for threads in options.threads:
            for batch in options.batches:
                contestants = contestants_of(tensors, config, batch, threads)
                speeds = race(contestants, batch, options.rounds, options.seconds)
                rows.append(
                    {"net": str(config), "threads": threads, "batch": batch, **summary(speeds)}
                )
    report(rows, options.json)


def positions(batch: int) -> LeafBatch:
    """Leaves of positions from random games, as the search hands them over."""
    leaves = new_leaf_batch(batch)
    rng = np.random.default_rng(7)
    board = chess.Board()
    for leaf in range(batch):
        if board.is_game_over() or len(board.move_stack) > 80:
            board = chess.Board()
        moves = list(board.legal_moves)
        board.push(moves[rng.integers(len(moves))])
        if board.is_game_over():
            board = chess.Board()
        fill_leaf(leaves, leaf, stack_from_board(board))
    return leaves


def contestants_of(
    tensors: dict[str, np.ndarray], config: PlanesConfig, batch: int, threads: int
) -> dict[str, Contestant]:
    """One call a batch; the first is ours."""
    leaves = positions(batch)
    planes = np.ascontiguousarray(float_planes(leaves.masks[:batch]))
    evaluator = NetworkEvaluator(fused_network(tensors, config), threads)

    def ours() -> np.ndarray:
        evaluator.evaluate(leaves, batch)
        return leaves.wdl[:batch]

    runs: dict[str, Contestant] = {"aino": ours}
    graph = onnx_graph(tensors, config)
    if importlib.util.find_spec("onnxruntime") is not None:
        runs["onnxruntime fp32"] = onnxruntime_run(graph, planes, threads)
    if importlib.util.find_spec("openvino") is not None:
        for precision in ("f32", "bf16"):
            runs[f"openvino {precision}"] = openvino_run(graph, planes, threads, precision)
    return runs


def onnxruntime_run(graph: bytes, planes: np.ndarray, threads: int) -> Contestant:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])
    return lambda: session.run(["policy", "wdl", "moves_left"], {"planes": planes})[1]


def openvino_run(graph: bytes, planes: np.ndarray, threads: int, precision: str) -> Contestant:
    import openvino

    core = openvino.Core()
    model = core.read_model(graph)
    model.reshape({"planes": list(planes.shape)})
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": 1,
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    tensor = openvino.Tensor(planes, shared_memory=True)
    return lambda: request.infer({"planes": tensor}, share_outputs=True)["wdl"]


def race(
    contestants: dict[str, Contestant], batch: int, rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Positions a second of every contestant in every round. The contestants must agree on the
    values.
    """
    expected = contestants["aino"]()
    for name, run in contestants.items():
        tolerance = 0.02 if "bf16" in name else 1e-4
        np.testing.assert_allclose(run(), expected, atol=tolerance, err_msg=name)
    runs = {name: counted(run, batch) for name, run in contestants.items()}
    return take_turns(runs, rounds, seconds)


def summary(speeds: dict[str, list[float]]) -> Row:
    """Return the median speeds, our quartiles, and how many times as fast ours is."""
    medians = {name: round(statistics.median(values)) for name, values in speeds.items()}
    low, _, high = statistics.quantiles(speeds["aino"], n=4)
    row: dict[str, object] = {**medians, "low": round(low), "high": round(high)}
    for name, rival in medians.items():
        if name != "aino":
            row[f"by {name}"] = medians["aino"] / rival
    return row


if __name__ == "__main__":
    main()
