"""The layers, one small file a family. Importing this package registers them all."""

from __future__ import annotations

from engine.nn.layers.activations import ACTIVATIONS, Activation, activation_function
from engine.nn.layers.batchnorm import BatchNorm
from engine.nn.layers.containers import MultiHead, Sequential
from engine.nn.layers.conv import Conv2D
from engine.nn.layers.dense import Dense
from engine.nn.layers.flatten import Flatten
from engine.nn.layers.residual import Residual, SqueezeExcitation

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "BatchNorm",
    "Conv2D",
    "Dense",
    "Flatten",
    "MultiHead",
    "Residual",
    "Sequential",
    "SqueezeExcitation",
    "activation_function",
]
