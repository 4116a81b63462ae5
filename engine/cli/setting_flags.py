"""Command-line flags made from a default and a help text, or from the fields of a dataclass of settings."""

import argparse
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any


def add_flag(
    group: argparse._ActionsContainer, flag: str, default: Any, text: str, metavar: str = "", **more: Any
) -> None:
    """Add a flag whose value has the type of its default, which the help shows; more: as in `add_argument`."""
    kind, text = type(default), f"{text} (default %(default)s)"
    name = None if "choices" in more else metavar or {int: "N", float: "X"}.get(kind, "TEXT")
    group.add_argument(flag, type=kind, default=default, metavar=name, help=text, **more)


def add_files(group: argparse._ActionsContainer, flag: str, text: str) -> None:
    """Add a flag with any number of paths, which may be given several times; none is the default."""
    group.add_argument(flag, type=Path, nargs="+", action="extend", default=[], metavar="FILE", help=text)


def hide_seldom(parser: argparse.ArgumentParser, names: Collection[str]) -> None:
    """Leave these arguments out of a brief parser's help (`make_parser`), and show `--help-all`, which has them."""
    for action in parser._actions:
        if action.dest == "help_all":
            action.help = "show every option, and exit"
        elif action.dest in names and getattr(parser, "is_brief", False):
            action.help = argparse.SUPPRESS


def add_setting_flags(group: argparse._ActionsContainer, settings: type[Any]) -> None:
    """Add a flag for each field that has a help text and a default: `--calm-cp` for `calm_cp`."""
    for one in fields(settings):
        if "help" in one.metadata:
            default: Any = one.default
            text, metavar = one.metadata["help"].replace("%", "%%"), one.metadata.get("metavar", "")
            add_flag(group, "--" + one.name.replace("_", "-"), default, text, metavar)


def given_settings(settings: type[Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the values of those flags, by field."""
    return {one.name: getattr(arguments, one.name) for one in fields(settings) if "help" in one.metadata}
