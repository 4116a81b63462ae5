"""A small deep-learning library: arrays in, arrays out, every gradient derived by hand and checked
numerically.

There is no autograd. Autograd records every operation on an array and derives the backward pass
from the record; here each layer is one short file that computes its result and, beside it, its
gradients, by formulas that stand in its docstring. That is what the library is for: a gradient can
be read, printed and checked, no graph comes between you and the arrays, and a fused kernel can take
the place of a layer. The price: a new layer needs its derivative by hand, and `gradient_check`
compares it with central differences.

>>> import numpy as np
>>> from engine.nn import Activation, Adam, Data, Dense, Sequential, Trainer, mse
>>> rng = np.random.default_rng(0)  # draws the initial weights; the same seed gives the same net
>>> model = Sequential(Dense(2, 16, rng), Activation("tanh"), Dense(16, 1, rng, "glorot"))
>>> print(model)
name         layer                                                 parameters                 numbers
dense1       Dense(inputs=2, outputs=16, initialization='he')      weight [16, 2], bias [16]       48
activation1  Activation(function='tanh')                                                            0
dense2       Dense(inputs=16, outputs=1, initialization='glorot')  weight [1, 16], bias [1]        17
Sequential: 65 parameters (float32, 0.3 KiB)
>>> x = rng.uniform(-1, 1, (500, 2))
>>> trainer = Trainer(model, mse, Adam(), 0.01)  # model, loss, optimizer, learning rate
>>> history = trainer.fit(Data(x, x[:, :1] * x[:, 1:]), epochs=40)  # targets [500, 1], like the outputs
>>> history["loss"][-1] < 0.01 * history["loss"][0]
True
>>> model(x[:3]).shape  # inference; float64 is cast to the model's float32
(3, 1)
>>> y, backward = model.forward(x[:3].astype(np.float32), training=True)
>>> loss, dy = mse(y, np.zeros((3, 1)))
>>> dx, grads = backward(dy)  # plain arrays, named like the parameters
>>> grads["dense1.weight"].shape
(16, 2)

layer.py        what a layer is; the registry; module.py has its parts and arrays by name, array_checks.py
                checks arrays, summary.py prints a model
layers/         the layers, one short file each or for a small family
operations/     the expensive operations: plain array reference, and native kernels for float32 on the CPU
losses.py metrics.py means.py    what outputs are measured by
training/       the trainer and what it needs: data, optimizers, schedules, averages, callbacks, checkpoints
numeric.py      central differences, against which every gradient is checked
dit.py          saves and loads models; onnx_file.py writes them for other programs
datasets.py     digits: drawn ones, and MNIST from their files
norm_folding.py folds batch norm into convolutions for inference
course/         notebooks; `examples/nn` beside the packages holds experiments to run
"""

from typing import Any

from engine.nn import datasets as datasets
from engine.nn import layers
from engine.nn.figures import plot_histograms
from engine.nn.foreign_names import CLASSES, other_name
from engine.nn.layer import REGISTRY, Layer, layer_from_config
from engine.nn.layers import *  # noqa: F403  their names stand in layers/__init__.py
from engine.nn.losses import (
    LOSSES,
    huber,
    mae,
    mse,
    sigmoid_binary_cross_entropy,
    softmax_cross_entropy,
)
from engine.nn.means import MeanOver
from engine.nn.metrics import accuracy, confusion_matrix, plot_confusion
from engine.nn.numeric import GradientCheck, gradient_check, numeric_gradient
from engine.nn.summary import activations
from engine.nn.torch_weights import load_torch
from engine.nn.training.averaging import ExponentialAverage, StochasticAverage, refresh_statistics
from engine.nn.training.callbacks import Callback, LiveCurve, ReduceLROnPlateau, SaveBest
from engine.nn.training.clipping import clip_global_norm, clip_value, global_norm
from engine.nn.training.data import Data, JoinedRows, Loader, random_shift
from engine.nn.training.history import History
from engine.nn.training.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp
from engine.nn.training.schedules import StepDecay, WarmupCosine
from engine.nn.training.shards import DataParallel
from engine.nn.training.trainer import Trainer
from engine.nn.training.trainer_settings import TrainerSettings

__all__ = [
    "LOSSES", "REGISTRY", "SGD", "Adam", "AdamW", "Callback", "Data", "DataParallel", "ExponentialAverage",
    "GradientCheck", "History", "JoinedRows", "Layer", "LiveCurve", "Loader", "MeanOver", "Optimizer", "RMSProp",
    "ReduceLROnPlateau", "SaveBest", "StepDecay", "StochasticAverage", "Trainer", "TrainerSettings", "WarmupCosine",
    "accuracy", "activations", "clip_global_norm", "clip_value", "confusion_matrix", "global_norm", "gradient_check",
    "huber", "layer_from_config", "load_torch", "mae", "mse", "numeric_gradient", "plot_confusion", "plot_histograms",
    "random_shift", "refresh_statistics", "sigmoid_binary_cross_entropy", "softmax_cross_entropy",
]  # fmt: skip
__all__ += layers.__all__


def __getattr__(name: str) -> Any:
    """Name what stands here for a name of another library."""
    names = dict(CLASSES)
    if name.lower() in layers.ACTIVATIONS:
        names[name] = f'Activation("{name.lower()}")'
    raise other_name("engine.nn", name, names)
