"""The `aino` command: one table of subcommands, each imported only when it is called."""

import sys
from collections.abc import Sequence

from engine.cli.command_line import run_program
from uci import __version__

# Name -> (module as `run_subcommand` wants it, help).
SUBCOMMANDS: dict[str, tuple[str, str]] = {
    "uci": (
        "uci.protocol.serve",
        "speak UCI on stdin and stdout, as chess GUIs expect (what `aino` alone does)",
    ),
    "play": (
        "uci.play.play",
        "play a game in the terminal, or on a board in the browser (--web)",
    ),
    "analyse": ("uci.analyse.analyse", "show the best lines of one position or of many"),
    "annotate": (
        "uci.annotate.annotate",
        "review the games of a PGN file: an annotated PGN and a web page",
    ),
    "explain": ("uci.explain.explain", "make a web page about how Aino sees a position"),
    "perft": ("uci.tools.perft", "count the positions DEPTH plies ahead"),
    "bench": ("uci.bench.bench", "measure move generation, evaluation and search"),
    "net": ("uci.tools.net", "show, convert and export net files"),
    "warmup": (
        "uci.loading.warmup",
        "compile all kernels now, so that the first game starts at once",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status; without one, speak UCI."""
    return run_program(
        "aino",
        __version__,
        "The chess engine Aino. Without a subcommand: UCI.",
        SUBCOMMANDS,
        argv,
        default="uci",
    )


if __name__ == "__main__":
    sys.exit(main())
