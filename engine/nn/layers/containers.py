"""Layers made of other layers: a chain, and a trunk with several heads."""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import ArrayDict
from engine.nn.layer import (
    Array,
    Backward,
    Forward,
    Gradients,
    Layer,
    check_distinct,
    forward_part,
    layer_from_config,
    register,
)
from engine.nn.layers.activations import Activation
from engine.nn.layers.dense import Dense
from engine.nn.operations import operations_for


class NamedLayers(Layer):
    """Layers by name, which are given by position or by name."""

    group: ClassVar[str]  # the attribute that holds them

    def config(self) -> dict[str, Any]:
        layers = getattr(self, self.group).items()
        return {"layer": self.kind, self.group: {name: part.config() for name, part in layers}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: np.random.Generator) -> Self:
        settings = dict(config)
        layers = settings.pop(cls.group).items()
        return cls(**settings, **{name: layer_from_config(part, rng) for name, part in layers})


@register("sequential")
class Sequential(NamedLayers):
    """A chain of layers: y = f_n(...f_1(x)).

    forward:  x, as the first layer takes it; optionally mask bool [B, T], False where a sequence is
              padded, and state, a dict -> y, as the last layer returns it
    backward: dy like y -> dx like x; gradients "NAME.PARAMETER" of every layer

    With x_i = f_i(x_{i-1}), the chain rule runs from the last layer to the first: dx_{i-1} =
    backward_i(dx_i).

    Attention, recurrent layers and convolutions of sequences see what the mask allows; an Embedding
    with `padding_idx` makes it from the tokens. Behind a convolution or a pooling of sequences it
    shows the places that each sequence would have alone.

    With one `state` from call to call, `state = {}; model(start, state=state); model(more,
    state=state)`, the layers read a sequence in parts, down to single steps, as if it came at once:
    recurrent layers keep their states there, causal attention its keys and values.
    Gradients end at the start of a part.

    Layers given by position get the names dense1, activation1, dense2, ...: their kind, counted.
    Layers given by keyword keep that name: `Sequential(hidden=Dense(2, 16, rng), out=Dense(16, 1,
    rng))`. Files and optimizers know the parameters by these names. Raises ConfigError for a part
    that is no layer, for a name used twice, and for one layer with parameters in two places: they
    would have two names, two gradients and two states of the optimizer.
    """

    group = "layers"

    def __init__(self, *unnamed: Layer, **named: Layer) -> None:
        self.layers: dict[Any, Layer] = Chain(named_layers("Sequential", unnamed, named))

    def __getitem__(self, place: int | str | slice) -> Any:
        """Return the layer of this name, or at this place, counted from 0, or from the end as -1,
        -2, ...; of a slice, a Sequential of these layers under their names.
        """
        return self.layers[place]

    def append(self, layer: Layer, name: str | None = None) -> Self:
        """Put a layer behind the others, under its kind, counted, or under a name. Returns this
        chain. Raises ConfigError as the constructor does.
        """
        if name in self.layers:
            raise ConfigError(f"Sequential: there is a layer named {name!r} already")
        if name is None:
            number = 1
            while f"{_kind_of(layer)}{number}" in self.layers:
                number += 1
            name = f"{_kind_of(layer)}{number}"
        self.layers = Chain(checked_parts({**self.layers, name: layer}))
        return self

    def __len__(self) -> int:
        return len(self.layers)

    def children(self) -> dict[str, Layer]:
        return dict(self.layers)

    def mask_of(self, x: Array) -> Array | None:
        if not self.layers:
            return None
        return self.layers[0].mask_of(x)

    def mask_behind(self, mask: Array) -> Array:
        for layer in self.layers.values():
            mask = layer.mask_behind(mask)
        return mask

    def forward(
        self, x: Array, training: bool = False, mask: Any = None, state: Any = None
    ) -> Forward:
        steps: list[Backward] = []
        layers = list(self.layers.items())
        while layers:
            name, layer = layers.pop(0)
            if mask is None:
                mask = layer.mask_of(x)
            if training and type(layer) is Dense and layers and type(layers[0][1]) is Activation:
                layer = copy.copy(layer)
                layer.activation = layers.pop(0)[1].apply  # type: ignore[attr-defined]
            x, step = forward_part(name, layer, x, training, mask, state)
            if mask is not None:
                mask = layer.mask_behind(mask)
            steps.append(step)

        def backward(dy):
            grads: Gradients = {}
            for step in reversed(steps):
                if dy is not None:  # else no layer before has parameters
                    dy, layer_grads = step(dy)
                    grads |= layer_grads
            return dy, grads

        return x, backward

    def _replace_children(self, children: dict[str, Layer]) -> None:
        self.layers = Chain(children)


