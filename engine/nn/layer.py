"""The layer interface: parameters, buffers, a configuration, and a forward pass that returns its
backward pass.

    y, backward = layer.forward(x, training=True)
    dx, grads = backward(dy)            # grads: {"conv1.weight": array, ...}, named like the parameters

`backward` closes over what it needs. The layer keeps nothing about a call, so a layer may call its
part twice and add up both gradients, and several threads may use it at once. There are two
exceptions, both in training mode only: the running statistics of BatchNorm (use `replica`) and the
generator of dropout masks (use `reseed`).

`training` is an argument, not a state: nothing has to be switched. Without it a call is inference:
no dropout, and BatchNorm uses its running statistics. `layer(x)` and `layer.predict(x)` return y
alone, as inference.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.random import Generator

from engine.backend import backend_of
from engine.errors import ConfigError, ShapeError
from engine.native.blas import one_blas_thread
from engine.nn.array_checks import (
    Array,
    ShapedArrays,
    check_gradient,
    is_array,
    joined_rows,
    leaves,
    mapped,
    rows_of,
)
from engine.nn.base_names import check_attribute, check_class
from engine.nn.foreign_names import MEMBERS, other_name
from engine.nn.module import Module, dotted
from engine.nn.summary import layer_text, summary_table

Gradients = dict[str, Array]
Backward = Callable[[Array], tuple[Array, Gradients]]
Forward = tuple[Any, Backward]  # of `forward`: y, and what backward makes of its gradient
# What layers keep between two parts of a sequence, by the names of parts; begins empty.
State = dict[str, Any]

REGISTRY: dict[str, type[Layer]] = {}
# What a class of one's own may define anew.
OVERRIDABLE = frozenset(
    {
        "forward",
        "mask_of",
        "mask_behind",
        "config",
        "from_config",
        "reseed",
        "children",
        "sizes",
        "_replace_children",
        "_fixed",
    }
)


class Layer(Module):
    """Base class of all layers.

    Training changes `params`; `buffers` are state that is stored but not trained. Both map a name
    to an array. The parts of a composite layer are its public attributes that are layers, and the
    layers in those that are dicts, under their keys, or lists, as "blocks.0", "blocks.1". The
    dotted path of a part prefixes the names of its arrays.
    """

    __signature__: ClassVar[inspect.Signature]  # of the constructor
    kind: ClassVar[str]  # its name in files, from `register`
    # The constructor's arguments without rng: attributes that rebuild the layer.
    settings: ClassVar[tuple[str, ...]]
    # Settings that size arrays made without rng; a file must hold as many numbers as their product.
    sizes: ClassVar[tuple[str, ...]] = ()
    # What `forward` takes beside x and training: mask, state.
    options: ClassVar[frozenset[str]] = frozenset()

    # Settings from which windows or parts were made: another value would go into files alone.
    _fixed: ClassVar[Collection[str]] = ()

    # What a training says of a part whose parameters are all frozen: it computes as in inference,
    # and nothing needs its gradients.
    _frozen = False
    _needless = False

    def __init_subclass__(cls) -> None:
        constructor = inspect.signature(cls.__init__)
        (_, *arguments) = constructor.parameters.values()
        cls.__signature__ = constructor.replace(parameters=arguments)
        check_class(Layer, cls, OVERRIDABLE, keeps_arguments=cls.config is Layer.config)
        cls.settings = tuple(name for name in inspect.signature(cls).parameters if name != "rng")
        if "forward" in vars(cls):
            cls.options = frozenset(inspect.signature(cls.forward).parameters) - {
                "self",
                "x",
                "training",
            }
            cls.forward = _computed(cls.forward)  # type: ignore[method-assign]

    def __init__(self) -> None:
        """Take no arguments; the dictionaries of arrays are there before."""

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        """Make both dicts, whether or not the constructor of a class calls this one's."""
        layer = super().__new__(cls)
        vars(layer).update(params=ShapedArrays(), buffers=ShapedArrays())
        return layer

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep a number of NumPy's as Python's, which leaves arrays their dtype, and goes into
        files. Raises ConfigError for a switch or for values that would do nothing here, for a
        setting that would not be computed, and for a name of this class.
        """
        if name in ("trainable", "requires_grad"):
            form = 'Trainer(..., rates={"NAME.": 0}), with the beginning of its parameters\' names'
            raise ConfigError(f"{type(self).__name__}.{name} does not freeze a layer: {form}, does")
        check_attribute(Layer, self, name, ("params", "buffers"))
        if name in self._fixed and name in vars(self):
            advice = f"{name} stays as it is: build another layer, and give it the arrays"
            raise ConfigError(f"{type(self).__name__}.{advice}")
        if name in ("params", "buffers"):
            value = ShapedArrays(value)
        elif isinstance(value, np.generic):
            value = value.item()
        else:
            for group in ("params", "buffers"):
                if getattr(self, group).get(name, value) is not value and is_array(value):
                    form = f'layer.{group}["{name}"][...] = values'
                    raise ConfigError(f"{type(self).__name__}.{name} sets nothing: {form}, does")
        super().__setattr__(name, value)

    if not TYPE_CHECKING:  # which would then take every name for one of a layer

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):  # Python asks for these, as in `copy`.
                raise AttributeError(name)
            raise other_name(type(self).__name__, name, MEMBERS)

    def forward(self, x: Array, training: bool = False) -> Forward:
        """Apply the layer; return (y, backward), where `backward(dy) -> (dx, gradients by parameter
        name)`.
        """
        raise NotImplementedError

    def mask_of(self, x: Array) -> Array | None:
        """Return which places of a padded input hold something, bool [B, T]; None where the layer
        cannot tell.
        """
        return None

    def mask_behind(self, mask: Array) -> Array:
        """Return which places of the output hold something, from those of the input, bool [B, T]."""
        return mask

    # ---- inference -------------------------------------------------------------------------------

    def __call__(self, x: Any, **options: Any) -> Any:
        """Return y alone, as inference. To train, call `forward(x, training=True)`, which also
        returns backward.

        `x` may have any floating dtype: it is cast to that of the parameters. Further arguments go
        to `forward`.
        """
        return self.forward(self.prepared(x), False, **options)[0]

    def predict(self, x: Any, batch_size: int = 256) -> Any:
        """Return the outputs of all rows of `x`, computed `batch_size` rows at a time, as
        inference.

        x [B, ...], any floating dtype, or a tuple of such arrays -> what `forward` returns: y [B,
        ...] or a dict of such arrays. Raises ConfigError unless batch_size >= 1.
        """
        if batch_size < 1:
            raise ConfigError(f"predict: batch_size must be at least 1, not {batch_size}")
        rows = max(len(leaves(x)[0]), 1)
        starts = range(0, rows, batch_size)
        return joined_rows([self(rows_of(x, slice(start, start + batch_size))) for start in starts])

    def prepared(self, x: Any) -> Any:
        """Return `x`, an array or a tuple or dict of arrays, with floats in the parameters' dtype, on their
        backend.

        Whole numbers keep their dtype: only their meaning (indices, pixels) can tell how to cast
        them.
        """
        parameter = self.first_parameter()
        if parameter is None:
            return x

        def placed(array):
            if not is_array(array):
                return array
            dtype = array.dtype
            if dtype.kind == "f":
                dtype = parameter.dtype
            return backend_of(parameter).asarray(array, dtype)

        return mapped(placed, x)

    # ---- description -----------------------------------------------------------------------------

    def __repr__(self) -> str:
        return layer_text(self)

    def __str__(self) -> str:
        return summary_table(self)

    def summary(self, x: Any = None) -> str:
        """Return the table that `print(model)` shows; with an example batch `x` also every layer's
        output shape.
        """
        return summary_table(self, x)

    # ---- configuration ---------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return the plain JSON values from which `layer_from_config` rebuilds this layer.

        Arguments that can be given by name alone came later than files: at their default they are
        left out, so that older versions read the file. Raises ConfigError for a layer that is not
        registered, or keeps an argument of its constructor under no attribute of the same name.
        """
        name = type(self).__name__
        if not hasattr(type(self), "kind"):
            raise ConfigError(f'{name} has no name in files: put @register("name") above the class')
        if missing := [setting for setting in self.settings if not hasattr(self, setting)]:
            raise ConfigError(
                f"{name}: expected attributes like the constructor's arguments, found no {missing}"
            )
        arguments = inspect.signature(type(self)).parameters
        config: dict[str, Any] = {"layer": self.kind}
        for name in self.settings:
            value = _described(getattr(self, name))
            came_later = arguments[name].kind is inspect.Parameter.KEYWORD_ONLY
            if not came_later or value != arguments[name].default:
                config[name] = value
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: Generator) -> Self:
        """Build the layer from `config()`, without its "layer" entry, with random weights from
        `rng`.
        """
        arguments = {name: _built(value, rng) for name, value in config.items()}
        if "rng" in inspect.signature(cls).parameters:
            arguments["rng"] = rng
        return cls(**arguments)

    # ---- randomness ------------------------------------------------------------------------------

    def reseed(self, *seed: int) -> None:
        """Restart the random generators of all parts (dropout masks) from `seed`, non-negative
        integers.

        To make a training step repeatable on any thread, reseed with the integers that identify the
        step.
        """
        for number, child in enumerate(self.children().values()):
            child.reseed(*seed, number)


