"""Networks of board planes, towers and transformers alike: their sizes and their layers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from engine import nn
from engine.errors import ConfigError, NetFileError
from engine.network.model_parts import loaded
from engine.network.policy.parameters import sparse_config_of
from engine.network.tower.model import TowerConfig, build_tower, tower_config_of
from engine.network.transformer.model import Transformer, TransformerConfig

PlanesConfig = TowerConfig | TransformerConfig


def layers_with(tensors: Mapping[str, np.ndarray], config: PlanesConfig) -> nn.MultiHead:
    """Return the layers of a network of either kind with these tensors; errors as of `loaded`."""
    return loaded(lambda rng: build_network(config, rng), tensors)


def build_network(config: PlanesConfig, rng: np.random.Generator) -> nn.MultiHead:
    """Return a network of either kind with random weights, float32."""
    return build_tower(config, rng) if isinstance(config, TowerConfig) else Transformer(rng, **asdict(config))


def planes_config_of(model_config: Any) -> PlanesConfig:
    """Return the sizes of a network of either kind, from its layer configuration. Raises ConfigError for others."""
    if not isinstance(model_config, Mapping) or model_config.get("layer") != Transformer.kind:
        return tower_config_of(model_config)
    try:
        return TransformerConfig(**{name: value for name, value in model_config.items() if name != "layer"})
    except TypeError as error:
        raise ConfigError(f"not the configuration of a transformer: {error}") from error


def planes_config(path: Path, header: Mapping[str, Any]) -> PlanesConfig:
    """Read the sizes of the tower or transformer in a `.dit` file with this header. Raises NetFileError for others."""
    try:
        return planes_config_of(header["model"])
    except ConfigError as error:
        with suppress(ConfigError):
            raise NetFileError(path, "a tower", f"a network {sparse_config_of(header['model'])}") from error
        kind = header["model"].get("layer") if isinstance(header["model"], Mapping) else header["model"]
        raise NetFileError(path, "a tower", f"a model {kind!r:.40} ({error})") from error
