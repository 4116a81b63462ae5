"""`aino bench`: how fast Aino searches on this machine, with each evaluator.

Every speed is the best of several runs, taken in one process. The signatures show whether the search has
changed (`signature`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import chess

from engine.cli.console import make_console, say, waiting
from engine.cli.machine import blas_kernel, describe_machine, speed_of
from engine.cli.option_forms import add_flags, options_from_flags
from engine.errors import ConfigError, NetFileError
from engine.network.weights import is_default, load_net
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from uci.bench.signature import SIGNATURE_POSITIONS, SIGNATURE_SETTINGS, sign

BENCH_POSITIONS = tuple(fen for fen, _ in (SIGNATURE_POSITIONS[0], *SIGNATURE_POSITIONS[6:11]))
RUNS = 3
MEASURED_EVALUATORS = ("material", "sparse", "network", "hybrid")
OF_TOWERS = ("network", "hybrid")  # which get a fifth of the nodes


EXAMPLES = """\
examples:
  aino bench                                a table, under a minute
  aino bench --json > today.json            for comparing
  aino bench --signature                    has the search changed? nodes and checksums of its trees
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    text = "print only the search's signatures: nodes and a checksum of the trees, and the BLAS kernel if it matters"
    parser.add_argument("--signature", action="store_true", help=text)
    text = "search this many nodes at each of six positions, with a tower a fifth of them (default %(default)s)"
    parser.add_argument("--nodes", type=int, default=20_000, metavar="N", help=text)
    add_flags(parser, only=("threads", "hash_mib", "weights_file", "hybrid_weight"))


def run(arguments: argparse.Namespace) -> int:
    """Print the measurements as a table or as JSON.

    Raises ConfigError for less than one node, NetFileError for a named net that cannot be loaded.
    """
    if arguments.nodes < 1:
        raise ConfigError(f"--nodes: expected 1 or more, got {arguments.nodes}")
    if arguments.signature:
        for name, entry in signatures().items():
            print(f"{name:10}{entry}")
        return 0
    console = make_console(stderr=True)
    with waiting(console, "Measuring") as change:
        tell = change if console.is_terminal else partial(say, console)
        results = measured(options_from_flags(arguments), arguments.nodes, tell)
    if arguments.json:
        print(json.dumps(results, indent=2))
        return 0
    for name, values in results.items():
        for key, value in values.items():
            print(f"{f'{name}: {key}':52}  {f'{value:,.0f}' if isinstance(value, float) else value!s:>16}")
    return 0


def measured(
    options: EngineOptions, nodes: int, tell: Callable[[str], None] = lambda part: None
) -> dict[str, dict[str, Any]]:
    """Return the machine, and nodes a second by evaluator and threads. `tell` gets the name of each part as it begins.

    A net that cannot be loaded leaves its rows out and says so.
    """
    if not is_default(options.weights_file):
        load_net(options.weights_file, (options.policy_head, options.value_head))  # report a broken net at once
    speeds: dict[str, Any] = {}
    for name in MEASURED_EVALUATORS:
        for threads in sorted({1, options.thread_count}):
            label = f"{name} {threads} thread" + "s" * (threads > 1)
            tell(f"Measuring the evaluator {label}")
            each = max(1, nodes // 5) if name in OF_TOWERS else nodes
            try:
                speeds[label] = _search_speed(replace(options, evaluator=name, threads=threads), each)
            except NetFileError as error:
                speeds[f"{name} skipped"] = str(error)
                break
    return {"machine": describe_machine(), "search nodes/s": speeds}


def _search_speed(options: EngineOptions, nodes: int) -> float:
    """Return nodes a second over all positions, each searched from an empty tree."""
    with Engine(options) as engine:
        engine.warm_up()

        def work() -> int:
            total = 0
            for fen in BENCH_POSITIONS:
                engine.new_game()
                engine.set_position(chess.Board(fen))
                total += engine.search(Limits(nodes=nodes)).nodes
            return total

        return speed_of(work, 0.0, RUNS)


def signatures() -> dict[str, str]:
    """Nodes and checksum of each of the `SIGNATURE_SETTINGS`, and the BLAS kernel where its last bits count.

    For a net that cannot be loaded it is the reason.
    """
    found = {}
    for name, setting in SIGNATURE_SETTINGS.items():
        try:
            found[name] = f"{sign(setting)} {blas_kernel() if setting.uses_blas else ''}".rstrip()
        except NetFileError as error:
            found[name] = f"skipped: {error}"
    return found
