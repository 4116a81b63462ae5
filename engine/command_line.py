"""Code that `aino` and `aino-train` share: running subcommands, formatting help, and ending with an exit status."""

from __future__ import annotations

import argparse
import difflib
import itertools
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from types import ModuleType

from engine.errors import AinoError

__all__ = ["INTERRUPTED", "USAGE", "HelpFormatter", "run_subcommand", "unknown_command"]

FAILED = 1  # Exit status after an error reported on stderr.
USAGE = 2  # Exit status after a command line that cannot be understood.
INTERRUPTED = 130  # Exit status of an interrupted command, as in shells.


def unknown_command(program: str, word: str, known: Iterable[str]) -> int:
    """Say on stderr that the program has no such subcommand, with a guess at what was meant; return the exit status."""
    close = difflib.get_close_matches(word.lower(), known, 1)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    print(f"{program}: unknown command {word!r}. {guess}`{program} --help` lists the commands.", file=sys.stderr)
    return USAGE


def run_subcommand(program: str, name: str, description: str, module: ModuleType, words: Sequence[str]) -> int:
    """Run `program name words` and return the exit status. The project's own errors print one line on stderr.

    The module has `add_arguments(parser)` and `run(arguments) -> exit status`. It may have EXAMPLES, which end its
    help, and `parse(parser, words)`, for command lines that argparse alone would misread.
    """
    parser = argparse.ArgumentParser(
        prog=f"{program} {name}",
        description=description,
        epilog=getattr(module, "EXAMPLES", None),
        formatter_class=HelpFormatter,
    )
    module.add_arguments(parser)
    parse = getattr(module, "parse", argparse.ArgumentParser.parse_args)
    try:
        status = int(module.run(parse(parser, words)))
    except AinoError as error:
        print(f"{program} {name}: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # For example, `aino perft 6 | head`.
        status = 0
    except KeyboardInterrupt:
        return INTERRUPTED
    _flush_stdout()
    return status


def _flush_stdout() -> None:
    """Flush stdout. If its reader is gone, discard the rest; otherwise the interpreter would retry and complain."""
    try:
        sys.stdout.flush()
    except OSError:  # The pipe is broken; Windows calls it an invalid argument.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class HelpFormatter(argparse.HelpFormatter):
    """Wraps prose to the terminal's width but keeps indented lines, which are examples to copy, unchanged."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = itertools.groupby(text.splitlines(), key=_stands_alone)
        lines = [line for alone, block in paragraphs for line in (list(block) if alone else [" ".join(block)])]
        return "\n".join(line if line[:1].isspace() else textwrap.fill(line, width) for line in lines)


def _stands_alone(line: str) -> bool:
    """Whether a line is not part of a paragraph: it is empty, indented, or a heading."""
    return not line or line[0].isspace() or line.endswith(":")
