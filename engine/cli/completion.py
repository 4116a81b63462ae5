"""Shell completion of a program, made from its parsers: `--completion bash`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
from collections.abc import Mapping
from typing import Any

from engine.cli.command_line import FAILED, CommandParser, flush_stdout

_SHELLS = ("bash", "zsh", "tcsh")
Commands = Mapping[str, tuple[str, str]]  # name -> (module, help)


def add_completion_flag(parser: argparse.ArgumentParser, commands: Commands) -> None:
    """Add `--completion SHELL`, which prints and exits as `--version` does."""
    text = f"print a completion script: {', '.join(_SHELLS)}"
    more: dict[str, Any] = {"choices": _SHELLS, "metavar": "SHELL"}
    parser.add_argument("--completion", action=_Completion, commands=commands, help=text, **more)


class _Completion(argparse.Action):
    def __init__(self, *words: Any, commands: Commands, **keywords: Any) -> None:
        super().__init__(*words, **keywords)
        self.commands = commands

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        try:
            import shtab
        except ImportError:
            parser.exit(FAILED, f"{parser.prog}: --completion needs `pip install shtab`\n")
        with contextlib.suppress(BrokenPipeError):  # A reader such as `head` may leave early.
            print(shtab.complete(_whole_parser(parser, self.commands), values))
        flush_stdout()
        parser.exit()


def _whole_parser(top: argparse.ArgumentParser, commands: Commands) -> argparse.ArgumentParser:
    """One parser with all subcommands and their flags."""
    parser = argparse.ArgumentParser(prog=top.prog)
    subparsers = parser.add_subparsers(parser_class=CommandParser)
    for name, (module, text) in commands.items():
        importlib.import_module(module).add_arguments(subparsers.add_parser(name, help=text.replace("%", "%%")))
    return parser
