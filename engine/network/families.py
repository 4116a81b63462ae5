"""Which network a layer configuration or a `.dit` file describes: a tower or a transformer."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, NetFileError
from engine.network.outputs import sizes_in
from engine.network.sparse.sparse_parameters import sparse_config_of
from engine.network.tower.tower_model import TowerConfig, tower_config_of
from engine.network.transformer.transformer_model import Transformer, TransformerConfig

PlanesConfig = TowerConfig | TransformerConfig


def planes_config_named(name: str) -> PlanesConfig:
    """Return the sizes that a name such as 64x6 or transformer-128x4x8 means. Raises ConfigError
    for another form.
    """
    if name.startswith("transformer"):
        return TransformerConfig.parse(name)
    return TowerConfig.parse(name)


def planes_config_of(model_config: Any) -> PlanesConfig:
    """Return the sizes of a network of either kind, from its layer configuration. Raises
    ConfigError for others.
    """
    if isinstance(model_config, Mapping) and model_config.get("layer") == Transformer.kind:
        return sizes_in(model_config, TransformerConfig, "a transformer")
    return tower_config_of(model_config)


def planes_config(path: Path, header: Mapping[str, Any]) -> PlanesConfig:
    """Read the sizes of the tower or transformer in a `.dit` file with this header. Raises
    NetFileError for others.
    """
    model = header["model"]
    try:
        return planes_config_of(model)
    except ConfigError as error:
        with suppress(ConfigError):
            raise NetFileError(path, "a tower", f"a network {sparse_config_of(model)}") from error
        kind = model.get("layer") if isinstance(model, Mapping) else model
        raise NetFileError(path, "a tower", f"a model {kind!r:.40} ({error})") from error
