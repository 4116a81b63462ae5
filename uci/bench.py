"""`aino bench`: speed of move generation, board planes, evaluation and search on this machine.

Every number is the best of several runs, taken in one process. `signature` is a checksum over the visits of fixed
searches with the material evaluator: a change that was meant to change nothing leaves it as it was.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import zlib
from collections.abc import Callable
from typing import Any

import chess
import numpy as np
from threadpoolctl import threadpool_info

from engine.board.convert import stack_from_board
from engine.board.movegen import generate
from engine.errors import NetFileError
from engine.evaluation import make_evaluator
from engine.evaluation.protocol import Evaluator, LeafBatch, new_leaf_batch
from engine.network.planes import encode
from engine.network.policy_map import policy_index
from engine.options import EngineOptions, add_flags, options_from_flags
from engine.player import Engine
from engine.search.limits import Limits
from uci.bench_board import measure_board

__all__ = ["add_arguments", "measure", "run"]

POSITIONS = (
    chess.STARTING_FEN,
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
    "r1bq1rk1/ppp2ppp/2np1n2/2b1p3/2B1P3/2NP1N2/PPP2PPP/R1BQ1RK1 w - - 0 7",
    "2r3k1/pp3ppp/4p3/3pP3/3P4/1P3N1P/P4PP1/2R3K1 b - - 0 25",
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
    "rnbqkb1r/pp2pppp/5n2/2pp4/3P1B2/4PN2/PPP2PPP/RN1QKB1R b KQkq - 1 4",
)
RUNS = 3
PERFT_DEPTH = 5
GAME_PLIES = 63  # of the game whose planes are timed
BATCH = 64  # positions for evaluations
MATERIAL_NODES, NETWORK_NODES, SIGNATURE_NODES = 10_000, 1_000, 1_000  # per position


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--seconds", type=float, default=0.5, metavar="S", help="length of each timed run (default 0.5)"
    )
    add_flags(parser, only=("threads", "hash_mib", "weights_file", "hybrid_weight"))


def run(arguments: argparse.Namespace) -> int:
    """Prints the measurements as a table or as JSON."""
    results = measure(options_from_flags(arguments), arguments.seconds)
    if arguments.json:
        print(json.dumps(results, indent=2))
        return 0
    for name, value in results.items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        for key, entry in entries:
            text = f"{entry:,.0f}" if isinstance(entry, float) else str(entry)
            print(f"{name + ' ' + key:34}{text:>24}")
    return 0


def measure(options: EngineOptions, seconds: float = 0.5) -> dict[str, Any]:
    """All measurements by name; speeds are floats a second. A net that cannot be loaded leaves its rows out."""
    results: dict[str, Any] = {"machine": _machine(options)}
    game = _random_game(np.random.default_rng(1), GAME_PLIES)
    results |= measure_board(lambda work: _speed(work, seconds), game, PERFT_DEPTH)
    leaves = _sample_leaves()
    evaluations: dict[str, float] = {}
    nodes: dict[str, float] = {}
    for name in ("material", "network", "hybrid"):
        for threads in sorted({1, options.thread_count}):
            try:
                evaluator = make_evaluator(name, options.weights_file, threads, options.hybrid_weight)
            except NetFileError as error:
                results[f"{name} left out"] = str(error)
                break
            label = f"{name} {threads} thread" + "s" * (threads > 1)
            evaluations[label] = _evaluation_speed(evaluator, leaves, seconds)
            nodes[label] = _search_speed(options, evaluator, MATERIAL_NODES if name == "material" else NETWORK_NODES)
            evaluator.close()
    results["evaluations/s"], results["search nodes/s"] = evaluations, nodes
    results["signature"] = signature()
    return results


def signature() -> str:
    """Checksum over moves and visits of one fixed search a position, material evaluator, one thread."""
    checksum = 0
    with Engine(EngineOptions(evaluator="material", threads=1, hash_mib=16)) as engine:
        for fen in POSITIONS:
            engine.new_game()
            engine.set_position(chess.Board(fen))
            children = engine.search(Limits(nodes=SIGNATURE_NODES)).children
            text = " ".join(sorted(f"{child.move.uci()}={child.visits}" for child in children))
            checksum = zlib.crc32(text.encode(), checksum)
    return f"{checksum:08x}"


# ---- parts ----------------------------------------------------------------------------------------------------------


def _speed(work: Callable[[], int], seconds: float) -> float:
    """Units of work a second: the best of several runs of at least `seconds`, after one untimed call."""
    work()
    best = 0.0
    for _ in range(RUNS):
        done, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds or not done:
            done += work()
        best = max(best, done / elapsed)
    return best


def _evaluation_speed(evaluator: Evaluator, leaves: LeafBatch, seconds: float) -> float:
    def work() -> int:
        evaluator.evaluate(leaves, BATCH)
        return BATCH

    return _speed(work, seconds)


def _search_speed(options: EngineOptions, evaluator: Evaluator, nodes: int) -> float:
    """Nodes a second over all positions, each searched from an empty tree."""
    engine = Engine(options, evaluator)
    engine.warm_up()

    def work() -> int:
        total = 0
        for fen in POSITIONS:
            engine.new_game()
            engine.set_position(chess.Board(fen))
            total += engine.search(Limits(nodes=nodes)).nodes
        return total

    speed = _speed(work, 0.0)
    engine.close()
    return speed


def _sample_leaves() -> LeafBatch:
    """Positions of random games, as search would hand them to an evaluator."""
    rng = np.random.default_rng(2)
    leaves = new_leaf_batch(BATCH)
    for row in range(BATCH):
        stack = stack_from_board(_random_game(rng, 10 + row))
        ply = len(stack) - 1
        leaves.rows[row] = stack[ply]
        encode(stack, ply, 0, leaves.masks[row])
        leaves.n_moves[row] = generate(stack[ply], leaves.moves[row])
        for column in range(leaves.n_moves[row]):
            leaves.policy_index[row, column] = policy_index(stack[ply], leaves.moves[row, column])
    return leaves


def _random_game(rng: np.random.Generator, plies: int) -> chess.Board:
    """A random game of so many plies in which a move is left to play."""
    board = chess.Board()
    while len(board.move_stack) < plies or not any(board.legal_moves):
        moves = list(board.legal_moves)
        if not moves:
            board = chess.Board()
            continue
        board.push(moves[rng.integers(len(moves))])
    return board


def _machine(options: EngineOptions) -> dict[str, Any]:
    blas = [f"{library['internal_api']} {library.get('architecture', '')}".strip() for library in threadpool_info()]
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": ", ".join(blas),
        "processor": platform.machine(),
        "threads": options.thread_count,
    }
