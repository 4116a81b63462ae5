"""Names that other libraries use, and what stands for them here: for the errors of a first hour."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from engine.errors import ConfigError

# Of classes and functions. Activations need no row: their names in lower case are known.
CLASSES = {
    "Linear": "Dense(inputs, outputs, rng)",
    "Conv1d": "Conv1D(inputs, outputs, size, rng)",
    "Conv2d": "Conv2D(inputs, outputs, size, rng)",
    "ConvTranspose2d": "ConvTranspose2D(inputs, outputs, size, rng)",
    "Conv2DTranspose": "ConvTranspose2D(inputs, outputs, size, rng)",
    "BatchNorm1d": "BatchNorm(channels)",
    "BatchNorm2d": "BatchNorm(channels)",
    "BatchNormalization": "BatchNorm(channels)",
    "LayerNormalization": "LayerNorm(features)",
    "InstanceNorm2d": "GroupNorm(channels, channels)",
    "MaxPool2d": "MaxPool2D(window)",
    "MaxPooling2D": "MaxPool2D(window)",
    "AvgPool2d": "AveragePool2D(window)",
    "AdaptiveAvgPool2d": "GlobalAveragePool()",
    "GlobalAveragePooling2D": "GlobalAveragePool()",
    "MultiheadAttention": "SelfAttention(features, heads, rng) or CrossAttention",
    "TransformerEncoderLayer": "EncoderLayer(features, heads, hidden, rng)",
    "TransformerDecoderLayer": "DecoderLayer(features, heads, hidden, rng)",
    "LeakyReLU": 'Activation("leaky_relu")',
    "SiLU": 'Activation("swish")',
    "Module": "Layer",
    "Model": "Layer, or Sequential",
    "ModuleList": "a list of layers in an attribute",
    "ModuleDict": "a dict of layers in an attribute",
    "Parameter": 'an array in self.params["name"]',
    "CrossEntropyLoss": "softmax_cross_entropy",
    "BCEWithLogitsLoss": "sigmoid_binary_cross_entropy",
    "MSELoss": "mse",
    "L1Loss": "mae",
    "HuberLoss": "huber",
    "DataLoader": "Loader(inputs, targets), or Data for arrays",
    "EarlyStopping": "TrainerSettings(patience=3)",
}
_TRAINING = "Trainer(model, loss, Adam(), 0.001).fit(Data(inputs, targets), epochs=5)"
# Of methods and attributes of layers.
MEMBERS = {
    "fit": _TRAINING,
    "compile": _TRAINING,
    "train": "forward(x, training=True)",
    "eval": "model(x), which is inference",
    "parameters": "named_parameters()",
    "state_dict": "named_parameters() and named_buffers(), or dit.save(path, model)",
    "load_state_dict": "load_parameters(arrays), or dit.load(path)",
    "save": "dit.save(path, model)",
    "weight": 'params["weight"]',
    "bias": 'params["bias"]',
    "requires_grad_": 'Trainer(..., rates={"NAME.": 0})',
    "cuda": 'to("cupy"), which returns a copy',
}
_RATE = "give it to the trainer: Trainer(model, loss, Adam(), 0.001)"
# Of arguments of layers and optimizers.
ARGUMENTS = {
    "rng": "a generator that draws the initial weights, such as np.random.default_rng(0)",
    "lr": _RATE,
    "learning_rate": _RATE,
    "betas": "beta1=0.9, beta2=0.999",
    "eps": "here it is epsilon",
    "activation": 'put Activation("relu") behind the layer',
    "kernel_size": "here it is size, and window for a pool",
    "in_features": "here it is inputs",
    "in_channels": "here it is inputs",
    "out_features": "here it is outputs",
    "out_channels": "here it is outputs",
    "units": "here it is outputs, after inputs",
    "filters": "here it is outputs, after inputs",
    "hidden_size": "here it is hidden",
    "num_layers": "put as many layers one behind the other",
    "bidirectional": "Bidirectional(GRU(3, 8, rng), GRU(3, 8, rng, reverse=True))",
    "batch_first": "the batch is always first",
}


def other_name(owner: str, name: str, here: dict[str, str]) -> AttributeError:
    """Return the error for a name that `owner` has not, with the name here if it is known."""
    hint = f"; here it is {here[name]}" if name in here else ""
    return AttributeError(f"{owner} has no {name!r}{hint}")


def _is_whole(value: Any, least: float = -math.inf) -> bool:
    return isinstance(value, Integral) and int(value) >= least


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


# What arguments must be, by their annotations in a module with `from __future__ import annotations`.
KINDS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    "int": (_is_whole, "a whole number"),
    "Size": (lambda value: _is_whole(value, 1), "a whole number of at least 1"),
    "np.random.Generator": (
        lambda value: isinstance(value, np.random.Generator),
        "a generator such as np.random.default_rng(0)",
    ),
}
KINDS |= {
    f"{name} | None": (_or_none(fits), f"{expected}, or None")
    for name, (fits, expected) in KINDS.items()
}


def _nothing(self: Any) -> None:
    pass


def explained(
    init: Callable[..., None], first: Callable[[Any], None] = _nothing
) -> Callable[..., None]:
    """Let a constructor name what it takes where it is given something else, and check arguments
    with an annotation of `KINDS`; `first` runs before.
    """
    signature = inspect.signature(init)
    kinds = {
        name: KINDS[one.annotation]
        for name, one in signature.parameters.items()
        if one.annotation in KINDS
    }

    @functools.wraps(init)
    def checked(self, *arguments, **named):
        first(self)
        try:
            given = signature.bind(self, *arguments, **named).arguments if kinds else {}
            for name, (fits, expected) in kinds.items():
                if name in given and not fits(given[name]):
                    found = f"{name} must be {expected}, not {given[name]!r:.60}"
                    raise ConfigError(f"{type(self).__name__}: {found}")
            init(self, *arguments, **named)
        except TypeError as error:
            if fault := _fault(init, (self, *arguments), named):
                raise ConfigError(f"{type(self).__name__}: {fault}") from error
            raise

    return checked


def _fault(init: Callable[..., None], arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
    """Say what is wrong with the arguments of a call; "" if they fit."""
    signature = inspect.signature(init)
    try:
        signature.bind(*arguments, **named)
    except TypeError as error:
        (_, *expected) = signature.parameters.values()
        shown = ", ".join(str(one.replace(annotation=one.empty)) for one in expected)
        advice = [f"{error}; expected ({shown})"]
        unknown = [name for name in named if name not in signature.parameters]
        for name in [*unknown, *_missing(signature, len(arguments), named)]:
            if name in ARGUMENTS:
                advice.append(f"{name}: {ARGUMENTS[name]}")
        return "; ".join(advice)
    return ""


def _missing(signature: inspect.Signature, count: int, named: dict[str, Any]) -> list[str]:
    """Return the parameters behind the first `count` that need a value and were given none."""
    others = list(signature.parameters.values())[count:]
    return [one.name for one in others if one.default is one.empty and one.name not in named]
