"""`aino uci`: a conversation with a GUI on stdin and stdout."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator

from engine.options import add_flags, options_from_flags
from uci.session import Session
from uci.writer import Writer

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serves until `quit` or the end of input. Anything else that prints goes to stderr: stdout belongs to UCI."""
    session = Session(Writer(sys.stdout), options_from_flags(arguments))
    with contextlib.redirect_stdout(sys.stderr):
        return session.run(_lines())


def _lines() -> Iterator[str]:
    """Lines of stdin as they come; bytes that are no UTF-8 are replaced, since junk must not end the game."""
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", "replace")
