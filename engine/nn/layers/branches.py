"""Branches that read the same input and meet again: their outputs are added, or joined along an axis."""

from typing import Any

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.layer import (
    Array,
    Backward,
    Forward,
    Gradients,
    Layer,
    forward_part,
    register,
)
from engine.nn.layers.containers import NamedLayers, added, named_layers
from engine.nn.operations import operations_for


class _Branches(NamedLayers):
    """Layers that all take the same input, under names as in Sequential; `Sequential()` passes it
    on as it is.
    """

    group = "branches"

    def __init__(self, *unnamed: Layer, **named: Layer) -> None:
        self.branches = named_layers(type(self).__name__, unnamed, named)
        if not self.branches:
            raise ConfigError(f"{type(self).__name__} needs at least one branch")

    def mask_of(self, x: Array) -> Array | None:
        for branch in self.branches.values():
            mask = branch.mask_of(x)
            if mask is not None:
                return mask
        return None

    def mask_behind(self, mask: Array) -> Array:
        return next(iter(self.branches.values())).mask_behind(mask)

    def forward(
        self, x: Array, training: bool = False, mask: Any = None, state: Any = None
    ) -> Forward:
        outputs: list[Array] = []
        steps: list[Backward] = []
        for name, branch in self.branches.items():
            y, step = forward_part(name, branch, x, training, mask, state)
            outputs.append(y)
            steps.append(step)
        joined, parts_of = self._joined(outputs)

        def backward(dy):
            dx: Array = None
            grads: Gradients = {}
            for step, part in zip(steps, parts_of(dy), strict=True):
                dbranch, branch_grads = step(part)
                dx = added(dx, dbranch)
                grads |= branch_grads
            return dx, grads

        return joined, backward

    def _joined(self, outputs: list[Array]) -> Any:
        """Return the outputs as one, and a function from its gradient to theirs."""
        raise NotImplementedError

    def _shapes_differ(self, outputs: list[Array]) -> ShapeError:
        shapes = {name: list(y.shape) for name, y in zip(self.branches, outputs, strict=True)}
        return ShapeError(f"{type(self).__name__}: the branches do not fit together: {shapes}")


@register("add")
class Add(_Branches):
    """The sum of several branches: y = f_1(x) + ... + f_n(x).

    forward:  x, as the branches take it; optionally mask and state as in Sequential -> y, of the
              shape that all branches return
    backward: dy like y -> dx = sum of the branches' dx; gradients "NAME.PARAMETER" of every branch

    Each branch gets dy. A skip connection is `Add(body=Sequential(...), skip=Sequential())`; with a
    convolution as skip, the body may change shape. Raises ConfigError without a branch, ShapeError
    where shapes differ.
    """

    def _joined(self, outputs: list[Array]) -> Any:
        if len({y.shape for y in outputs}) != 1:
            raise self._shapes_differ(outputs)
        total = outputs[0]
        for y in outputs[1:]:
            total = operations_for(total).add(total, y)
        return total, lambda dy: [dy] * len(outputs)


@register("concatenate")
class Concatenate(_Branches):
    """The outputs of several branches, one behind the other along an axis: y = [f_1(x), ..., f_n(x)].

    forward:  x, as the branches take it; optionally mask and state as in Sequential -> y; with the
              `axis` 1, the channels of boards, branches of [B, C_i, H, W] make [B, sum of C_i, H, W]
    backward: dy like y -> dx = sum of the branches' dx; gradients "NAME.PARAMETER" of every branch

    Each branch gets its own part of dy along the axis. Raises ConfigError without a branch,
    ShapeError where other sides differ. Ronneberger et al. 2015, arXiv:1505.04597 (U-Net).
    """

    def __init__(self, *unnamed: Layer, axis: int = 1, **named: Layer) -> None:
        super().__init__(*unnamed, **named)
        self.axis = axis

    def _joined(self, outputs: list[Array]) -> Any:
        xp = xp_of(outputs[0])
        try:
            joined = xp.concatenate(outputs, self.axis)
        except ValueError as error:
            raise self._shapes_differ(outputs) from error
        ends = np.cumsum([y.shape[self.axis] for y in outputs])[:-1].tolist()

        def parts_of(dy):
            return [*map(xp.ascontiguousarray, xp.split(dy, ends, self.axis))]

        return joined, parts_of

    def config(self) -> dict[str, Any]:
        config = super().config()
        if self.axis != 1:
            config["axis"] = self.axis
        return config
