"""A small deep-learning library: arrays in, arrays out, every gradient derived by hand and checked numerically.

layer.py        what a layer is; the registry
layers/         the layers, one small file per family
operations/     the expensive operations: plain array reference, and native kernels for float32 on the CPU
losses.py optimizers.py schedules.py clipping.py averaging.py       the parts of training
parallel.py     one batch over several threads
trainer.py history.py checkpoint.py progress.py                     training as a whole
dit.py          saving and loading; legacy.py reads files of the older `aino` 2.2.0 package
norm_folding.py     folds batch norm into convolutions for inference
reference.py    writes this library's reference page from its docstrings
examples/       experiments to run: python -m engine.nn.examples.NAME
"""

from __future__ import annotations

from engine.nn.averaging import ExponentialAverage, StochasticAverage, refresh_statistics
from engine.nn.clipping import clip_global_norm, global_norm
from engine.nn.history import History
from engine.nn.layer import REGISTRY, Layer, layer_from_config
from engine.nn.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    AveragePool2D,
    BatchNorm,
    ChosenDense,
    Conv2D,
    CrossAttention,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool,
    LayerNorm,
    ListNetwork,
    MaxPool2D,
    MultiHead,
    PairProduct,
    PositionEmbedding,
    Reshape,
    Residual,
    ScoredRows,
    SelfAttention,
    Sequential,
    SparseDense,
    SqueezeExcitation,
    TwoViews,
)
from engine.nn.losses import LOSSES, huber, mae, mse, sigmoid_binary_cross_entropy, softmax_cross_entropy
from engine.nn.optimizers import SGD, Adam, AdamW, RMSProp
from engine.nn.parallel import DataParallel
from engine.nn.schedules import Constant, WarmupCosine
from engine.nn.trainer import Data, Trainer, TrainerSettings, accuracy

__all__ = [
    "GRU",
    "LOSSES",
    "LSTM",
    "REGISTRY",
    "RNN",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "AveragePool2D",
    "BatchNorm",
    "ChosenDense",
    "Constant",
    "Conv2D",
    "CrossAttention",
    "Data",
    "DataParallel",
    "Dense",
    "Dropout",
    "Embedding",
    "ExponentialAverage",
    "Flatten",
    "GlobalAveragePool",
    "History",
    "Layer",
    "LayerNorm",
    "ListNetwork",
    "MaxPool2D",
    "MultiHead",
    "PairProduct",
    "PositionEmbedding",
    "RMSProp",
    "Reshape",
    "Residual",
    "ScoredRows",
    "SelfAttention",
    "Sequential",
    "SparseDense",
    "SqueezeExcitation",
    "StochasticAverage",
    "Trainer",
    "TrainerSettings",
    "TwoViews",
    "WarmupCosine",
    "accuracy",
    "clip_global_norm",
    "global_norm",
    "huber",
    "layer_from_config",
    "mae",
    "mse",
    "refresh_statistics",
    "sigmoid_binary_cross_entropy",
    "softmax_cross_entropy",
]
