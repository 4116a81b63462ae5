"""What the commands `aino` and `aino-train` share: how their help looks, and how they end."""

from __future__ import annotations

import argparse
import itertools
import textwrap

__all__ = ["INTERRUPTED", "HelpFormatter"]

INTERRUPTED = 130  # exit status of a command that was stopped, as shells have it


class HelpFormatter(argparse.HelpFormatter):
    """Wraps prose to the terminal's width and leaves indented lines, which are examples to copy, as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = itertools.groupby(text.splitlines(), key=_stands_alone)
        lines = [line for alone, block in paragraphs for line in (list(block) if alone else [" ".join(block)])]
        return "\n".join(line if line[:1].isspace() else textwrap.fill(line, width) for line in lines)


def _stands_alone(line: str) -> bool:
    """Whether a line is no part of a paragraph: empty, indented, or a heading."""
    return not line or line[0].isspace() or line.endswith(":")
