"""The flags that limit a search, shared by the terminal commands."""

import argparse
from typing import TypeVar

from engine.errors import ConfigError
from engine.search.limits import Limits
from uci.language import _, later

MOST_SECONDS = 86_400.0
MOST_NODES = 10**9
USUAL_LINES = 3  # of an analysis
Number = TypeVar("Number", int, float)


def add_limit_flags(
    parser: argparse.ArgumentParser, default: str, with_infinite: bool = False
) -> None:
    """Add --nodes and --movetime, which exclude each other. `default` describes the limit when
    neither is given.
    """
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--nodes", type=int, metavar="N", help=f"search this many positions (default: {default})"
    )
    group.add_argument("--movetime", type=float, metavar="S", help="think for this many seconds")
    if with_infinite:
        group.add_argument(
            "--depth", type=int, metavar="N", help="search to this mean depth in plies"
        )
        group.add_argument("--infinite", action="store_true", help="think until Ctrl-C")


def limits_from_flags(arguments: argparse.Namespace, default: Limits) -> Limits:
    """Return the limits given on the command line, or else `default`. Raises ConfigError."""
    if arguments.nodes is not None:
        return Limits(nodes=checked("--nodes", arguments.nodes, 1, MOST_NODES))
    if arguments.movetime is not None:
        return Limits(
            movetime_ms=round(1000 * checked("--movetime", arguments.movetime, 0.001, MOST_SECONDS))
        )
    if getattr(arguments, "depth", None) is not None:
        return Limits(depth=checked("--depth", arguments.depth, 1, 100))
    if getattr(arguments, "infinite", False):
        return Limits(infinite=True)
    return default


def checked(name: str, value: Number, least: float, most: float) -> Number:
    """Return the value if it lies in least..most. Raises ConfigError."""
    if not least <= value <= most:  # `not` makes this true for NaN
        refusal = later("{name}: bad value {value:g}, expected {least:g} to {most:.10g}")
        raise ConfigError(_(refusal, name=name, value=value, least=least, most=most))
    return value
