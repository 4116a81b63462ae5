"""`aino warmup`: compiles all kernels now, so that the first game starts at once."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import chess

from engine.board.perft import perft
from engine.cli.console import make_console, waiting
from engine.cli.option_forms import add_flags, options_from_flags
from engine.errors import NetFileError
from engine.network.weights import is_default, load_net
from engine.options import EVALUATORS, EngineOptions
from uci.loading.loader import make_engine

EXAMPLES = """\
Aino compiles kernels once for each version and machine, and keeps them in your cache folder (or AINO_CACHE_DIR).

example:
  aino warmup                               after installing, so that a GUI never waits
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_flags(parser, only=("weights_file", "threads"))


def run(arguments: argparse.Namespace) -> int:
    """Load each evaluator and search a little with it; report and skip an evaluator without a net.

    Raises NetFileError for a net that was named and cannot be loaded.
    """
    options = options_from_flags(arguments)
    if not is_default(options.weights_file):
        load_net(options.weights_file)  # report a broken net at once
    console = make_console(stderr=True)
    start = time.perf_counter()
    with waiting(console, "Compiling move generation") as tell:
        perft(chess.Board(), 3)
        for evaluator in EVALUATORS:
            tell(f"Compiling search with the {evaluator} evaluator")
            try:
                _prepare(replace(options, evaluator=evaluator), tell)
            except NetFileError as error:
                console.print(f"no {evaluator} evaluator: {error}", markup=False, highlight=False, soft_wrap=True)
    print(f"ready in {time.perf_counter() - start:.1f} s")
    return 0


def _prepare(options: EngineOptions, tell: Callable[[str], None]) -> None:
    with make_engine(options) as engine:
        engine.wait(lambda progress: tell(f"Search with the {options.evaluator} evaluator: {progress}"))
        engine.warm_up()
