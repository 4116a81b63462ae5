"""`aino net info|convert`: describes a net file, and converts nets for other programs."""

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.files.dit_file import load_tensors
from engine.files.output_files import check_output, output_file
from engine.network.families import planes_config_of
from engine.network.lc0.planes_file import read_planes, write_planes
from engine.network.lc0.schema import is_lc0
from engine.network.onnx_graph import export_onnx
from engine.network.sparse.sparse_parameters import sparse_config_of
from engine.network.weights import chosen_path

ONNX = ".onnx"
EXAMPLES = """\
examples:
  aino net info                             the net that comes with Aino
  aino net info my.dit --json               the header of another net
  aino net convert maia-1900.pb.gz maia.dit a net of Lc0's, to train on
  aino net convert tower.onnx               the tower that comes with Aino, for ONNX Runtime
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    info = actions.add_parser(
        "info", help="show architecture, formats, size, provenance and training card"
    )
    text = "read this net file; zero = the one that learned alone (default: the net that comes with Aino)"
    info.add_argument("file", type=Path, nargs="?", metavar="FILE", help=text)
    info.add_argument("--json", action="store_true", help="print everything as one JSON object")
    convert = actions.add_parser(
        "convert", help="write a tower or transformer in the format of another suffix"
    )
    text = "read this net file: .dit, .pb or .pb.gz (default: the tower that comes with Aino)"
    convert.add_argument("file", type=Path, nargs="?", metavar="FILE", help=text)
    text = "write this file: .dit, .pb or .pb.gz for lc0 to play, or .onnx"
    convert.add_argument("target", type=output_file, metavar="TARGET", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Run `info` or `convert`. Raises NetFileError, ConfigError."""
    if arguments.action == "info":
        _print_info(chosen_path(arguments.file, "default"), arguments.json)
        return 0
    path = chosen_path(arguments.file, "default_tower")
    target = arguments.target
    check_output(target, [path], target.suffix)
    if target.suffix == ONNX:
        export_onnx(path, target)
    else:
        write_planes(target, read_planes(path))
    print(f"{target}  {target.stat().st_size:,} bytes")
    return 0


def _print_info(path: Path, as_json: bool) -> None:
    """Read and check the whole file before printing a line."""
    info: dict[str, Any] = {
        "file": str(path),
        "size": path.stat().st_size if path.is_file() else 0,
        **_info(path),
    }
    if as_json:
        print(json.dumps(info, indent=2))
        return
    print(f"{'file':14}{path}")
    print(f"{'size':14}{info['size']:,} bytes")
    print(f"{'architecture':14}{info['architecture']}")
    print(f"{'tensors':14}{info['tensors']}, {info['parameters']:,} parameters")
    for part in ("provenance", "card"):
        for key, value in info[part].items():
            text = value if isinstance(value, str | int | float) else json.dumps(value)
            print(f"{f'{part} {key}':32}{text}")


def _info(path: Path) -> dict[str, Any]:
    if is_lc0(path):
        tower = read_planes(path)
        form = "lc0"
        architecture = tower.config.describe()
        tensors = tower.tensors
        header: dict[str, Any] = {"provenance": {}, "card": tower.card}
    else:
        whole, tensors = load_tensors(path)
        form = "dit"
        architecture = _architecture(whole["model"])
        header = {part: whole[part] for part in ("provenance", "card", "configuration", "model")}
    parameters = sum(tensor.size for name, tensor in tensors.items() if ".running_" not in name)
    return {
        "format": form,
        "architecture": architecture,
        "tensors": len(tensors),
        "parameters": parameters,
        **header,
    }


def _architecture(model: Any) -> str:
    with contextlib.suppress(ConfigError):
        return planes_config_of(model).describe()
    with contextlib.suppress(ConfigError):
        return f"{sparse_config_of(model)}: one accumulator, moves scored one by one"
    return f"neither a tower nor a sparse network: {model.get('layer')}"
