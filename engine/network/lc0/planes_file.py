"""Reads and writes towers and transformers in either kind of file: `.dit`, and Lc0's `.pb` and
`.pb.gz`.
"""

from pathlib import Path

from engine.errors import ConfigError
from engine.files.dit_file import load_tensors
from engine.network.families import planes_config
from engine.network.fused.given_tensors import layers_with
from engine.network.input_formats import CLASSICAL
from engine.network.lc0.reader import PlanesFile, load_lc0
from engine.network.lc0.schema import is_lc0
from engine.network.lc0.writer import save_lc0
from engine.network.tower.tower_model import TowerConfig
from engine.nn import dit


def read_planes(path: str | Path, to_play: bool = False) -> PlanesFile:
    """Read a tower or transformer from a file of either kind; `to_play` as for `load_lc0`.

    Raises NetFileError for every fault and for any other network.
    """
    path = Path(path)
    if is_lc0(path):
        return load_lc0(path, to_play)
    header, tensors = load_tensors(path)
    return PlanesFile(planes_config(path, header), tensors, header["card"])


def write_planes(path: str | Path, tower: PlanesFile) -> None:
    """Write a tower in the format of the suffix of `path`: .dit, .pb or .pb.gz.

    Raises ConfigError for another suffix and for what the format cannot hold, NetFileError when the
    file cannot be written.
    """
    path = Path(path)
    if path.suffix == ".dit":
        if isinstance(tower.config, TowerConfig) and tower.config.input_format != CLASSICAL:
            network = f"input format {tower.config.input_format}"
            raise ConfigError(
                f"{path}: .dit files hold towers of input format {CLASSICAL}, not of {network}"
            )
        dit.save(path, layers_with(tower.tensors, tower.config), tower.card)
    else:
        save_lc0(path, tower)