LayerType = TypeVar("LayerType", bound=type[Layer])


def register(kind: str) -> Callable[[LayerType], LayerType]:
    """Class decorator: make a layer known to files and to the gradient check under `kind`."""

    def decorate(layer_type):
        layer_type.kind = kind
        REGISTRY[kind] = layer_type
        return layer_type

    return decorate


def _computed(forward: Callable[..., Forward]) -> Callable[..., Forward]:
    """Let forward and backward use one thread of BLAS, a frozen layer compute as in inference, and
    backward refuse a gradient that a kernel would read behind its end.
    """

    @functools.wraps(forward)
    def computed(self, x, training=False, *further, **options):
        with one_blas_thread:
            y, backward = forward(self, x, training and not self._frozen, *further, **options)
        shape = getattr(y, "shape", None)  # a dict has none: its parts check their own

        def computed_backward(dy):
            if shape is not None:
                check_gradient(self, dy, shape)
            with one_blas_thread:
                dx, grads = backward(dy)
            arrays = dict(grads)
            for name, array in grads.items():
                # A sum over all axes is no array, and limits and shards change gradients in place.
                if isinstance(array, np.generic):
                    arrays[name] = np.asarray(array)
            return dx, arrays

        return y, computed_backward

    return computed


def layer_from_config(config: Mapping[str, Any], rng: Generator) -> Layer:
    """Build a layer from its configuration. Raises ConfigError for an unknown kind or arguments
    that do not fit.
    """
    kind = None
    if isinstance(config, Mapping):
        kind = config.get("layer")
    if not isinstance(kind, str) or kind not in REGISTRY:
        advice = (
            "first import the module that registers it, "
            "such as engine.network.sparse.sparse_model for sparse networks"
        )
        raise ConfigError(f"unknown layer {kind!r}: {advice}; known: {', '.join(sorted(REGISTRY))}")
    arguments = dict(config)
    del arguments["layer"]
    try:
        return REGISTRY[kind].from_config(arguments, rng)
    except (TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError) as error:
        raise ConfigError(f"configuration of layer {kind!r} does not fit: {error}") from error


