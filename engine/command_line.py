"""What the commands `aino` and `aino-train` share: how their subcommands run, how their help looks, how they end."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import textwrap
from collections.abc import Sequence
from types import ModuleType

from engine.errors import AinoError

__all__ = ["INTERRUPTED", "HelpFormatter", "run_subcommand"]

FAILED = 1  # exit status after an error that was told on stderr
INTERRUPTED = 130  # exit status of a command that was stopped, as shells have it


def run_subcommand(program: str, name: str, description: str, module: ModuleType, words: Sequence[str]) -> int:
    """Runs `program name words` and returns the exit status. Errors of the house are one line on stderr.

    The module has `add_arguments(parser)` and `run(arguments) -> exit status`; it may have EXAMPLES, which end its
    help, and `parse(parser, words)`, where argparse would not read its command line as it should.
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
    except BrokenPipeError:  # `aino perft 6 | head`
        status = 0
    except KeyboardInterrupt:
        return INTERRUPTED
    _flush_stdout()
    return status


def _flush_stdout() -> None:
    """Writes what is left; if nobody reads any more it goes nowhere, else the interpreter tries again and complains."""
    try:
        sys.stdout.flush()
    except OSError:  # a broken pipe; Windows calls it an invalid argument
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class HelpFormatter(argparse.HelpFormatter):
    """Wraps prose to the terminal's width and leaves indented lines, which are examples to copy, as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = itertools.groupby(text.splitlines(), key=_stands_alone)
        lines = [line for alone, block in paragraphs for line in (list(block) if alone else [" ".join(block)])]
        return "\n".join(line if line[:1].isspace() else textwrap.fill(line, width) for line in lines)


def _stands_alone(line: str) -> bool:
    """Whether a line is no part of a paragraph: empty, indented, or a heading."""
    return not line or line[0].isspace() or line.endswith(":")
