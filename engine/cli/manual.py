"""Shell completion and the man page of a command, made from its parsers: `--completion bash` and `--man`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
from collections.abc import Mapping
from typing import Any

from engine.cli.command_line import FAILED, CommandParser, flush_stdout, make_parser

_SHELLS = ("bash", "zsh", "tcsh")
Commands = Mapping[str, tuple[str, str]]  # name -> (module, help)


def add_manual_flags(parser: argparse.ArgumentParser, commands: Commands) -> None:
    """Add `--completion SHELL` and `--man`, which print and exit as `--version` does."""
    text = f"print a completion script: {', '.join(_SHELLS)}"
    parser.add_argument(
        "--completion", action=_Completion, commands=commands, choices=_SHELLS, metavar="SHELL", help=text
    )
    parser.add_argument("--man", action=_ManPage, commands=commands, nargs=0, help="print the man page")


class _Printing(argparse.Action):
    """Prints something about all commands, and exits."""

    def __init__(self, *words: Any, commands: Commands, **keywords: Any) -> None:
        super().__init__(*words, **keywords)
        self.commands = commands

    def finish(self, parser: argparse.ArgumentParser, text: str) -> None:
        """Print and exit; a reader such as `head` may leave early."""
        with contextlib.suppress(BrokenPipeError):
            print(text, end="")
        flush_stdout()
        parser.exit()


class _Completion(_Printing):
    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        try:
            import shtab
        except ImportError:
            parser.exit(FAILED, f"{parser.prog}: --completion needs `pip install shtab`\n")
        self.finish(parser, f"{shtab.complete(_whole_parser(parser, self.commands), values)}\n")


class _ManPage(_Printing):
    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        self.finish(parser, man_page(parser, self.commands))


def _whole_parser(top: argparse.ArgumentParser, commands: Commands) -> argparse.ArgumentParser:
    """One parser with all subcommands and their flags."""
    parser = argparse.ArgumentParser(prog=top.prog)
    subparsers = parser.add_subparsers(parser_class=CommandParser)
    for name, (module, text) in commands.items():
        importlib.import_module(module).add_arguments(subparsers.add_parser(name, help=text.replace("%", "%%")))
    return parser


def man_page(top: argparse.ArgumentParser, commands: Commands) -> str:
    """Return the page in roff's `man` macros. The engine options stand below the first command that has all of them."""
    lines = [f".TH {top.prog.upper()} 1", ".SH NAME", f"{top.prog} \\- {_escape(top.description or '')}"]
    lines += [".SH SYNOPSIS", f".B {top.prog}", "COMMAND [options]", ".SH COMMANDS"]
    for name, (module, text) in commands.items():
        parser = make_parser(
            top.prog, name, text, importlib.import_module(module), is_brief=name != next(iter(commands))
        )
        lines += [f".SS {top.prog} {name}", _escape(text)]
        formatter = argparse.HelpFormatter(top.prog)
        for action in parser._actions:
            if action.help not in (None, argparse.SUPPRESS) and action.dest != "help":
                names = formatter._format_action_invocation(action)
                lines += [".TP", f".B {_escape(names)}", _escape(formatter._expand_help(action))]
        if parser.epilog:
            lines += [".PP", ".nf", *map(_escape, parser.epilog.splitlines()), ".fi"]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """Return a line of text that roff shows as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text[:1] in (".", "'") else text
