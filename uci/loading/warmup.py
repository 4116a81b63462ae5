"""`aino warmup`: compiles all kernels now, so that the first game starts at once."""

import argparse
import time
from dataclasses import replace

import chess

from engine.board.perft import perft
from engine.cli.console import make_console, say, waiting
from engine.cli.option_forms import add_flags, options_from_flags
from engine.errors import NetFileError
from engine.evaluation.protocol import kernels_needed
from engine.network.weights import is_default, load_net
from engine.options import EVALUATORS, EngineOptions
from engine.player import Engine
from uci.loading.background import COMPILER_HASH_MIB, Preparation

THREADS = (2, 1)  # One alone needs other kernels than several.
EXAMPLES = """\
Aino compiles kernels once for each version and machine, and keeps them in your cache folder (or AINO_CACHE_DIR).

example:
  aino warmup                               after installing, so that a GUI never waits, whatever network it uses
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_flags(parser, only=("weights_file",))


def run(arguments: argparse.Namespace) -> int:
    """Load each evaluator and search a little with it; report and skip an evaluator without a net.

    Raises NetFileError for a net that was named and cannot be loaded.
    """
    options = replace(options_from_flags(arguments), hash_mib=COMPILER_HASH_MIB)
    if not is_default(options.weights_file):
        load_net(options.weights_file)  # report a broken net at once
    console = make_console(stderr=True)
    start = time.perf_counter()
    # By the kernels that their evaluators need, and by `PlayLike`.
    chosen: dict[tuple[str, str], EngineOptions] = {}
    with waiting(console, "Compiling") as tell:
        for evaluator in EVALUATORS:
            try:
                with Engine(replace(options, evaluator=evaluator)) as engine:
                    # `auto` is one of the others.
                    needed = kernels_needed(engine.evaluator)
                    chosen.setdefault((needed, "engine"), engine.options)
                    if evaluator == "auto":
                        chosen[needed, "people"] = replace(engine.options, play_like="people")
            except NetFileError as error:
                say(console, f"no {evaluator} evaluator: {error}")
        perft(chess.Board(), 3)
        for (needed, _), choice in chosen.items():
            for threads in THREADS:
                preparation = Preparation(replace(choice, threads=threads), needed)
                preparation.wait(lambda progress: tell(f"Search: {progress}"))
        for choice in chosen.values():
            with Engine(choice) as engine:
                engine.warm_up()
    print(f"ready in {time.perf_counter() - start:.1f} s")
    return 0
