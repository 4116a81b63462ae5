"""Save and load models (layers and tensors) as `.dit` files; `engine.files.dit_file` describes the
format.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.backend import NUMPY, backend_of_all, to_numpy
from engine.errors import ConfigError, NetFileError, ShapeError
from engine.files.dit_file import DTYPES, load_tensors, save_tensors
from engine.files.provenance import provenance
from engine.nn.layer import REGISTRY, Layer, layer_from_config

_FLOAT16_RANGE = (6.2e-5, 6.5e4)  # smallest normal and largest magnitude, each with a small margin


def save(
    path: str | Path,
    model: Layer,
    card: Mapping[str, Any] | None = None,
    dtype: str = "float32",
    configuration: Mapping[str, Any] | None = None,
) -> None:
    """Write a model atomically: other readers of `path` see the old file or the complete new one.

    `card` and `configuration` are free JSON objects. With `dtype` float16, weights are stored in
    half precision; running statistics, and tensors whose values half precision cannot hold, stay
    float32. Raises ConfigError for an argument of another kind, an unknown dtype or values JSON
    cannot hold, NetFileError for non-finite values or when the file cannot be written.
    """
    checked: Any = model
    if not isinstance(checked, Layer):
        raise ConfigError(f"dit.save(path, model, card): expected a layer, found {checked!r:.60}")
    further: dict[str, Any] = {"card": card, "configuration": configuration}
    for name, value in further.items():
        if not isinstance(value, Mapping | None):
            form = f'a dict, such as {{"description": {str(value)!r:.40}}}'
            raise ConfigError(f"dit.save: {name} must be {form}, not {type(value).__name__}")
    if dtype not in DTYPES:
        raise ConfigError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
    path = Path(path)
    arrays = _stored_arrays(path, model, dtype)
    backend = backend_of_all(model.named_parameters())
    origin: dict[str, Any] = {**provenance()}
    if configuration and "seed" in configuration:
        origin["seed"] = configuration["seed"]
    origin |= {"backend": backend.name, "device": backend.device, "versions": backend.versions()}
    header = {
        "model": model.config(),
        "provenance": origin,
        "card": dict(card or {}),
        "configuration": dict(configuration or {}),
    }
    save_tensors(path, header, arrays)


def load(path: str | Path) -> tuple[Layer, dict[str, Any]]:
    """Read a model into host memory as float32; return (model, header). Raises NetFileError for
    every fault.

    Dropout masks start from seed 0.
    """
    header, tensors = load_tensors(path)
    elements = sum(tensor.size for tensor in tensors.values())
    try:
        needed = _lower_bound(header["model"])  # random weights are counted while they are drawn
        if needed > elements:
            raise ConfigError(
                f"the architecture needs more than {needed} numbers, the file holds {elements}"
            )
        model = layer_from_config(header["model"], BlankGenerator(elements))
        missing = sorted(model.named_buffers().keys() - tensors.keys())
        if missing:
            raise ConfigError(f"tensors do not fit the model: missing {missing[:4]}")
        model.load_parameters(tensors)
        model.reseed(0)
    except (ConfigError, ShapeError, MemoryError, RecursionError) as error:
        raise NetFileError(path, "an architecture and the tensors it needs", str(error)) from error
    return model, header


class BlankGenerator(np.random.Generator):
    """Replaces the random generator while loading: normal numbers are zeros, at most as many as the
    file holds.

    With `shapes_alone`, all numbers of an array are one, because it will be replaced and not
    filled. Layers of one's own may draw others, as from any generator.
    """

    def __init__(self, elements: int, shapes_alone: bool = False) -> None:
        super().__init__(np.random.PCG64(0))
        self.left, self._shapes_alone = elements, shapes_alone

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = ()) -> Any:
        shape = ()
        if size is not None:
            shape = tuple(np.atleast_1d(size))
        self.left -= math.prod(shape)
        if self.left < 0:
            raise ConfigError(
                f"a weight of shape {list(shape)} needs more numbers than the file holds"
            )
        if self._shapes_alone:
            return np.ndarray(shape, np.float32, np.zeros(1, np.float32), strides=(0,) * len(shape))
        return np.zeros(shape, np.float32)


def _lower_bound(value: Any) -> int:
    """Return fewer numbers than an architecture needs, or as many, before anything is built.

    A layer has at least as many parameters as its `sizes` multiplied: their product is summed over
    all layers.
    """
    if isinstance(value, list):
        return sum(map(_lower_bound, value))
    if not isinstance(value, Mapping):
        return 0
    inside = sum(map(_lower_bound, value.values()))
    kind = value.get("layer")
    if not isinstance(kind, str) or kind not in REGISTRY:
        return inside
    numbers = [abs(value[name]) for name in REGISTRY[kind].sizes if type(value.get(name)) is int]
    if not numbers:
        return inside
    return math.prod(numbers) + inside


def _stored_arrays(path: Path, model: Layer, dtype: str) -> dict[str, np.ndarray]:
    """Return contiguous little-endian arrays by name, parameters first."""
    buffers = model.named_buffers()
    tensors = model.named_parameters() | buffers
    arrays = {}
    with backend_of_all(tensors).guard("the network was saved"):
        tensors = {name: to_numpy(tensor) for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        array = np.asarray(tensor, order="C")  # `ascontiguousarray` gives a single number an axis
        largest = float(np.abs(array).max(initial=0.0))
        if not largest <= float(np.finfo(np.float32).max):  # `not` makes this true for NaN
            raise NetFileError(path, f"finite numbers to save in {name}", "infinity or NaN")
        fits_half = largest == 0.0 or _FLOAT16_RANGE[0] <= largest <= _FLOAT16_RANGE[1]
        precision = "float32"
        if fits_half and name not in buffers:
            precision = dtype
        arrays[name] = NUMPY.asarray(array, DTYPES[precision])
    return arrays
