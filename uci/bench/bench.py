"""`aino bench`: speed of move generation, evaluation and search on this machine.

Every speed is the best of several runs, taken in one process. The signatures show whether the
search has changed (`signature`).
"""

import argparse
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import chess
import numpy as np

from engine.board.perft import perft
from engine.cli.console import make_console, say, waiting
from engine.cli.machine import blas_kernel, describe_machine, speed_of
from engine.cli.option_forms import add_flags, at_least, options_from_flags
from engine.errors import NetFileError
from engine.evaluation import make_evaluator
from engine.evaluation.leaf_batches import leaves_of
from engine.evaluation.protocol import Evaluator, input_format_of
from engine.network.weights import is_default, load_net
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from uci.bench.signature import SIGNATURE_SETTINGS, sign, signature_positions
from uci.tools.perft import count_with_python_chess

BENCH_PARTS = ("board", "evaluation", "search", "signature")
BENCHED = 0, 6, 7, 8, 9, 10  # of the positions of the signatures
RUNS = 3
PERFT_DEPTH = 5
PYTHON_CHESS_DEPTH = 3  # plies; the two positions take some 10 ms and 100 ms
BATCHES = (1, 8, 32, 64)  # positions evaluated at once
MEASURED_EVALUATORS = ("material", "sparse", "network", "hybrid")
IN_KERNEL_NODES = 20_000  # per position
NETWORK_NODES = 4_000  # per position


