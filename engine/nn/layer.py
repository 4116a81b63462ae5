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

import copy
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np

from engine.backend import Backend, address, backend_of, check_together, get_backend
from engine.errors import ConfigError, ShapeError
from engine.nn.array_forms import (
    Array,
    check_gradient,
    copy_tensors,
    form_of,
    is_array,
    joined_rows,
    rows_of,
)
from engine.nn.names import MEMBERS, explained, other_name
from engine.nn.summary import layer_text, summary_table

Gradients = dict[str, Array]
Backward = Callable[[Array], tuple[Array, Gradients]]
Forward = tuple[Any, Backward]  # of `forward`: y, and what backward makes of its gradient
# What layers keep between two parts of a sequence, by the names of parts; begins empty.
State = dict[str, Any]

REGISTRY: dict[str, type[Layer]] = {}


class Loaded(NamedTuple):
    """What `load_parameters` did, by names."""

    taken: list[str]  # parameters and buffers that have new values
    kept: list[str]  # those that keep theirs
    unused: list[str]  # tensors that no parameter and no buffer of this shape takes


class Layer:
    """Base class of all layers.

    Training changes `params`; `buffers` are state that is stored but not trained. Both map a name
    to an array. The parts of a composite layer are its public attributes that are layers, and the
    layers in those that are dicts, under their keys, or lists, as "blocks.0", "blocks.1". The
    dotted path of a part prefixes the names of its arrays.
    """

    kind: ClassVar[str]  # its name in files, from `register`
    # The constructor's arguments without rng: attributes that rebuild the layer.
    settings: ClassVar[tuple[str, ...]]
    # Settings that size arrays made without rng; a file must hold as many numbers as their product.
    sizes: ClassVar[tuple[str, ...]] = ()
    # What `forward` takes beside x and training: mask, state.
    options: ClassVar[frozenset[str]] = frozenset()

    # What a training says of a part whose parameters are all frozen: it computes as in inference,
    # and nothing needs its gradients.
    _frozen = False
    _needless = False

    def __init_subclass__(cls) -> None:
        if "__init__" in vars(cls):
            cls.__init__ = explained(cls.__init__, first=Layer.__init__)  # type: ignore[method-assign]
        cls.settings = tuple(name for name in inspect.signature(cls).parameters if name != "rng")
        if "forward" in vars(cls):
            cls.options = frozenset(inspect.signature(cls.forward).parameters) - {
                "self",
                "x",
                "training",
            }
            cls.forward = _checking_gradient(cls.forward)  # type: ignore[method-assign]

    params: dict[str, Array]
    buffers: dict[str, Array]

    def __init__(self) -> None:
        """Make both dicts: for the constructor of each class, whether or not that calls this one."""
        vars(self).setdefault("params", {})
        vars(self).setdefault("buffers", {})

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep a number of NumPy's as Python's, which leaves arrays their dtype, and goes into
        files. Raises ConfigError for a switch of other libraries that would do nothing here.
        """
        if name in ("trainable", "requires_grad"):
            form = 'Trainer(..., rates={"NAME.": 0}), with the beginning of its parameters\' names'
            raise ConfigError(f"{type(self).__name__}.{name} does not freeze a layer: {form}, does")
        super().__setattr__(name, value.item() if isinstance(value, np.generic) else value)

    if not TYPE_CHECKING:  # which would then take every name for one of a layer

        def __getattr__(self, name: str) -> Any:
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
        starts = range(0, max(len(x[0] if isinstance(x, tuple) else x), 1), batch_size)
        return joined_rows([self(rows_of(x, slice(start, start + batch_size))) for start in starts])

    def prepared(self, x: Any) -> Any:
        """Return `x`, an array or a tuple of arrays, with floats in the parameters' dtype, on their
        backend.

        Whole numbers keep their dtype: only their meaning (indices, pixels) can tell how to cast
        them.
        """
        if isinstance(x, tuple):
            return tuple(self.prepared(part) for part in x)
        parameter = self.first_parameter()
        if parameter is None or not is_array(x):
            return x
        dtype = parameter.dtype if x.dtype.kind == "f" else x.dtype
        x = x if x.dtype == dtype else x.astype(dtype)
        if (backend := backend_of(parameter)) is backend_of(x):
            return x
        return backend.asarray(x) if x.dtype.kind == "f" else backend.asarray_of_known_bounds(x)

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
        later = {
            name: given.default
            for name, given in inspect.signature(type(self)).parameters.items()
            if given.kind is given.KEYWORD_ONLY
        }
        values = {name: _described(getattr(self, name)) for name in self.settings}
        return {"layer": self.kind} | {
            name: value
            for name, value in values.items()
            if name not in later or value != later[name]
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: np.random.Generator) -> Self:
        """Build the layer from `config()`, without its "layer" entry, with random weights from
        `rng`.
        """
        arguments = {name: _built(value, rng) for name, value in config.items()}
        if "rng" in inspect.signature(cls).parameters:
            arguments["rng"] = rng
        return cls(**arguments)

    def children(self) -> dict[str, Layer]:
        """Return the parts of a composite layer by name; empty for a plain layer."""
        parts: dict[str, Layer] = {}
        for name, value in self._own_parts():
            parts |= _layers_in(name, value, name)
        return parts

    # ---- arrays by dotted name -------------------------------------------------------------------

    def named_parameters(self) -> dict[str, Array]:
        """All trained arrays by dotted name, in a fixed order.

        Raises ConfigError where two names have one array, or views of it: a step would move it
        twice, a file hold two.
        """
        found = {name: owner.params[key] for name, owner, key in self._entries("params")}
        places = {name: address(array) for name, array in found.items()}
        names = {place: name for name, place in places.items()}
        for name, place in places.items():
            if names[place] != name:
                raise ConfigError(
                    f"{name} and {names[place]} are one array, which would be trained twice: copy it"
                )
        return found

    def first_parameter(self) -> Array | None:
        """Return the first of `named_parameters`: all have its dtype and backend; None without any."""
        entries = self._entries("params")
        return next((owner.params[key] for _, owner, key in entries), None)

    def named_buffers(self) -> dict[str, Array]:
        """All stored but untrained arrays (running statistics) by dotted name."""
        return {name: owner.buffers[key] for name, owner, key in self._entries("buffers")}

    def load_parameters(self, tensors: Mapping[str, Array], partial: bool = False) -> Loaded:
        """Copy values into the parameters and any given buffers; the layer keeps its dtype and
        backend. Returns what was taken.

        With `partial`, take what fits by name and shape, and leave the rest as it is: a trunk that
        another network learned, but not its head. Raises ConfigError when a parameter is missing or
        a name is unknown, with `partial` when nothing fits; ShapeError when a shape differs.
        """
        parameters = self.named_parameters()
        buffers = self.named_buffers()
        own = parameters | buffers
        if partial:
            given = tensors
            tensors = {
                name: array
                for name, array in given.items()
                if name in own and tuple(array.shape) == tuple(own[name].shape)
            }
            if not tensors:
                found = f"expected some of {[*own][:4]}, found {[*given][:4]}"
                raise ConfigError(f"no tensor fits the model by name and shape: {found}")
        else:
            given = tensors
            missing = sorted(parameters.keys() - tensors.keys())
            unknown = sorted(tensors.keys() - own.keys())
            if missing or unknown:
                raise ConfigError(
                    f"tensors do not fit the model: missing {missing[:4]}, unknown {unknown[:4]}"
                )
        copy_tensors(tensors, own)
        kept = [name for name in own if name not in tensors]
        return Loaded([*tensors], kept, [name for name in given if name not in tensors])

    def adopt_parameters(self, tensors: Mapping[str, Array]) -> None:
        """Use these arrays as the parameters, without a copy: every training step changes them in
        place.

        Raises ConfigError when a parameter is missing, ShapeError for an array that lies elsewhere
        than the model.
        """
        own = self.named_parameters()
        if missing := sorted(own.keys() - tensors.keys()):
            raise ConfigError(f"tensors do not fit the model: missing {missing[:4]}")
        for name, parameter in own.items():
            check_together("adopt_parameters", **{name: tensors[name], "model": parameter})
        for name, owner, key in list(self._entries("params")):
            owner.params[key] = tensors[name]

    def load_buffers(self, tensors: Mapping[str, Array]) -> None:
        """Copy values into the buffers; names as in `named_buffers`. Raises ConfigError for an
        unknown name.
        """
        buffers = self.named_buffers()
        unknown = sorted(tensors.keys() - buffers.keys())
        if unknown:
            raise ConfigError(f"the model has no buffers named {unknown[:4]}")
        copy_tensors(tensors, buffers)

    # ---- randomness ------------------------------------------------------------------------------

    def reseed(self, *seed: int) -> None:
        """Restart the random generators of all parts (dropout masks) from `seed`, non-negative
        integers.

        To make a training step repeatable on any thread, reseed with the integers that identify the
        step.
        """
        for number, child in enumerate(self.children().values()):
            child.reseed(*seed, number)

    # ---- copies ----------------------------------------------------------------------------------

    def replica(self) -> Self:
        """Return a layer for another thread that shares the parameter arrays and copies the
        buffers.
        """
        return self._rebuilt(lambda array: array, lambda array: array.copy())

    def astype(self, dtype: Any) -> Self:
        """Return a copy of the layer with parameters and buffers of `dtype`, but for those of whole
        numbers.
        """
        return self._converted(
            lambda array: array.astype(dtype if array.dtype.kind == "f" else array.dtype)
        )

    def to(self, backend: Backend | str) -> Self:
        """Return a copy of the layer on `backend`, which is an object or a name for `get_backend`."""
        return self._converted(
            (get_backend(backend) if isinstance(backend, str) else backend).asarray
        )

    def with_children(self, children: dict[str, Layer]) -> Self:
        """Return a copy with `children` in place of its own, under names the layer can call one
        after the other.
        """
        twin = copy.copy(self)
        twin._replace_children(dict(children))
        return twin

    def _converted(self, change: Callable[[Array], Array]) -> Self:
        self.named_parameters()  # refuses an array that two layers share: each would get its own
        return self._rebuilt(change, change)

    def _rebuilt(
        self, parameter: Callable[[Array], Array], buffer: Callable[[Array], Array]
    ) -> Self:
        twin = self.with_children(
            {name: child._rebuilt(parameter, buffer) for name, child in self.children().items()}
        )
        twin.params = {name: parameter(array) for name, array in self.params.items()}
        twin.buffers = {name: buffer(array) for name, array in self.buffers.items()}
        return twin

    def _replace_children(self, children: dict[str, Layer]) -> None:
        """Put `children` in place of the parts of the same names."""
        for name, value in list(self._own_parts()):
            setattr(self, name, _replaced(name, value, name, children))

    def walk(self, path: str = "") -> Iterator[tuple[str, Layer]]:
        """Yield this layer and all layers inside it by dotted path, which begins at `path`, each
        before its parts.
        """
        yield path, self
        for name, part in self.children().items():
            yield from part.walk(f"{path}.{name}" if path else name)

    def hidden_parts(self) -> list[str]:
        """Return the paths of layers with arrays in private attributes, which are no parts."""
        parts = {id(layer) for _, layer in self.walk()}
        return [
            f"{path}.{name}" if path else name
            for path, owner in self.walk()
            for name, value in vars(owner).items()
            if name[0] == "_"
            and any(
                id(one) not in parts and one.named_parameters()
                for one in _layers_in(name, value, name).values()
            )
        ]

    def _own_parts(self) -> Iterator[tuple[str, Any]]:
        """Yield the public attributes that are layers, or dicts or lists of layers, by name."""
        for name, value in vars(self).items():
            if not isinstance(value, Layer | dict | list | tuple):
                continue  # most attributes, in every walk
            is_open = name[0] != "_" and name not in ("params", "buffers")
            if is_open and _layers_in(name, value, name):
                yield name, value

    def _entries(self, group: str) -> Iterator[tuple[str, Layer, str]]:
        for path, layer in self.walk():
            for key in getattr(layer, group):
                yield f"{path}.{key}" if path else key, layer, key


class Places:
    """Where a model keeps its "params" or "buffers": found once, read often, while its parts stay
    the same ones.
    """

    def __init__(self, model: Layer, group: str) -> None:
        self._found = [
            (name, getattr(owner, group), key) for name, owner, key in model._entries(group)
        ]

    def read(self) -> dict[str, Array]:
        """Return the arrays that are there now, by name."""
        return {name: arrays[key] for name, arrays, key in self._found}


LayerType = TypeVar("LayerType", bound=type[Layer])


def register(kind: str) -> Callable[[LayerType], LayerType]:
    """Class decorator: make a layer known to files and to the gradient check under `kind`."""

    def decorate(layer_type):
        layer_type.kind = kind
        REGISTRY[kind] = layer_type
        return layer_type

    return decorate


def layer_from_config(config: Mapping[str, Any], rng: np.random.Generator) -> Layer:
    """Build a layer from its configuration. Raises ConfigError for an unknown kind or arguments
    that do not fit.
    """
    kind = config.get("layer") if isinstance(config, Mapping) else None
    if not isinstance(kind, str) or kind not in REGISTRY:
        advice = (
            "first import the module that registers it, "
            "such as engine.network.policy.sparse_model for sparse networks"
        )
        raise ConfigError(f"unknown layer {kind!r}: {advice}; known: {', '.join(sorted(REGISTRY))}")
    arguments = {key: value for key, value in config.items() if key != "layer"}
    try:
        return REGISTRY[kind].from_config(arguments, rng)
    except (TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"configuration of layer {kind!r} does not fit: {error}") from error


def _paths(path: str, value: Any, attribute: str) -> dict[str, Any]:
    """Return what a dict or a list holds by path, for other values nothing. The keys of a dict in
    an attribute are whole paths.
    """
    if isinstance(value, dict):
        start = "" if path == attribute else f"{path}."
        return {f"{start}{key}": part for key, part in value.items()}
    is_list = isinstance(value, list | tuple)
    return {f"{path}.{n}": part for n, part in enumerate(value)} if is_list else {}


def _layers_in(path: str, value: Any, attribute: str) -> dict[str, Layer]:
    """Return the layers in the value of an attribute by path, in dicts and lists at any depth."""
    if isinstance(value, Layer):
        return {path: value}
    found: dict[str, Layer] = {}
    for name, part in _paths(path, value, attribute).items():
        found |= _layers_in(name, part, attribute)
    return found


def _replaced(path: str, value: Any, attribute: str, children: Mapping[str, Layer]) -> Any:
    """Return the value of an attribute with other layers in the place of its own."""
    if isinstance(value, Layer):
        return children[path]
    found = _paths(path, value, attribute)
    parts = [_replaced(name, part, attribute, children) for name, part in found.items()]
    if isinstance(value, dict):
        return dict(zip(value, parts, strict=True))
    return type(value)(parts) if isinstance(value, list | tuple) else value


def _described(value: Any) -> Any:
    """Return a setting as JSON values: a layer, or layers in dicts and lists, as configurations."""
    if isinstance(value, dict):
        return {name: _described(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_described(part) for part in value]
    return value.config() if isinstance(value, Layer) else value


def _built(value: Any, rng: np.random.Generator) -> Any:
    """Undo `_described`."""
    if isinstance(value, list):
        return [_built(part, rng) for part in value]
    if not isinstance(value, Mapping):
        return value
    if isinstance(value.get("layer"), str):
        return layer_from_config(value, rng)
    return {name: _built(part, rng) for name, part in value.items()}


def _checking_gradient(
    forward: Callable[..., Forward],
) -> Callable[..., Forward]:
    """Let forward refuse a state that is no dict, and backward a gradient that would be broadcast
    to the shape of y.
    """

    @functools.wraps(forward)
    def checked(self, *arguments, **options):
        if not isinstance(state := options.get("state"), dict | None):
            raise ConfigError(
                f"{type(self).__name__}: expected a dict as state, at first {{}}, found {form_of(state)}"
            )
        result: Any = forward(self, *arguments, **options)
        if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
            form = "`return y, backward`, where backward(dy) returns (dx, gradients by name)"
            raise ConfigError(f"{type(self).__name__}.forward: {form}; found {form_of(result)}")
        y, backward = result
        shape = getattr(y, "shape", None)  # a dict has none: its parts check their own

        def checked_backward(dy):
            if shape is not None:
                check_gradient(self, dy, shape)
            result: Any = backward(dy)
            if not isinstance(result, tuple) or not isinstance(result[-1], Mapping):
                form = "`return dx, grads`, where grads holds arrays by the names of parameters"
                raise ConfigError(
                    f"{type(self).__name__}'s backward: {form}; found {form_of(result)}"
                )
            dx, grads = result
            # A sum over all axes is no array, and limits and shards change gradients in place.
            return dx, {
                name: np.asarray(one) if isinstance(one, np.generic) else one
                for name, one in grads.items()
            }

        return y, checked_backward

    return checked


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
    given = {"mask": mask, "state": None if state is None else state.setdefault(name, {})}
    options = {
        key: value for key, value in given.items() if value is not None and key in part.options
    }
    try:
        y, part_backward = part.forward(x, training and not part._frozen, **options)
    except ShapeError as error:
        error.layer = f"{name}.{error.layer}" if error.layer else name
        raise

    def backward(dy):
        dx, grads = part_backward(dy)
        return dx, prefixed(name, grads)

    return y, _no_gradient if part._needless else backward


def _no_gradient(dy: Array) -> tuple[None, Gradients]:
    return None, {}


def prefixed(prefix: str, grads: Mapping[str, Array]) -> Gradients:
    """Return the gradients of a part under their names in the composite layer."""
    return {f"{prefix}.{name}": array for name, array in grads.items()}
