"""The parameters of a network as flat tables for kernels: a named tuple of views of one vector.

Annotations give a parameter's name in files and its shape: `Annotated[np.ndarray, "policy.weight
[R, U]"]`. A configuration names the kind of tuple, `tables`, and what the letters stand for,
`sizes`.
"""

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, get_type_hints

import numpy as np

from engine.errors import ConfigError, ShapeError
from engine.native.aligned_arrays import aligned_zeros, shape_of
from engine.native.lanes import LANES


def parameter_names(config: Any) -> dict[str, str]:
    """Return the name in files of every parameter, by its field."""
    return {name: words[0] for name, words in _words(config.tables).items()}


def parameter_shapes(config: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter, by its field."""
    return {name: shape_of(words[1], config.sizes) for name, words in _words(config.tables).items()}


def new_tables(config: Any) -> tuple[np.ndarray, Any]:
    """(flat vector of zeros, tables as views of it, each beginning on a cache line)."""
    sizes = [math.prod(shape) for shape in parameter_shapes(config).values()]
    starts = list(accumulate((-(-size // LANES) * LANES for size in sizes), initial=0))
    flat = aligned_zeros(starts[-1])
    return flat, config.tables(
        *(flat[start : start + size] for start, size in zip(starts, sizes, strict=False))
    )


def named_views(tables: Any, config: Any) -> dict[str, np.ndarray]:
    """Return views of the tables in their own shapes, by the names of the parameters."""
    names = parameter_names(config).values()
    shapes = parameter_shapes(config).values()
    return {
        name: table.reshape(shape) for name, shape, table in zip(names, shapes, tables, strict=True)
    }


def filled_tables(config: Any, tensors: Mapping[str, np.ndarray], prefix: str = "") -> Any:
    """Return tables with copies of the parameters whose names begin so. Raises ConfigError for a missing one,
    ShapeError for one of another shape.
    """
    _, tables = new_tables(config)
    for part, view in named_views(tables, config).items():
        name = prefix + part
        if name not in tensors:
            raise ConfigError(f"the network has no tensor {name!r}")
        if tensors[name].shape != view.shape:
            raise ShapeError(
                f"{name}: expected {list(view.shape)}, found {list(tensors[name].shape)}"
            )
        view[...] = tensors[name]
    return tables


def _words(tables: Any) -> dict[str, list[str]]:
    hints = get_type_hints(tables, include_extras=True)
    return {name: hint.__metadata__[0].split(" ", 1) for name, hint in hints.items()}
