"""The layer interface: parameters, buffers, a configuration, and a forward pass that returns its backward pass.

    y, backward = layer.forward(x, training=True)
    dx, grads = backward(dy)            # grads: {"conv1.weight": array, ...}, named like the parameters

``backward`` closes over what it needs. The layer keeps nothing about a call, so one network may use a layer twice and
several threads may use it at once. There are two exceptions, both in training mode only: the running statistics of
BatchNorm (use ``replica``) and the generator of dropout masks (use ``reseed``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from engine.backend import Backend, backend_of, get_backend
from engine.errors import ConfigError, ShapeError

Array = Any  # numpy.ndarray or cupy.ndarray
Gradients = dict[str, Array]
Backward = Callable[[Array], tuple[Array, Gradients]]

REGISTRY: dict[str, type[Layer]] = {}


class Layer:
    """Base class of all layers.

    Training changes ``params``; ``buffers`` are state that is stored but not trained. Both map a name to an array.
    Composite layers name their parts in ``children``; the dotted path of a part prefixes the names of its arrays.
    """

    kind: ClassVar[str]

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}

    def forward(self, x: Array, training: bool = False) -> tuple[Any, Backward]:
        """Apply the layer; return (y, backward), where ``backward(dy) -> (dx, gradients by parameter name)``."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """Return the plain JSON values from which ``layer_from_config`` rebuilds this layer."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: np.random.Generator) -> Self:
        """Build the layer from ``config()``, without its "layer" entry, with random weights from ``rng``."""
        arguments = dict(config)
        if "rng" in cls.__init__.__code__.co_varnames:
            arguments["rng"] = rng
        return cls(**arguments)

    def children(self) -> dict[str, Layer]:
        """The parts of a composite layer by name; empty for a plain layer."""
        return {}

    # ---- arrays by dotted name ------------------------------------------------------------------------------------

    def named_parameters(self) -> dict[str, Array]:
        """All trained arrays by dotted name, in a fixed order."""
        return {name: owner.params[key] for name, owner, key in self._entries("params")}

    def named_buffers(self) -> dict[str, Array]:
        """All stored but untrained arrays (running statistics) by dotted name."""
        return {name: owner.buffers[key] for name, owner, key in self._entries("buffers")}

    def load_parameters(self, tensors: Mapping[str, Array]) -> None:
        """Copy values into the parameters and any given buffers; the layer keeps its dtype and backend.

        Raises ConfigError when a parameter is missing or a name is unknown, ShapeError when a shape differs.
        """
        parameters, buffers = self.named_parameters(), self.named_buffers()
        missing = sorted(parameters.keys() - tensors.keys())
        unknown = sorted(tensors.keys() - parameters.keys() - buffers.keys())
        if missing or unknown:
            raise ConfigError(f"tensors do not fit the model: missing {missing[:4]}, unknown {unknown[:4]}")
        copy_tensors(tensors, parameters | buffers)

    def adopt_parameters(self, tensors: Mapping[str, Array]) -> None:
        """Use these arrays as the parameters, without a copy: every training step changes them in place.

        Raises ConfigError when a parameter is missing.
        """
        missing = sorted(self.named_parameters().keys() - tensors.keys())
        if missing:
            raise ConfigError(f"tensors do not fit the model: missing {missing[:4]}")
        for name, owner, key in list(self._entries("params")):
            owner.params[key] = tensors[name]

    def load_buffers(self, tensors: Mapping[str, Array]) -> None:
        """Copy values into the buffers; names as in ``named_buffers``. Raises ConfigError for an unknown name."""
        buffers = self.named_buffers()
        unknown = sorted(tensors.keys() - buffers.keys())
        if unknown:
            raise ConfigError(f"the model has no buffers named {unknown[:4]}")
        copy_tensors(tensors, buffers)

    # ---- randomness -----------------------------------------------------------------------------------------------

    def reseed(self, *seed: int) -> None:
        """Restart the random generators of all parts (dropout masks) from ``seed``, non-negative integers.

        To make a training step repeatable on any thread, reseed with the integers that identify the step.
        """
        for number, child in enumerate(self.children().values()):
            child.reseed(*seed, number)

    # ---- copies ---------------------------------------------------------------------------------------------------

    def replica(self) -> Self:
        """Return a layer for another thread that shares the parameter arrays and copies the buffers."""
        return self._rebuilt(lambda array: array, lambda array: array.copy())

    def astype(self, dtype: Any) -> Self:
        """Return a copy of the layer with parameters and buffers of ``dtype``."""
        return self._rebuilt(lambda array: array.astype(dtype), lambda array: array.astype(dtype))

    def to(self, backend: Backend | str) -> Self:
        """Return a copy of the layer on ``backend``, which is an object or a name for ``get_backend``."""
        backend = get_backend(backend) if isinstance(backend, str) else backend
        return self._rebuilt(backend.asarray, backend.asarray)

    def with_children(self, children: dict[str, Layer]) -> Self:
        """Return a copy with `children` in place of its own, under names the layer can call one after the other."""
        twin = copy.copy(self)
        twin._replace_children(dict(children))
        return twin

    def _rebuilt(self, parameter: Callable[[Array], Array], buffer: Callable[[Array], Array]) -> Self:
        twin = self.with_children({name: child._rebuilt(parameter, buffer) for name, child in self.children().items()})
        twin.params = {name: parameter(array) for name, array in self.params.items()}
        twin.buffers = {name: buffer(array) for name, array in self.buffers.items()}
        return twin

    def _replace_children(self, children: dict[str, Layer]) -> None:
        """Replace the child layers by ``children``; composite layers override this."""

    def _entries(self, group: str) -> Iterator[tuple[str, Layer, str]]:
        for key in getattr(self, group):
            yield key, self, key
        for child_name, child in self.children().items():
            for name, owner, key in child._entries(group):
                yield f"{child_name}.{name}", owner, key


