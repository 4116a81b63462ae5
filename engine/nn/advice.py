"""What error messages advise about a wrong array, or a name from another library: their last words."""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from engine.errors import ConfigError, did_you_mean

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

# Names that PyTorch and Keras give to a model, and what does the same here.
ELSEWHERE = {
    **dict.fromkeys(("add", "append"), "give all layers to Sequential(...)"),
    "apply": "y = model(x), or y, backward = model.forward(x, training=True)",
    "backward": "y, backward = model.forward(x, training=True) returns it",
    "compile": "Trainer(model, mse, Adam(), 0.001) joins model, loss, optimizer and rate",
    "count_params": "model.summary() counts the parameters",
    "cpu": 'model.to("numpy")',
    "cuda": 'model.to("cupy")',
    "double": "model.astype(np.float64)",
    "eval": "model(x), predict(x) and forward(x) are inference; there is nothing to switch",
    "evaluate": "Trainer(...).evaluate(Data(x, targets))",
    "fit": "Trainer(model, mse, Adam(), 0.001).fit(Data(x, targets), epochs)",
    "float": "model.astype(np.float32)",
    **dict.fromkeys(("history", "items"), 'history["loss"] is a column; `for record in history` gives the epochs'),
    "init": "a layer draws its weights when it is built",
    "keys": "history.columns",
    **dict.fromkeys(("learning_rate", "param_groups"), "the rate is the trainer's, or an argument of each step"),
    "load": "from engine.nn import dit; model, header = dit.load(path)",
    "load_state_dict": "model.load_parameters(tensors)",
    "minimize": "dx, grads = backward(dy), then step(model.named_parameters(), grads, rate)",
    **dict.fromkeys(("get_weights", "parameters", "weights"), "model.named_parameters()"),
    "partial_fit": "Trainer(model, mse, Adam(), 0.001).step(Data(x, targets))",
    "predict_proba": "model.predict(x) returns raw outputs; the largest one of a row is its class",
    "save": "from engine.nn import dit; dit.save(path, model)",
    "score": "Trainer(...).evaluate(Data(x, targets))",
    "state_dict": "model.named_parameters() | model.named_buffers()",
    "set_weights": "model.load_parameters(tensors)",
    "train": "training is an argument of each call: y, backward = model.forward(x, training=True)",
    "zero_grad": "every backward(dy) returns new gradients; there is nothing to clear",
}
# What is there, but not yet, or on another object.
_OUR_OWN = {
    **dict.fromkeys(("buffers", "params"), "call super().__init__() first in the constructor of your layer"),
    "predict": "model.predict(x)",
    "Trainer.train": "trainer.fit(Data(x, targets), epochs)",
    "WarmupCosine.step": "Trainer(model, loss, Adam(), schedule) asks it at every step",
}
# Their classes and arguments: what to write -> the names it replaces.
_CLASSES = {
    "Dense(inputs, outputs, rng)": "Linear LazyLinear",
    "Conv2D(inputs, outputs, size, rng)": "Conv2d Convolution2D",
    "BatchNorm(channels)": "BatchNorm1d BatchNorm2d BatchNormalization",
    "MaxPool2D(window)": "MaxPool2d MaxPooling2D",
    "AveragePool2D(window)": "AvgPool2d AveragePooling2D",
    "GlobalAveragePool()": "AdaptiveAvgPool2d GlobalAveragePooling2D",
    "SelfAttention(features, heads, rng)": "MultiheadAttention MultiHeadAttention",
    "RNN(inputs, hidden, rng)": "SimpleRNN",
    "Layer, with its own forward and backward": "Module Model",
    "nothing, the first layer knows its inputs": "Input InputLayer",
    "nothing, softmax_cross_entropy contains the softmax": "Softmax LogSoftmax softmax",
    "softmax_cross_entropy": "CrossEntropyLoss NLLLoss CategoricalCrossentropy SparseCategoricalCrossentropy "
    "cross_entropy nll_loss",
    "sigmoid_binary_cross_entropy": "BCELoss BCEWithLogitsLoss BinaryCrossentropy binary_cross_entropy",
    "losses and layers, all in engine.nn": "functional",
    "Adam, SGD and others, all in engine.nn": "optim",
    "NumPy arrays": "Tensor tensor Parameter",
    "TrainerSettings(patience=3), with validation data": "EarlyStopping",
    'SaveBest("best.dit") among the callbacks': "ModelCheckpoint",
    "WarmupCosine(peak, total, warmup), or a function of the step": "lr_scheduler CosineAnnealingLR OneCycleLR StepLR "
    "ExponentialLR LinearLR CosineDecay",
    "Sequential(*layers), or a dict of layers": "ModuleList ModuleDict",
    "nothing, class numbers from 0 will do": "one_hot to_categorical OneHotEncoder",
    "nothing, to call a model is inference": "no_grad inference_mode",
    "backward, which forward returns beside y": "grad value_and_grad GradientTape autograd",
    "slices of your arrays": "train_test_split random_split",
    "arithmetic on your arrays": "StandardScaler MinMaxScaler Normalize",
    "mse": "MSELoss MeanSquaredError",
    "mae": "L1Loss MeanAbsoluteError",
    "huber": "HuberLoss SmoothL1Loss",
    "Data(inputs, targets), or Loader": "DataLoader Dataset TensorDataset",
    'Activation("relu")': "ReLU",
    'Activation("leaky_relu")': "LeakyReLU",
    'Activation("sigmoid")': "Sigmoid",
    'Activation("tanh")': "Tanh",
    'Activation("gelu")': "GELU",
    'Activation("swish")': "SiLU",
}
_ARGUMENTS = {
    'Activation("relu") is a layer of its own, after this one': "activation",
    "the first argument": "in_features in_channels num_features input_size input_dim input_shape",
    "the second argument": "out_features out_channels units filters hidden_size",
    "size, of Conv2D, or window, of pooling": "kernel_size pool_size",
    "bias=False, for Conv2D": "use_bias",
    "epsilon": "eps",
    "beta1 and beta2": "betas",
    "rng, such as np.random.default_rng(0), draws the weights": "seed kernel_initializer",
    'model.to("cupy")': "device",
    "training=True": "train is_training",
    "TrainerSettings(batch_size=32), the trainer's": "batch_size",
    "an argument of fit: fit(Data(x, targets), epochs)": "epochs num_epochs",
    "validation=Data(x, targets)": "validation_data validation_split",
    "progress=True": "verbose",
    "nothing, every epoch has an order of its own": "shuffle",
    "clip_norm": "clip clipnorm max_norm grad_clip",
    "the trainer's, Trainer(model, loss, Adam(), 0.001)": "lr learning_rate optimizer loss",
    "model.astype(np.float64)": "dtype",
}
CLASSES_ELSEWHERE = {name: here for here, names in _CLASSES.items() for name in names.split()}
ARGUMENTS_ELSEWHERE = {name: here for here, names in _ARGUMENTS.items() for name in names.split()}
# Other names of activations; softmax is missing on purpose.
ACTIVATIONS_ELSEWHERE = {"linear": "identity", "silu": "swish", "leakyrelu": "leaky_relu", "logistic": "sigmoid"}


