"""`aino net info [FILE]`: what a net file holds, without building the network."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.network.tower import tower_config_of
from engine.network.weights import default_net_path
from engine.nn.dit import load_tensors

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    info = actions.add_parser("info", help="architecture, size, provenance and training card")
    info.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="net file (default: the one that comes with Aino)"
    )
    info.add_argument("--json", action="store_true", help="print the whole header as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Reads and checks the whole file, then prints its header. Raises NetFileError."""
    path = arguments.file or default_net_path()
    header, tensors = load_tensors(path)
    if arguments.json:
        print(json.dumps(header, indent=2))
        return 0
    parameters = sum(tensor.size for tensor in tensors.values())
    print(f"file          {path}")
    print(f"size          {Path(path).stat().st_size:,} bytes")
    print(f"architecture  {_architecture(header)}")
    print(f"tensors       {len(tensors)}, {parameters:,} numbers")
    for part in ("provenance", "card"):
        for key, value in header[part].items():
            print(f"{part + ' ' + key:32}{value if isinstance(value, str | int | float) else json.dumps(value)}")
    return 0


def _architecture(header: dict[str, Any]) -> str:
    try:
        return f"tower {tower_config_of(header['model'])} (filters x blocks)"
    except ConfigError:
        return "not a tower of Aino's"
