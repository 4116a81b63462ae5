"""A program of subcommands in one table. Each one is imported only when it is called."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from engine.cli.command_line import USAGE, CommandParser, run_subcommand
from engine.errors import did_you_mean

Commands = Mapping[str, tuple[str, str]]  # name -> (module, help)
_TOP_FLAGS = ("-h", "--help", "--version")


def run_program(
    program: str, version: str, description: str, commands: Commands, words: Sequence[str] | None, default: str = ""
) -> int:
    """Run the subcommand that the words (None: the command line's) name, and return the exit status.

    It is 2 for bad usage, 1 for an error of Aino's own, of which one line is printed on stderr. default: the
    subcommand of words that name none.
    """
    words = list(sys.argv[1:] if words is None else words)
    name = words[0] if words else ""
    if default and (not name or (name.startswith("-") and name.partition("=")[0] not in _TOP_FLAGS)):
        name, words = default, [default, *words]
    if name in commands:
        module, text = commands[name]
        return run_subcommand(program, name, text, module, words[1:])
    if name and not name.startswith("-"):
        guess = did_you_mean(commands, name) or "."
        print(f"{program}: unknown command {name!r}{guess} `{program} --help` lists the commands.", file=sys.stderr)
        return USAGE
    parser = CommandParser(prog=program, description=description)
    parser.add_argument("--version", action="version", version=f"Aino {version}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command, (_, text) in commands.items():
        subparsers.add_parser(command, help=text.replace("%", "%%"))
    parser.parse_args(words)
    return 0
