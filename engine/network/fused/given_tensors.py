"""Parameters and buffers of a tower or transformer that come by name, from whatever file."""

from collections import UserDict
from functools import partial
from typing import Any

import numpy as np

from engine import nn
from engine.errors import ConfigError, ShapeError
from engine.network.fused.network_sizes import NORM_EPSILON, NetworkSizes
from engine.network.outputs import Tensors


class LazyTensors(UserDict[str, Any]):
    """Tensors by name, each computed when it is taken, so that a large network need not be in
    memory as a whole.

    Holds functions without arguments that compute them.
    """

    def __getitem__(self, name: str) -> np.ndarray:
        return self.data[name]()


def layers_with(tensors: Tensors, config: NetworkSizes) -> nn.MultiHead:
    """Return the layers of a network with these parameters and buffers, by name.

    They share arrays that are float32. Errors as of `fitting`.
    """
    model = config.blank()
    fitted = fitting(model, tensors)
    for path, layer in model.walk():
        for arrays in (layer.params, layer.buffers):
            arrays.update({name: fitted[f"{path}.{name}"] for name in arrays})
    return model


def fitting(model: nn.Layer, tensors: Tensors) -> Tensors:
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

    expected = model.named_parameters() | model.named_buffers()
    if missing := sorted(expected.keys() - tensors.keys()):
        raise ConfigError(f"the network has no tensor {missing[0]!r}")
    return LazyTensors(
        {name: partial(fitted, name, array.shape) for name, array in expected.items()}
    )