@register("multi_head")
class MultiHead(Layer):
    """A trunk whose output feeds several heads.

    forward:  x, optionally mask and state as in Sequential -> {head name: y of that head}
    backward: {head name: dy} -> dx like x; a head without an entry contributes nothing

    With t = trunk(x): dt = sum over heads of the head's dx; dx = trunk's backward of dt. The
    trunk's parameters are named "trunk.NAME", a head's "HEAD.NAME". Raises ShapeError when no head,
    or an unknown head, has a gradient.
    """

    def __init__(self, trunk: Layer, heads: Mapping[str, Layer]) -> None:
        if not heads or "trunk" in heads:
            raise ConfigError("MultiHead needs at least one head, and none may be named 'trunk'")
        checked_parts({"trunk": trunk, **heads})
        self.trunk = trunk
        self.heads = dict(heads)

    def forward(
        self, x: Array, training: bool = False, mask: Any = None, state: Any = None
    ) -> tuple[ArrayDict, Backward]:
        if mask is None:
            mask = self.trunk.mask_of(x)
        shared, trunk_backward = forward_part("trunk", self.trunk, x, training, mask, state)
        if mask is not None:
            mask = self.trunk.mask_behind(mask)
        outputs: ArrayDict = {}
        steps: dict[str, Backward] = {}
        for name, head in self.heads.items():
            outputs[name], steps[name] = forward_part(name, head, shared, training, mask, state)

        def backward(dy):
            names = [type(dy).__name__]
            if isinstance(dy, Mapping):
                names = list(dy)
            if not names or not steps.keys() >= set(names):
                raise ShapeError(
                    f"MultiHead: expected gradients by name of {list(steps)}, found {names}"
                )
            grads: Gradients = {}
            total: Array = None
            for name in dy:
                dshared, head_grads = steps[name](dy[name])
                total = added(total, dshared)
                grads |= head_grads
            if total is None:
                return None, grads
            dx, trunk_grads = trunk_backward(total)
            return dx, grads | trunk_grads

        return outputs, backward


def added(a: Array | None, b: Array | None) -> Array | None:
    """Add two gradients that reach the same array; None where nothing before needs one."""
    if a is None:
        return b
    if b is None:
        return a
    return operations_for(a).add(a, b)


class Chain(dict[Any, Layer]):
    """Layers by name, in order; a number gives the layer at this place, a slice a Sequential."""

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Sequential(**{name: self[name] for name in list(self)[place]})
        if isinstance(place, int | np.integer):
            return list(self.values())[place]
        return super().__getitem__(place)


def named_layers(
    owner: str, unnamed: Sequence[Layer], named: Mapping[str, Layer]
) -> dict[str, Layer]:
    """Return layers by name: those given by position under their kind, counted."""
    by_position: dict[str, Layer] = {}
    counts = Counter[str]()
    for layer in unnamed:
        kind = _kind_of(layer)
        counts[kind] += 1
        by_position[f"{kind}{counts[kind]}"] = layer
    if twice := by_position.keys() & named.keys():
        raise ConfigError(f"{owner}: {sorted(twice)} also are names of layers given by position")
    return checked_parts(by_position | dict(named))


def _kind_of(layer: Layer) -> str:
    # A layer of one's own may have no kind.
    return getattr(type(layer), "kind", type(layer).__name__.lower())


def checked_parts(layers: Mapping[str, Layer]) -> dict[str, Layer]:
    """Return the parts of a layer. Raises ConfigError unless they are layers with plain names, each
    in one place.
    """
    for name, layer in layers.items():
        if not isinstance(layer, Layer):
            raise ConfigError(
                f'a part must be a layer, such as Activation("relu"), not {layer!r:.60}'
            )
        if not str(name).isidentifier():
            raise ConfigError(f"a part needs a plain name, not {name!r}")
    check_distinct(layers)
    return dict(layers)