LayerType = TypeVar("LayerType", bound=type[Layer])


def register(kind: str) -> Callable[[LayerType], LayerType]:
    """Class decorator: make a layer known to files and to the gradient check under ``kind``."""

    def decorate(layer_type: LayerType) -> LayerType:
        layer_type.kind = kind
        REGISTRY[kind] = layer_type
        return layer_type

    return decorate


def layer_from_config(config: Mapping[str, Any], rng: np.random.Generator) -> Layer:
    """Build a layer from its configuration. Raises ConfigError for an unknown kind or arguments that do not fit."""
    kind = config.get("layer") if isinstance(config, Mapping) else None
    if not isinstance(kind, str) or kind not in REGISTRY:
        raise ConfigError(f"unknown layer {kind!r}; known: {', '.join(sorted(REGISTRY))}")
    arguments = {key: value for key, value in config.items() if key != "layer"}
    try:
        return REGISTRY[kind].from_config(arguments, rng)
    except (TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"configuration of layer {kind!r} does not fit: {error}") from error


def copy_tensors(source: Mapping[str, Array], target: Mapping[str, Array]) -> None:
    """Copy each array of ``source`` into ``target``'s array of the same name; ShapeError when shapes differ."""
    for name, array in source.items():
        if tuple(array.shape) != tuple(target[name].shape):
            raise ShapeError(f"{name}: expected shape {tuple(target[name].shape)}, found {tuple(array.shape)}")
    for name, array in source.items():
        target[name][...] = backend_of(target[name]).asarray(array)


_KINDS = {"floating": "f", "integer": "iu", "numeric": "fiu"}  # values are NumPy's dtype kind letters


def check_input(owner: object, x: Array, *sides: int | str, dtype: Any = "floating") -> None:
    """Raise ShapeError unless ``x`` is an array with these sides and this dtype; the message names both.

    A number must equal the side, a name matches any size, and "..." matches any number of sides. ``dtype`` is one
    dtype, or "floating", "integer" or "numeric" for all dtypes of that kind.
    """
    shape, kind = getattr(x, "shape", None), getattr(getattr(x, "dtype", None), "kind", "")
    fits_dtype = kind in _KINDS[dtype] if isinstance(dtype, str) else kind and x.dtype == dtype
    if not isinstance(shape, tuple) or not fits_dtype or not _fits(shape, sides):
        found = type(x).__name__ if shape is None else f"{x.dtype} {list(shape)}"
        expected = ", ".join(str(side) for side in sides)
        raise ShapeError(f"{type(owner).__name__}: expected {dtype} [{expected}], found {found}")


def _fits(shape: tuple[int, ...], sides: tuple[int | str, ...]) -> bool:
    if "..." in sides:
        gap = sides.index("...")
        after = len(sides) - gap - 1
        if len(shape) < gap + after:
            return False
        shape = shape[:gap] + shape[len(shape) - after :]
        sides = sides[:gap] + sides[gap + 1 :]
    if len(shape) != len(sides):
        return False
    return all(isinstance(side, str) or found == side for found, side in zip(shape, sides, strict=True))


def check_gradient(owner: object, dy: Array, shape: tuple[int, ...]) -> None:
    """Raise ShapeError unless the gradient ``dy`` has the shape of its result."""
    if getattr(dy, "shape", None) != shape:
        found = list(dy.shape) if hasattr(dy, "shape") else type(dy).__name__
        raise ShapeError(f"{type(owner).__name__}: expected a gradient {list(shape)}, found {found}")


def prefixed(prefix: str, grads: Mapping[str, Array]) -> Gradients:
    """Return the gradients of a part under their names in the composite layer."""
    return {f"{prefix}.{name}": array for name, array in grads.items()}
