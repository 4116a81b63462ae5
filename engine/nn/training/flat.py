"""Named arrays that are parts of one array, so that one kernel on a GPU updates all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backend import Backend, backend_of_all, same_part

Array = Any
WHOLE = "whole"  # the name of all tensors as one array
GROUPS = ("matrices", "vectors")  # and those of its two parts


class FlatTensors(dict[str, Array]):
    """Copies of `tensors` by name, as views of the one-dimensional array `whole`, each laid out as
    in `like`.

    Its dtype is that of `like`; tensors in half precision are cast together. Those of two or more
    dimensions come first, as `groups["matrices"]` [1, n], then `groups["vectors"]` [n]: weight
    decay tells them apart by these.
    """

    def __init__(
        self, tensors: Mapping[str, Array], like: Mapping[str, Array] | None = None
    ) -> None:
        like = tensors if like is None else like
        backend = backend_of_all(like)
        dtype = next(iter(like.values())).dtype
        self.whole = backend.xp.empty(sum(one.size for one in like.values()), dtype)
        views = {}
        start = 0
        for name in sorted(like, key=lambda name: like[name].ndim < 2):
            end = start + like[name].size
            views[name] = _laid_out(self.whole[start:end], like[name])
            start = end
        super().__init__({name: views[name] for name in like})
        matrices = sum(one.size for one in like.values() if one.ndim > 1)
        halves = (self.whole[:matrices][None], self.whole[matrices:])
        self.groups = dict(zip(GROUPS, halves, strict=True))
        self._fill(tensors, backend)

    def _fill(self, tensors: Mapping[str, Array], backend: Backend) -> None:
        if narrow := {name for name in self if tensors[name].dtype == np.float16}:
            whole = backend.xp.empty(self.whole.shape, np.float16)
            for name in narrow:
                same_part(self[name], whole)[...] = tensors[name]
            self.whole[...] = whole
        for name in self.keys() - narrow:
            # By kernels, for `concatenate` uploads places.
            self[name][...] = backend.asarray(tensors[name])

    def named(self, whole: Array) -> dict[str, Array]:
        """Return the parts of another array like `whole`, by the names that they have here."""
        return {name: same_part(array, whole) for name, array in self.items()}


def _laid_out(part: Array, like: Array) -> Array:
    """Return a one-dimensional array in the shape of another, and in its order of axes."""
    axes = sorted(range(like.ndim), key=lambda axis: -like.strides[axis])  # the largest first
    return part.reshape([like.shape[axis] for axis in axes]).transpose(np.argsort(axes).tolist())
