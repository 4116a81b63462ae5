"""Why a loss or a gradient is not a finite number: what the trainer's errors say about the cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backend import backend_of, to_numpy
from engine.nn.layer import Layer
from engine.nn.training.data import Data, Loader


def broken_examples(batch: Any, dtype: Any = np.float32) -> str:
    """Say where a batch of examples holds NaN, infinity, or more than `dtype` can; "" if nowhere.

    Batches of another form than `Data` are not looked at.
    """
    if not isinstance(batch, tuple) or len(batch) != 2:
        return ""
    for name, part in zip(Data._fields, batch, strict=True):
        for array in part if isinstance(part, tuple) else (part,):
            if getattr(getattr(array, "dtype", None), "kind", "") != "f" or not array.size:
                continue
            values = to_numpy(array).reshape(len(array), -1)
            if bad := _rows(~np.isfinite(values)):
                return f"{bad} of the {len(values)} examples of this batch have NaN or infinity in their {name}"
            if bad := _rows(np.abs(values) > np.finfo(dtype).max):
                return f"{bad} of the {len(values)} examples of this batch have {name} too large for {np.dtype(dtype)}"
    return ""


def _rows(bad: np.ndarray) -> int:
    return int(bad.any(axis=1).sum())


def not_finite(tensors: Mapping[str, Any]) -> list[str]:
    """Return the names of the arrays that hold NaN or infinity."""
    return [name for name, array in tensors.items() if not backend_of(array).xp.isfinite(array).all()]


def why_no_loss(model: Layer, batch: Any, rate: float) -> str:
    """Say why the loss of a batch is not finite, and what to do; `rate` is the learning rate.

    It looks at the examples, the weights and, for a batch that is `Data`, the model's outputs without dropout.
    """
    dtype = next((array.dtype for array in model.named_parameters().values()), np.float32)
    if cause := broken_examples(batch, dtype):
        return cause
    if not isinstance(batch, Data) or not_finite(model.named_parameters()):
        return too_large(rate)
    outputs = model.forward(model.prepared(batch.inputs))[0]
    arrays = outputs if isinstance(outputs, dict) else {"": outputs}
    values = [to_numpy(array) for array in arrays.values()]
    if any(np.isneginf(array).any() for array in values) and all((array < np.inf).all() for array in values):
        return (
            "the model's outputs have -infinity, a probability of 0, where the targets ask for more: give such a class "
            "the target 0, or a finite output"
        )
    largest = max((float(np.abs(array).max(initial=0.0)) for array in values), default=0.0)
    if largest < LARGE:
        return "data, weights and outputs are finite numbers, so the loss function itself makes it: look there"
    return too_large(rate)


LARGE = 1e6  # outputs beyond it mean weights or data out of range rather than a loss that is wrong


def why_no_gradient(grads: Mapping[str, Any], batch: Any, rate: float) -> str:
    """Say which gradients are not finite although the loss is, and what to do."""
    names = not_finite(grads)
    few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return broken_examples(batch) or f"the loss is finite, but not the gradient of {few}; {too_large(rate)}"


def why_no_validation(model: Layer, validation: Loader, size: int, rate: float) -> str:
    """Say why the loss of validation data, read `size` examples at a time, is not finite."""
    for first in range(0, len(validation), size):
        if cause := broken_examples(validation.batch(slice(first, min(first + size, len(validation))))):
            return f"validation: {cause}"
    if names := not_finite(model.named_buffers()):
        return f"the running statistics are not finite: {', '.join(names[:3])}"
    return why_no_loss(model, validation.batch(slice(0, min(size, len(validation)))), rate)


def too_large(rate: float) -> str:
    """Return the advice for numbers that have grown beyond what a float holds."""
    return (
        f"the data is finite, so the weights grew too large: lower the rate of {rate:g}, limit the gradient by "
        "TrainerSettings(clip_norm=1.0), or scale inputs and targets to about -1 to 1"
    )
