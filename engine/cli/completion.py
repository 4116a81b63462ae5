"""Shell completion of a command, made from its parsers: `--completion bash`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
from collections.abc import Mapping
from typing import Any

from engine.cli.command_line import FAILED, flush_stdout

_SHELLS = ("bash", "zsh", "tcsh")
Commands = Mapping[str, tuple[str, str]]  # name -> (module, help)


def add_completion_flag(parser: argparse.ArgumentParser, commands: Commands) -> None:
    """Add `--completion SHELL`, which prints and exits as `--version` does."""
    text = f"print a completion script: {', '.join(_SHELLS)}"
    parser.add_argument(
        "--completion", action=_Completion, commands=commands, choices=_SHELLS, metavar="SHELL", help=text
    )


class _Completion(argparse.Action):
    def __init__(self, *words: Any, commands: Commands, **keywords: Any) -> None:
        super().__init__(*words, **keywords)
        self._commands = commands

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        try:
            import shtab
        except ImportError:
            parser.exit(FAILED, f"{parser.prog}: --completion needs `pip install shtab`\n")
        whole = argparse.ArgumentParser(prog=parser.prog)
        subparsers = whole.add_subparsers()
        for name, (module, text) in self._commands.items():
            importlib.import_module(module).add_arguments(subparsers.add_parser(name, help=text.replace("%", "%%")))
        with contextlib.suppress(BrokenPipeError):  # A reader such as `head` may leave early.
            print(shtab.complete(whole, values))
        flush_stdout()
        parser.exit()
