"""Networks of board planes, towers and transformers alike: their sizes and their layers."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine import nn
from engine.errors import ConfigError, NetFileError, ShapeError
from engine.network.model_parts import NORM_EPSILON
from engine.network.policy.parameters import sparse_config_of
from engine.network.tower.model import TowerConfig, build_tower, tower_config_of
from engine.network.transformer.model import Transformer, TransformerConfig
from engine.nn.dit import BlankGenerator

PlanesConfig = TowerConfig | TransformerConfig


class LazyTensors(UserDict[str, Any]):
    """Tensors by name, each computed when it is taken, so that a large network need not be in
    memory as a whole.

    Holds functions without arguments that compute them.
    """

    def __getitem__(self, name: str) -> np.ndarray:
        return self.data[name]()


def layers_with(tensors: Mapping[str, np.ndarray], config: PlanesConfig) -> nn.MultiHead:
    """Return the layers of a network of either kind with these parameters and buffers, by name.

    They share arrays that are float32. Errors as of `fitting`.
    """
    model = blank_network(config)
    given = fitting(model, tensors)
    for path, layer in model.walk():
        for arrays in (layer.params, layer.buffers):
            arrays.update({name: given[f"{path}.{name}"] for name in arrays})
    return model


def fitting(model: nn.Layer, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Return the parameters and buffers of a model, float32, each checked when it is taken.

    Raises ConfigError when one is missing, which shows at once, or a variance is negative, and
    ShapeError when one does not fit the model.
    """

    def fitted(name: str, shape: tuple[int, ...]) -> np.ndarray:
        array = np.asarray(tensors[name], np.float32)
        if array.shape != shape:
            raise ShapeError(f"{name}: expected shape {shape}, found {array.shape}")
        if name.endswith("running_variance") and not (array > -NORM_EPSILON).all():
            raise ConfigError(f"{name}: expected no negative variance, found {array.min():g}")
        return array

    wanted = model.named_parameters() | model.named_buffers()
    if missing := sorted(wanted.keys() - tensors.keys()):
        raise ConfigError(f"the network has no tensor {missing[0]!r}")
    return LazyTensors({name: partial(fitted, name, array.shape) for name, array in wanted.items()})


def blank_network(config: PlanesConfig, most: int = 1 << 40) -> nn.MultiHead:
    """Return a network for its shapes. Raises ConfigError for more than `most` numbers, before
    reserving them.
    """
    blank: Any = BlankGenerator(most, shapes_alone=True)
    return build_network(config, blank)


def build_network(config: PlanesConfig, rng: np.random.Generator) -> nn.MultiHead:
    """Return a network of either kind with random weights, float32."""
    return (
        build_tower(config, rng)
        if isinstance(config, TowerConfig)
        else Transformer(rng, **asdict(config))
    )


def planes_config_of(model_config: Any) -> PlanesConfig:
    """Return the sizes of a network of either kind, from its layer configuration. Raises
    ConfigError for others.
    """
    if not isinstance(model_config, Mapping) or model_config.get("layer") != Transformer.kind:
        return tower_config_of(model_config)
    try:
        return TransformerConfig(
            **{name: value for name, value in model_config.items() if name != "layer"}
        )
    except TypeError as error:
        raise ConfigError(f"not the configuration of a transformer: {error}") from error


def planes_config(path: Path, header: Mapping[str, Any]) -> PlanesConfig:
    """Read the sizes of the tower or transformer in a `.dit` file with this header. Raises
    NetFileError for others.
    """
    try:
        return planes_config_of(header["model"])
    except ConfigError as error:
        with suppress(ConfigError):
            raise NetFileError(
                path, "a tower", f"a network {sparse_config_of(header['model'])}"
            ) from error
        kind = (
            header["model"].get("layer")
            if isinstance(header["model"], Mapping)
            else header["model"]
        )
        raise NetFileError(path, "a tower", f"a model {kind!r:.40} ({error})") from error
