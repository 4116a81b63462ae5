"""Named arrays that are parts of one array, so that one kernel on a GPU updates all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backend import NUMPY, backend_of_all, same_part
from engine.nn.layer import Layer

Array = Any
GROUPS = ("matrices", "vectors")  # names of the two halves of the whole array


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
        order = sorted(like, key=lambda name: like[name].ndim < 2)
        self.whole = backend.xp.empty(
            sum(one.size for one in like.values()), next(iter(like.values())).dtype
        )
        matrices = sum(one.size for one in like.values() if one.ndim > 1)
        self.groups = dict(
            zip(GROUPS, (self.whole[:matrices][None], self.whole[matrices:]), strict=True)
        )
        views = {}
        start = 0
        for name in order:
            # The largest first.
            axes = sorted(range(like[name].ndim), key=lambda axis: -like[name].strides[axis])
            view = self.whole[start : start + like[name].size].reshape(
                [like[name].shape[axis] for axis in axes]
            )
            views[name] = view.transpose(np.argsort(axes).tolist())
            start = start + like[name].size
        super().__init__({name: views[name] for name in like})
        if halves := [name for name in like if tensors[name].dtype == np.float16]:
            narrow = backend.xp.empty(self.whole.shape, np.float16)
            for name in halves:
                same_part(self[name], narrow)[...] = tensors[name]
            self.whole[...] = narrow
        for name in [name for name in like if name not in halves]:
            # By kernels, for `concatenate` uploads places.
            self[name][...] = backend.asarray(tensors[name])


def trained_parameters(
    model: Layer, parameters: Mapping[str, Array], before: Mapping[str, Array]
) -> Mapping[str, Array]:
    """Return the model's parameters as an optimizer changes them: on a device flat, because one
    operation on all of them is much cheaper there than one on each.

    `before` are those of the last step, which are used again if they still are the model's.
    """
    if backend_of_all(parameters) is NUMPY:
        return parameters
    if isinstance(before, FlatTensors) and all(
        parameters[name] is array for name, array in before.items()
    ):
        return before
    flat = FlatTensors(parameters)
    model.adopt_parameters(flat)
    return flat