def missing_attribute(owner: str, name: str, held: str = "") -> str:
    """Return the message of an AttributeError for `name` on an object of class `owner`. held: where it has it."""
    here = held or _OUR_OWN.get(f"{owner}.{name}") or ELSEWHERE.get(name) or _OUR_OWN.get(name)
    known = f"; here: {here}" if here else ""
    return f"{owner!r} object has no attribute {name!r}{known}"


class Guided:
    """A class whose errors say what another library's names and arguments are here, and what its constructor lacks."""

    def __init_subclass__(cls) -> None:
        if "__init__" in vars(cls):
            built_with_advice(cls)

    if not TYPE_CHECKING:  # a type checker would accept every name

        def __getattr__(self, name: str) -> Any:
            groups = {group: parts for group, parts in vars(self).items() if isinstance(parts, dict)}
            held = (f'its {group}["{name}"]' for group, parts in groups.items() if name in parts)
            message = missing_attribute(type(self).__name__, name, next(held, ""))
            raise AttributeError(message, name=name, obj=self)


# Annotations of arguments: what a value must be, in words. They are looked at once a call has failed.
_KINDS: dict[str, tuple[Any, str]] = {
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "Sequence[int]": (Sequence, "several whole numbers, such as (1, 8, 8)"),
    "Mapping[str, Layer]": (Mapping, 'layers by name, such as {"policy": Dense(...)}'),
    "Mapping[str, Array]": (Mapping, "arrays by name, such as model.named_parameters()"),
    "str | Path": (str | os.PathLike, "the name of a file"),
}
# What a call lacks: the argument -> what to give.
_MISSING = {
    "rng": "rng, a generator of random numbers, such as np.random.default_rng(0)",
    "schedule": "the learning rate, such as 0.001",
    "learning_rate": "the learning rate, such as 0.001",
    "optimizer": "an optimizer, such as Adam()",
    "loss": "a loss, such as softmax_cross_entropy",
    "epochs": "how often to go through the data, such as epochs=10",
    "grads": "the gradients: dx, grads = backward(dy), then step(model.named_parameters(), grads, rate)",
    "targets": "the targets, after the outputs or inputs",
    "x": "x, the inputs",
}