def _described(value: Any) -> Any:
    """Return a setting as JSON values: a layer, or layers in dicts and lists, as configurations."""
    if isinstance(value, dict):
        return {name: _described(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_described(part) for part in value]
    if isinstance(value, Layer):
        return value.config()
    return value


def _built(value: Any, rng: Generator) -> Any:
    """Undo `_described`."""
    if isinstance(value, list):
        return [_built(part, rng) for part in value]
    if not isinstance(value, Mapping):
        return value
    if isinstance(value.get("layer"), str):
        return layer_from_config(value, rng)
    return {name: _built(part, rng) for name, part in value.items()}


def forward_part(
    name: str,
    part: Layer,
    x: Any,
    training: bool,
    mask: Array | None = None,
    state: State | None = None,
) -> Forward:
    """Run the part `name` of a composite layer with the mask and its part of the state, if it takes
    these.

    Backward names the part's gradients as the composite layer does. A ShapeError names the part by
    its dotted path.
    """
    options: dict[str, Any] = {}
    if mask is not None and "mask" in part.options:
        options["mask"] = mask
    if state is not None and "state" in part.options:
        options["state"] = state.setdefault(name, {})
    try:
        y, part_backward = part.forward(x, training, **options)
    except ShapeError as error:
        error.layer = dotted(str(name), error.layer)
        raise
    if part._needless:
        return y, lambda dy: (None, {})

    def backward(dy):
        dx, grads = part_backward(dy)
        return dx, prefixed(name, grads)

    return y, backward


def prefixed(prefix: str, grads: Mapping[str, Array]) -> Gradients:
    """Return the gradients of a part under their names in the composite layer."""
    return {f"{prefix}.{name}": array for name, array in grads.items()}


def check_distinct(parts: Mapping[str, Layer]) -> None:
    """Raise ConfigError where one layer with arrays stands in two places of these parts and what is
    inside them.
    """
    places: dict[int, str] = {}
    for name, part in parts.items():
        for path, layer in part.walk(name):
            if not layer.params and not layer.buffers:
                continue
            first = places.setdefault(id(layer), path)
            if first != path:
                raise ConfigError(
                    f"{first} and {path} are one layer, which would be trained twice: build two"
                )
