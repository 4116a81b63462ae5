"""Writes models as ONNX files, for ONNX Runtime and other programs. `onnx_layers` has the nodes of
the layers.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.backend import to_numpy
from engine.errors import ConfigError, ShapeError
from engine.files.atomic import write_file
from engine.nn.array_checks import leaves, mapped
from engine.nn.layer import Layer
from engine.nn.numeric import floats_as, named_parts
from engine.nn.onnx_layers import Graph
from engine.nn.onnx_nodes import tensor_type


def save_onnx(
    path: str | Path, model: Layer, x: Any, mask: Any = None, free: Collection[int] = (0,)
) -> None:
    """Write a model as an ONNX file that computes what `model(x)` does, or `model(x, mask=mask)`,
    in float32.

    `x` is an example: an array with a batch axis, or a tuple of such arrays, as the model takes it.
    The file's inputs are x, or x0, x1 ... for a tuple, and mask; they have the sides of the
    example, but any length along the axes in `free`. Its outputs are y, or y0, y1 ..., or the names
    of the heads. Raises ConfigError for a layer of one's own without a method `onnx`, ShapeError
    when x does not fit the model, or an axis cannot be free, OSError when the file cannot be
    written.
    """
    layer: Any = model
    if not isinstance(layer, Layer):
        raise ConfigError(f"save_onnx(path, model, x): expected a layer, found {layer!r:.60}")
    model = model.to("numpy").astype(np.float32)
    graph = Graph()
    x = floats_as(np.float32, x)
    options = {} if mask is None else {"mask": to_numpy(mask)}
    graph.examples = named_parts(x, "x") | options
    _check_free(graph.examples.values(), free)
    inputs = {
        name: tensor_type(array.dtype, _sides(name, array, free))
        for name, array in graph.examples.items()
    }
    shown, dims = _outputs(model, x, options, free)
    if twice := inputs.keys() & shown.keys():
        raise ConfigError(f"ONNX: {', '.join(twice)} names an input; give this head another name")
    names = tuple(name for name in inputs if name not in options)
    results = named_parts(graph.layer(model, names if isinstance(x, tuple) else "x", *options), "y")
    outputs = {
        name: (results[name], tensor_type(array.dtype, dims[name])) for name, array in shown.items()
    }
    write_file(Path(path), graph.model(inputs, outputs))


def _check_free(inputs: Iterable[np.ndarray], free: Collection[int]) -> None:
    """Raise ShapeError for a free axis that no input has; axes count from the front."""
    most = max(array.ndim for array in inputs)
    for axis in free:
        if not 0 <= axis < most:
            raise ShapeError(f"ONNX: free axes are 0 to {most - 1} of the inputs, found {axis}")


class _Lengths(NamedTuple):
    """How long a side is for the example, and where a free axis of the inputs has another length."""

    shown: int
    other: int


def _outputs(
    model: Layer, x: Any, options: dict[str, np.ndarray], free: Collection[int]
) -> tuple[dict[str, np.ndarray], dict[str, list[int | str]]]:
    """Return the outputs for the example, and their sides: names of those that change with a free
    axis of the inputs.
    """
    inputs = named_parts(x, "x") | options
    shown = named_parts(model(x, **options), "y")
    dims = {name: _sides(name, array, {0} & {*free}) for name, array in shown.items()}
    for axis in sorted({*free} - {0}):
        others, found = _at_other_length(model, x, options, axis)
        changes = {
            f"{name}_{axis}": _Lengths(array.shape[axis], others[name].shape[axis])
            for name, array in inputs.items()
            if array.ndim > axis
        }
        for name, array in shown.items():
            every = map(_Lengths, array.shape, found[name].shape)
            for place, lengths in enumerate(every):
                if lengths.shown != lengths.other:
                    dims[name][place] = _name_of_side(f"{name}_{place}", lengths, changes)
    return shown, dims


def _name_of_side(own: str, lengths: _Lengths, changes: dict[str, _Lengths]) -> str:
    """Return the name of an input's side that changes in the same way, or the side's own."""
    same = (name for name, change in changes.items() if change == lengths)
    return next(same, own)


def _at_other_length(
    model: Layer, x: Any, options: dict[str, np.ndarray], axis: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return inputs and outputs where an axis is twice as long, or half where a model has a limit.

    Raises ShapeError for a model that takes no other length.
    """
    every = leaves((x, options))
    can_halve = all(array.shape[axis] > 1 for array in every if array.ndim > axis)
    lengths = [False]
    if can_halve:
        lengths.append(True)
    for halves in lengths:
        resized = _resized(x, axis, halves)
        further = _resized(options, axis, halves)
        try:
            return named_parts(resized, "x") | further, named_parts(model(resized, **further), "y")
        except ShapeError as error:
            refused = error
    raise ShapeError(f"ONNX: the model takes no other length of axis {axis}: {refused}")


def _resized(x: Any, axis: int, halves: bool) -> Any:
    """Return an array, or a tuple of arrays, half or twice as long along an axis."""

    def resized(array):
        if array.ndim <= axis:
            return array
        if halves:
            return np.array_split(array, 2, axis)[0]
        return np.concatenate([array, array], axis)

    return mapped(resized, x)


def _sides(name: str, array: np.ndarray, free: Collection[int]) -> list[int | str]:
    """Return the sides of an array: a name where any length is allowed, one for all batches."""
    names = ["batch", *(f"{name}_{axis}" for axis in range(1, array.ndim))]
    return [names[axis] if axis in free else side for axis, side in enumerate(array.shape)]
