"""`aino warmup`: compiles all kernels now, so that the first game starts at once."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import chess
from rich.console import Console

from engine.board.perft import perft
from engine.errors import NetFileError
from engine.network.weights import is_default, load_net
from engine.option_forms import add_flags, options_from_flags
from engine.options import EVALUATORS, EngineOptions
from engine.player import Engine

__all__ = ["EXAMPLES", "add_arguments", "run"]


EXAMPLES = """\
Kernels are compiled once for each version and machine, and kept in the user's cache folder (or AINO_CACHE_DIR).

example:
  aino warmup                               after installing, so that a GUI never waits
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_flags(parser, only=("weights_file", "threads"))


def run(arguments: argparse.Namespace) -> int:
    """Loads each evaluator and searches a little with it; an evaluator without a net is reported and skipped.

    Raises NetFileError for a net that was named and cannot be loaded.
    """
    options = options_from_flags(arguments)
    if not is_default(options.weights_file):
        load_net(options.weights_file)  # report a broken net at once
    console = Console(stderr=True)
    start = time.perf_counter()
    with console.status("Compiling move generation") as status:
        perft(chess.Board(), 3)
        for evaluator in EVALUATORS[1:]:  # skip "auto", which selects one of the others
            status.update(f"Compiling search with the {evaluator} evaluator")
            try:
                _search_once(options, evaluator)
            except NetFileError as error:
                console.print(f"no {evaluator} evaluator: {error}", markup=False, highlight=False, soft_wrap=True)
    print(f"ready in {time.perf_counter() - start:.1f} s")
    return 0


def _search_once(options: EngineOptions, evaluator: str) -> None:
    with Engine(replace(options, evaluator=evaluator)) as engine:
        engine.warm_up()
