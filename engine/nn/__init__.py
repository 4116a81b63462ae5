"""A small deep-learning library: arrays in, arrays out, every gradient derived by hand and checked numerically.

    layer.py        what a layer is; the registry
    layers/         the layers, one small file a family
    operations/     the heavy operations: plain array reference, and native kernels for float32 on the CPU
    losses.py optimizers.py schedules.py clipping.py        training
    parallel.py     one batch over several threads
    dit.py          saving and loading
"""

from __future__ import annotations

from engine.nn.clipping import clip_global_norm, global_norm
from engine.nn.layer import REGISTRY, Layer, layer_from_config
from engine.nn.layers import (
    Activation,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    MultiHead,
    Residual,
    Sequential,
    SqueezeExcitation,
)
from engine.nn.losses import LOSSES, huber, mse, softmax_cross_entropy
from engine.nn.optimizers import SGD, Adam, AdamW, ExponentialAverage
from engine.nn.parallel import DataParallel
from engine.nn.schedules import Constant, WarmupCosine

__all__ = [
    "LOSSES",
    "REGISTRY",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "BatchNorm",
    "Constant",
    "Conv2D",
    "DataParallel",
    "Dense",
    "ExponentialAverage",
    "Flatten",
    "Layer",
    "MultiHead",
    "Residual",
    "Sequential",
    "SqueezeExcitation",
    "WarmupCosine",
    "clip_global_norm",
    "global_norm",
    "huber",
    "layer_from_config",
    "mse",
    "softmax_cross_entropy",
]