EXAMPLES = """\
examples:
  aino bench                                a table, under a minute
  aino bench --json > today.json            for comparing
  aino bench --signature                    has the search changed? nodes and checksums of its trees
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    text = f"measure only these: {', '.join(BENCH_PARTS)}"
    parser.add_argument(
        "--only", nargs="+", choices=BENCH_PARTS, default=BENCH_PARTS, metavar="PART", help=text
    )
    text = "print only the search's signatures: nodes and a checksum of the trees, and the BLAS kernel if it matters"
    parser.add_argument("--signature", action="store_true", help=text)
    text = "time each run for this many seconds (default %(default)s)"
    parser.add_argument(
        "--seconds", type=at_least(0.001, float), default=0.3, metavar="S", help=text
    )
    add_flags(parser, only=("threads", "hash_mib", "weights_file", "hybrid_weight"))


def run(arguments: argparse.Namespace) -> int:
    """Print the measurements as a table or as JSON. Raises NetFileError for a named net that cannot
    be loaded.
    """
    if arguments.signature:
        for name, entry in signatures().items():
            print(f"{name:10}{entry}")
        return 0
    console = make_console(stderr=True)
    with waiting(console, "Measuring") as change:
        tell = change if console.is_terminal else partial(say, console)
        results = measure_parts(
            options_from_flags(arguments), arguments.seconds, arguments.only, tell
        )
    if arguments.json:
        print(json.dumps(results, indent=2))
        return 0
    for name, value in results.items():
        rows = {name: value}
        if isinstance(value, dict):
            rows = {f"{name}: {key}": entry for key, entry in value.items()}
        for label, entry in rows.items():
            print(f"{label:52}  {_text(entry):>16}")
    return 0


def measure_parts(
    options: EngineOptions, seconds: float, parts: tuple[str, ...], tell: Callable[[str], None]
) -> dict[str, Any]:
    """Measurements by name: speeds per second. `tell` gets the name of each part as it begins.

    A net that cannot be loaded leaves its rows out and says so.
    """
    results: dict[str, Any] = {"machine": describe_machine()}
    if "board" in parts:
        tell("Measuring move generation")
        results["perft nodes/s"] = _measure_board(seconds)
    if "evaluation" in parts or "search" in parts:
        results |= _measure_evaluators(options, seconds, parts, tell)
    if "signature" in parts:
        tell("Searching for the signature")
        results["signature"] = signatures()
    return results


def _measure_board(seconds: float) -> dict[str, float]:
    """Nodes a second of perft in one thread.

    "bulk" counts the moves of the last ply, as python-chess's figure does; "made" plays each of
    them.
    """
    speeds = {}
    for name, fen in zip(("start", "Kiwipete"), bench_positions(), strict=False):
        board = chess.Board(fen)
        counts = {
            "bulk": partial(perft, board, PERFT_DEPTH),
            "made": partial(perft, board, PERFT_DEPTH - 1, bulk=False),
            "python-chess": partial(count_with_python_chess, board, PYTHON_CHESS_DEPTH),
        }
        for way, count in counts.items():
            speeds[f"{name} {way}"] = speed_of(count, seconds, RUNS)
    return speeds


def _measure_evaluators(
    options: EngineOptions, seconds: float, parts: tuple[str, ...], tell: Callable[[str], None]
) -> dict[str, Any]:
    """Measure evaluations and searched nodes a second of each evaluator, with one thread and all."""
    if not is_default(options.weights_file):
        load_net(options.weights_file)  # report a broken net at once
    results: dict[str, Any] = {}
    thread_counts = sorted({1, options.thread_count})
    for name, threads in product(MEASURED_EVALUATORS, thread_counts):
        if f"{name} skipped" in results:
            continue
        label = f"{name} {threads} thread"
        if threads > 1:
            label += "s"
        tell(f"Measuring the evaluator {label}")
        try:
            evaluator = make_evaluator(name, options.weights_file, threads, options.hybrid_weight)
        except NetFileError as error:
            results[f"{name} skipped"] = str(error)
            continue
        with closing(evaluator):
            if "evaluation" in parts:
                speeds = results.setdefault("evaluations/s", {})
                for batch in BATCHES:
                    speeds[f"{label} batch {batch}"] = _evaluation_speed(evaluator, batch, seconds)
            if "search" in parts:
                measured = replace(options, evaluator=name, threads=threads)
                nodes_a_second = results.setdefault("search nodes/s", {})
                nodes_a_second[label] = _search_speed(measured, evaluator)
    return results


def _evaluation_speed(evaluator: Evaluator, batch: int, seconds: float) -> float:
    """Positions a second, so many evaluated at once."""
    rng = np.random.default_rng(2)
    games = [_random_game(rng, 10 + row) for row in range(batch)]
    leaves = leaves_of(games, input_format_of(evaluator))

    def work() -> int:
        evaluator.evaluate(leaves, batch)
        return batch

    return speed_of(work, seconds, RUNS)


def signatures() -> dict[str, str]:
    """Nodes and checksum of each of the `SIGNATURE_SETTINGS`, and the BLAS kernel where its last
    bits count.

    For a net that cannot be loaded it is the reason.
    """
    entries = {}
    for name, setting in SIGNATURE_SETTINGS.items():
        try:
            entries[name] = sign(setting)
            if setting.uses_blas:
                entries[name] += f" {blas_kernel()}"
        except NetFileError as error:
            entries[name] = f"skipped: {error}"
    return entries


def bench_positions() -> list[str]:
    """Return the positions that are timed."""
    return [signature_positions()[number].root().fen() for number in BENCHED]


# ---- parts ---------------------------------------------------------------------------------------


def _search_speed(options: EngineOptions, evaluator: Evaluator) -> float:
    """Nodes a second over all positions, each searched from an empty tree."""
    nodes = IN_KERNEL_NODES
    if options.evaluator in ("network", "hybrid"):
        nodes = NETWORK_NODES
    with Engine(options, evaluator) as engine:
        engine.warm_up()

        def work() -> int:
            total = 0
            for fen in bench_positions():
                engine.new_game()
                engine.set_position(chess.Board(fen))
                total += engine.search(Limits(nodes=nodes)).nodes
            return total

        return speed_of(work, 0.0, RUNS)


def _random_game(rng: np.random.Generator, plies: int) -> chess.Board:
    """Return a random game of so many plies in which a move is left to play."""
    board = chess.Board()
    while len(board.move_stack) < plies or not any(board.legal_moves):
        moves = list(board.legal_moves)
        if not moves:
            board = chess.Board()
            continue
        board.push(moves[rng.integers(len(moves))])
    return board


def _text(entry: object) -> str:
    """Speeds without decimals, times with them."""
    if not isinstance(entry, float):
        return str(entry)
    if entry >= 100.0:
        return f"{entry:,.0f}"
    return f"{entry:.3g}"