def built_with_advice(cls: type[Any]) -> type[Any]:
    """Let the constructor of a class be `explained`; as a decorator, it stands above that of a dataclass."""
    setattr(cls, "__init__", explained(cls.__init__))  # noqa: B010 (mypy allows no plain assignment)
    return cls


def explained(function: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Let a call with missing or unknown arguments, or one of another kind, raise ConfigError: it says what to give."""

    @functools.wraps(function)
    def call(*arguments: Arguments.args, **named: Arguments.kwargs) -> Answer:
        try:
            return function(*arguments, **named)
        except (TypeError, AttributeError):
            if text := call_fault(function, arguments, named) or _kind_fault(function, arguments, named):
                raise ConfigError(text) from None
            raise

    return call


def call_fault(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
    """Return what is wrong with the arguments of a call, and what to give; "" if they fit."""
    signature = inspect.signature(function)
    try:
        signature.bind(*arguments, **named)
    except TypeError as error:
        owner, known = _owner(function, arguments), signature.parameters
        takes = f"it takes {', '.join(name for name in known if name != 'self')}"
        takes_all = any(one.kind is one.VAR_KEYWORD for one in known.values())
        if not takes_all and (unknown := named.keys() - known.keys()):
            asked = foreign_arguments(owner, unknown) or f"{owner} has no {', '.join(sorted(unknown))}"
            return f"{asked}; {takes}"
        if "missing" not in str(error):
            lacks_training = function.__name__ == "forward" and "training" not in known
            if {"data", "epochs"} <= known.keys():
                takes = "targets go with their inputs: fit(Data(x, targets), epochs)"
            return f"{owner}: {error}; {'write forward(self, x, training=False)' if lacks_training else takes}"
        bound = signature.bind_partial(*arguments, **named).arguments
        missing = [name for name, one in known.items() if one.default is one.empty and name not in bound
                   and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]  # fmt: skip
        return f"{owner}: missing {' and '.join(_MISSING.get(name, name) for name in missing)}"
    return ""


def _owner(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    """Return the name of what is called: a class, a function, or a method with the class of its first argument."""
    if "." not in function.__qualname__ or not arguments:
        return function.__qualname__
    return f"{type(arguments[0]).__name__}.{function.__name__}".removesuffix(".__init__")


def _kind_fault(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
    """Return which argument is of another kind than its annotation says; "" if that is not clear."""
    signature = inspect.signature(function)
    for name, value in signature.bind(*arguments, **named).arguments.items():
        annotation = signature.parameters[name].annotation
        kind, words = _KINDS.get(getattr(annotation, "__name__", annotation), (object, ""))
        if not isinstance(value, kind):
            order = ", ".join(one for one in signature.parameters if one != "self")
            return f"{_owner(function, arguments)}: {name} must be {words}, not {value!r:.40}; the order is {order}"
    return ""


def foreign_arguments(owner: str, names: Iterable[str]) -> str:
    """Return what to write in place of arguments of another library's layers; "" if no name is known."""
    known = sorted(ARGUMENTS_ELSEWHERE.keys() & set(names))
    return "; ".join(f"{owner} has no {name}; here: {ARGUMENTS_ELSEWHERE[name]}" for name in known)


def unknown_activation(name: object, known: Iterable[str]) -> str:
    """Return what to write in place of an unknown activation."""
    word = str(name).lower()
    if "softmax" in word:
        return "; leave the outputs raw: softmax_cross_entropy contains the softmax"
    return did_you_mean(known, ACTIVATIONS_ELSEWHERE.get(word, word))


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise ConfigError unless `value` is a whole number of at least `least`."""
    if not isinstance(value, Integral) or int(value) < least:
        raise ConfigError(f"{name}: expected a whole number of at least {least}, got {value!r}")


# ---- inputs of layers ---------------------------------------------------------------------------------------------


def input_advice(x: Any, sides: tuple[int | str, ...], dtype: Any) -> str:
    """Return "; " and what to do about an input of the wrong kind, dtype or shape, or "" if that is not clear.

    `sides` and `dtype` are what the layer expected, as in `check_input`.
    """
    if not is_array(x):
        return "; " + _no_array(x)
    if (text := _dtype_advice(x, dtype)) or (text := _shape_advice(tuple(x.shape), sides)):
        return "; " + text
    return ""


def is_array(x: Any) -> bool:
    """Whether `x` has a shape, and a dtype of NumPy's, as arrays on every backend do."""
    return hasattr(x, "shape") and hasattr(getattr(x, "dtype", None), "kind") and not hasattr(x, "iloc")


def _no_array(x: Any) -> str:
    if isinstance(x, tuple) and len(x) == 2 and callable(x[1]):
        return "forward returns two things: y, backward = layer.forward(x)"
    if isinstance(x, tuple) and len(x) == 2 and isinstance(x[0], float):
        return "a loss returns two things: loss, dy = mse(y, targets)"
    if isinstance(x, dict):
        return "a model with several heads has a loss for each: take one, such as " + f"outputs[{next(iter(x), '')!r}]"
    return "make an array of it: np.asarray(x, np.float32)"


def _dtype_advice(x: Any, dtype: Any) -> str:
    found = x.dtype.kind
    if dtype == "integer":
        return "" if found in "iu" else "indices are whole numbers: x.astype(np.int64)"
    wanted = "float32" if isinstance(dtype, str) else str(dtype)
    if found not in "fiub":
        return "inputs are numbers" if dtype != "numeric" else ""
    if found in "iub" and dtype != "numeric":
        return f"cast it: x.astype(np.{wanted}){' / 255 for pixels of 0 to 255' if str(x.dtype) == 'uint8' else ''}"
    if found == "f" and not isinstance(dtype, str) and x.dtype != dtype:
        return f"cast it, x.astype(np.{wanted}), or the model, model.astype(np.{x.dtype})"
    return ""


def _shape_advice(shape: tuple[int, ...], sides: tuple[int | str, ...]) -> str:
    size = next((side for side in sides[1:] if isinstance(side, int)), None)
    if sides[-2:] == ("H", "W"):
        channels = size or "channels"
        if len(shape) == 4 and shape[3] == size:
            return "channels come before rows and columns: x.transpose(0, 3, 1, 2)"
        if len(shape) == 3 and size == 1 != shape[0]:
            return "add the axis of channels: x[:, None]"
        if len(shape) < 3:
            return f"make images of it: x.reshape(len(x), {channels}, height, width)"
    fewest = len(sides) - (1 if "..." in sides else 0)
    if len(shape) == fewest - 1 and all(isinstance(s, str) or s in shape for s in sides):
        steps = "; examples without steps, an axis of one step: x[:, None]" if "T" in sides else ""
        return f"a single example needs a batch axis: x[None]{steps}"
    if size is not None and sides[-1] == size and len(shape) > 2 and math.prod(shape[1:]) == size:
        return f"put Flatten() before this layer, or x.reshape(len(x), {size})"
    if size is not None and len(shape) >= fewest:
        found = shape[-1] if sides[-1] == size else shape[1]
        return f"build this layer for {found}, or let the one before it give {size}" if found != size else ""
    return ""


# ---- outputs and targets of losses --------------------------------------------------------------------------------


def outputs_advice(outputs: Any) -> str:
    """Return what to do about outputs that are no array of floats."""
    if not is_array(outputs):
        return "; " + _no_array(outputs)
    if outputs.dtype.kind in "iub":
        return "; the outputs come first, as the model gives them, the targets second"
    if outputs.ndim < 3:
        return ""
    return f"; for sequences: outputs.reshape(-1, {outputs.shape[-1]}), targets.reshape(-1)"


def targets_advice(outputs: tuple[int, ...], targets: Any, classes: bool) -> str:
    """Return what to do about targets whose shape does not fit outputs of shape `outputs`.

    `classes` says that the loss takes class numbers [B], for outputs [B, A].
    """
    if not is_array(targets):
        return "; make an array of the targets: np.asarray(targets)"
    shape = tuple(targets.shape)
    if math.prod(shape) == outputs[0] and classes:
        return "; reshape targets to [-1]: targets.reshape(-1)"
    if math.prod(shape) == math.prod(outputs) and not classes:
        sides = [-1, *outputs[1:]]
        return f"; reshape targets to {sides}: targets.reshape({', '.join(map(str, sides))})"
    if len(outputs) == 2 and shape == outputs[:1] and not classes:
        return "; targets that are classes belong to softmax_cross_entropy"
    return ""


def classes_advice(smallest: int, largest: int, classes: int) -> str:
    """Return what to do about class numbers outside 0 to `classes` - 1."""
    if classes == 1 and smallest >= 0:
        return f"; give the last layer {largest + 1} outputs, or use sigmoid_binary_cross_entropy with targets [B, 1]"
    if smallest == 1 and largest == classes:
        return "; classes count from 0: targets - 1"
    return f"; give the last layer {largest + 1} outputs" if smallest >= 0 else "; classes count from 0"
