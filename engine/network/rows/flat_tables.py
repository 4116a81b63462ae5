"""Named parameters as flat tables: a NamedTuple of views of one vector, each beginning on a cache line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate

import numpy as np

from engine.errors import ConfigError, ShapeError
from engine.native.lanes import LANES
from engine.native.memory import aligned_zeros

Shapes = Mapping[str, tuple[int, ...]]


def flat_tables(shapes: Shapes) -> tuple[np.ndarray, list[np.ndarray]]:
    """(flat vector of zeros, a table of each shape's size as a view of it, in their order)."""
    sizes = [math.prod(shape) for shape in shapes.values()]
    starts = list(accumulate((-(-size // LANES) * LANES for size in sizes), initial=0))
    flat = aligned_zeros(starts[-1])
    return flat, [flat[start : start + size] for start, size in zip(starts, sizes, strict=False)]


def named_tables(tables: tuple[np.ndarray, ...], shapes: Shapes, names: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Views of the tables in their own shapes, by the names that `names` gives them."""
    return {names[name]: table.reshape(shape) for table, (name, shape) in zip(tables, shapes.items(), strict=True)}


def copy_into(views: Mapping[str, np.ndarray], tensors: Mapping[str, np.ndarray], owner: str) -> None:
    """Copy named tensors into views. Raises ConfigError for a missing one, ShapeError for one of another shape."""
    for name, view in views.items():
        if name not in tensors:
            raise ConfigError(f"{owner} has no tensor {name!r}")
        if tensors[name].shape != view.shape:
            raise ShapeError(f"{name}: expected {list(view.shape)}, found {list(tensors[name].shape)}")
        view[...] = tensors[name]
