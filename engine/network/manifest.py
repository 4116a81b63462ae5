"""The nets that come with Aino, by `weights/MANIFEST.toml`; imports nothing heavy.

    default = "NAME"            the net to play with
    default_tower = "NAME"      the net where a tower is needed: evaluators network and hybrid, Lc0's format
    people = "NAME"             the net that predicts people
    [[net]]                     one table per file
    name, file, sha256          the file lies beside the manifest; zero-*.dit is the net that learned alone
    hours                       a number, of work from which that net came; other nets have none
    architecture, training_data, licence, strength

`read_manifest` checks name, file, sha256 and hours. `default_net_path` looks for the nets that
the first lines name. The last line is for people.
"""

from pathlib import Path
from typing import Any

from engine.errors import ConfigError, NetFileError
from engine.files.settings_file import read_settings

LEARNED_ALONE = "zero"  # stands for the net that learned alone, where a path is expected
MANIFEST = "MANIFEST.toml"
# No import: someone's own `weights.py` may hide that package.
SHIPPED = Path(__file__).parents[2] / "weights"
NEEDED_KEYS = ("name", "file", "sha256")


def learned_alone() -> dict[str, Any] | None:
    """Return the manifest's table of the net that learned alone, from random weights; None where
    none is shipped.
    """
    nets = read_manifest()["net"]
    return next((net for net in nets if net["file"].startswith(f"{LEARNED_ALONE}-")), None)


def read_manifest() -> dict[str, Any]:
    """Read the manifest of the shipped nets: "default" and the list "net". Raises NetFileError when
    it is missing or malformed.
    """
    path = SHIPPED / MANIFEST
    try:
        manifest = read_settings(path)
    except ConfigError as error:
        raise NetFileError(path, "a TOML file that lists the shipped nets", str(error)) from error
    nets = manifest.setdefault("net", [])
    if not isinstance(nets, list) or not all(
        isinstance(net, dict) and all(isinstance(net.get(key), str) for key in NEEDED_KEYS)
        for net in nets
    ):
        raise NetFileError(
            path, f"tables [[net]] with texts {', '.join(NEEDED_KEYS)}", "tables without them"
        )
    for net in nets:
        hours = net.get("hours", 0)
        if isinstance(hours, bool) or not isinstance(hours, int | float):
            raise NetFileError(path, f"a number as hours of {net['name']}", repr(hours))
    return manifest
