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
from engine.nn.array_checks import Array, leaves, mapped
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
    options = {}
    if mask is not None:
        options["mask"] = to_numpy(mask)
    arrays = named_parts(x, "x")
    graph.examples = arrays | options
    _check_free(graph.examples.values(), free)
    inputs = {
        name: tensor_type(array.dtype, _sides(name, array, free))
        for name, array in graph.examples.items()
    }
    shown, dims = _outputs(model, x, options, free)
    if twice := inputs.keys() & shown.keys():
        raise ConfigError(f"ONNX: {', '.join(twice)} names an input; give this head another name")
    names: Any = "x"
    if isinstance(x, tuple):
        names = tuple(arrays)
    results = named_parts(graph.layer(model, names, *options), "y")
    outputs = {
        name: (results[name], tensor_type(array.dtype, dims[name])) for name, array in shown.items()
    }
    write_file(Path(path), graph.model(inputs, outputs))


def _check_free(inputs: Iterable[Array], free: Collection[int]) -> None:
    """Raise ShapeError for a free axis that no input has; axes count from the front."""
    most = max(array.ndim for array in inputs)
    for axis in free:
        if not 0 <= axis < most:
            raise ShapeError(f"ONNX: free axes are 0 to {most - 1} of the inputs, found {axis}")


class _Lengths(NamedTuple):
    """How long a side is for the example, and where a free axis of the inputs has another length."""

    shown: int
    resized: int


def _outputs(
    model: Layer, x: Any, options: dict[str, Array], free: Collection[int]
) -> tuple[dict[str, Array], dict[str, list[int | str]]]:
    """Return the outputs for the example, and their sides: names of those that change with a free
    axis of the inputs.
    """
    inputs = named_parts(x, "x") | options
    shown = named_parts(model(x, **options), "y")
    dims = {name: _sides(name, array, {0} & {*free}) for name, array in shown.items()}
    for axis in sorted({*free} - {0}):
        resized_inputs, resized_outputs = _at_other_length(model, x, options, axis)
        # Names of the inputs' sides; of those that change in the same way, the first counts.
        names: dict[_Lengths, str] = {}
        for name, array in inputs.items():
            if array.ndim > axis:
                lengths = _Lengths(array.shape[axis], resized_inputs[name].shape[axis])
                names.setdefault(lengths, f"{name}_{axis}")
        for name, array in shown.items():
            every = map(_Lengths, array.shape, resized_outputs[name].shape)
            for place, lengths in enumerate(every):
                if lengths.shown != lengths.resized:
                    dims[name][place] = names.get(lengths, f"{name}_{place}")
    return shown, dims


def _at_other_length(
    model: Layer, x: Any, options: dict[str, Array], axis: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return inputs and outputs where an axis is twice as long, or half where a model has a limit.

    Raises ShapeError for a model that takes no other length.
    """

    def doubled(array):
        if array.ndim <= axis:
            return array
        return np.concatenate([array, array], axis)

    def halved(array):
        if array.ndim <= axis:
            return array
        return np.array_split(array, 2, axis)[0]

    changes = [doubled]
    if all(array.shape[axis] > 1 for array in leaves((x, options)) if array.ndim > axis):
        changes.append(halved)
    for change in changes:
        resized, further = mapped(change, (x, options))
        try:
            return named_parts(resized, "x") | further, named_parts(model(resized, **further), "y")
        except ShapeError as error:
            refusal = error
    raise ShapeError(f"ONNX: the model takes no other length of axis {axis}: {refusal}")


def _sides(name: str, array: Array, free: Collection[int]) -> list[int | str]:
    """Return the sides of an array: a name where any length is allowed, one for all batches."""
    sides: list[int | str] = [*array.shape]
    for axis in {*free} & {*range(array.ndim)}:
        sides[axis] = f"{name}_{axis}"
    if 0 in free and sides:
        sides[0] = "batch"
    return sides
