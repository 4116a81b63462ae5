"""The parts of a layer and their arrays by dotted name: to read, to load, to copy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

from engine.backend import Backend, address, get_backend
from engine.errors import ConfigError
from engine.nn.array_checks import Array, ArrayDict, NamedArrays, copies, copy_tensors, mapped


def dotted(*names: str) -> str:
    """Join names of parts and of an array; that of the whole model is empty."""
    return ".".join(filter(None, names))


class LoadReport(NamedTuple):
    """What `load_parameters` did, by names."""

    taken: list[str]  # parameters and buffers that have new values
    kept: list[str]  # those that keep theirs
    unused: list[str]  # tensors that no parameter and no buffer of this shape takes


class Module:
    """What has arrays, and parts that have arrays.

    The parts are its public attributes that are such trees, and those in attributes that are dicts,
    under their keys, or lists, as "blocks.0", "blocks.1". The dotted path of a part prefixes the
    names of its arrays.
    """

    params: ArrayDict
    buffers: ArrayDict

    # ---- parts -----------------------------------------------------------------------------------

    def children(self) -> dict[str, Any]:
        """Return the parts of a composite layer by name; empty for a plain layer."""
        parts: dict[str, Any] = {}
        for parts_of_attribute in self._own_parts().values():
            parts |= parts_of_attribute
        return parts

    def _own_parts(self) -> dict[str, dict[str, Any]]:
        """Return the parts in each public attribute that holds some."""
        parts = {}
        for name, value in vars(self).items():
            if not isinstance(value, CONTAINERS) or name[0] == "_" or name in ("params", "buffers"):
                continue
            if parts_of_attribute := _parts_in(_path_of(name, value), value):
                parts[name] = parts_of_attribute
        return parts

    def walk(self, path: str = "") -> Iterator[tuple[str, Any]]:
        """Yield this layer and all layers inside it by dotted path, which begins at `path`, each
        before its parts. Raises ConfigError for a layer inside itself.
        """
        waiting: list[tuple[str, Module, tuple[int, ...]]] = [(path, self, ())]
        while waiting:
            path, layer, outside = waiting.pop()
            if id(layer) in outside:
                raise ConfigError(
                    f"{path} is a layer inside itself: keep it in a private attribute"
                )
            yield path, layer
            start = path and f"{path}."
            for name, part in reversed(layer.children().items()):
                waiting.append((start + name, part, (*outside, id(layer))))

    # ---- arrays by dotted name -------------------------------------------------------------------

    def named_parameters(self) -> ArrayDict:
        """All trained arrays by dotted name, in a fixed order.

        Raises ConfigError where two names have one array, or views of it: a step would move it
        twice, a file hold two.
        """
        arrays = _arrays(self.walk(), "params")
        names: dict[int, str] = {}
        for name, array in arrays.items():
            first = names.setdefault(address(array), name)
            if first != name:
                raise ConfigError(
                    f"{first} and {name} are one array, which would be trained twice: copy it"
                )
        return arrays

    def first_parameter(self) -> Array | None:
        """Return the first of `named_parameters`: all have its dtype and backend; None without any."""
        for _, part in self.walk():
            if part.params:
                return next(iter(part.params.values()))
        return None

    def named_buffers(self) -> ArrayDict:
        """All stored but untrained arrays (running statistics) by dotted name."""
        return _arrays(self.walk(), "buffers")

    def load_parameters(self, tensors: NamedArrays, partial: bool = False) -> LoadReport:
        """Copy values into the parameters and any given buffers; the layer keeps its dtype and
        backend. Returns what was taken.

        With `partial`, take what fits by name and shape, and leave the rest as it is: a trunk that
        another network learned, but not its head. Raises ConfigError when a parameter is missing or
        a name is unknown, with `partial` when nothing fits; ShapeError when a shape differs.
        """
        parameters = self.named_parameters()
        own = parameters | self.named_buffers()
        fitting = dict(tensors)
        if partial:
            for name, array in tensors.items():
                if name not in own or tuple(array.shape) != tuple(own[name].shape):
                    del fitting[name]
            if not fitting:
                names = f"expected some of {[*own][:4]}, found {[*tensors][:4]}"
                raise ConfigError(f"no tensor fits the model by name and shape: {names}")
        else:
            missing = sorted(parameters.keys() - tensors.keys())
            unknown = sorted(tensors.keys() - own.keys())
            if missing or unknown:
                raise ConfigError(
                    f"tensors do not fit the model: missing {missing[:4]}, unknown {unknown[:4]}"
                )
        copy_tensors(fitting, own)
        unchanged = [name for name in own if name not in fitting]
        return LoadReport([*fitting], unchanged, [name for name in tensors if name not in fitting])

    def adopt_parameters(self, tensors: NamedArrays) -> None:
        """Use these arrays as the parameters, without a copy: every training step changes them in
        place. Raises ConfigError when a parameter is missing.
        """
        own = self.named_parameters()
        if missing := sorted(own.keys() - tensors.keys()):
            raise ConfigError(f"tensors do not fit the model: missing {missing[:4]}")
        for path, layer in self.walk():
            for name in layer.params:
                # A trainer's own kernels may read them in other shapes.
                dict.__setitem__(layer.params, name, tensors[dotted(path, name)])

    def load_buffers(self, tensors: NamedArrays) -> None:
        """Copy values into the buffers; names as in `named_buffers`. Raises ConfigError for an
        unknown name.
        """
        buffers = self.named_buffers()
        unknown = sorted(tensors.keys() - buffers.keys())
        if unknown:
            raise ConfigError(f"the model has no buffers named {unknown[:4]}")
        copy_tensors(tensors, buffers)

    # ---- copies ----------------------------------------------------------------------------------

    def replica(self) -> Self:
        """Return a layer for another thread that shares the dictionaries of parameters and copies
        the buffers.
        """
        twin = self.with_children(mapped(lambda part: part.replica(), self.children()))
        vars(twin)["params"] = self.params
        twin.buffers = copies(self.buffers)
        return twin

    def copy(self) -> Self:
        """Return a copy of the layer and its parts, with arrays of its own."""
        return self._converted(lambda array: array.copy(order="K"))

    def astype(self, dtype: Any) -> Self:
        """Return a copy of the layer with parameters and buffers of `dtype`, but for those of whole
        numbers.
        """

        def cast(array):
            if array.dtype.kind == "f":
                return array.astype(dtype)
            return array.astype(array.dtype)

        return self._converted(cast)

    def to(self, backend: Backend | str) -> Self:
        """Return a copy of the layer on `backend`, which is an object or a name for `get_backend`."""
        if isinstance(backend, str):
            backend = get_backend(backend)
        return self._converted(backend.asarray)

    def with_children(self, children: dict[str, Any]) -> Self:
        """Return a copy with `children` in place of its own, under names the layer can call one
        after the other.
        """
        twin = copy.copy(self)
        twin._replace_children(dict(children))
        return twin

    def _converted(self, change: Callable[[Array], Array]) -> Self:
        self.named_parameters()  # refuses an array that two layers share: each would get its own
        return self._changed(change)

    def _changed(self, change: Callable[[Array], Array]) -> Self:
        twin = self.with_children(mapped(lambda part: part._changed(change), self.children()))
        twin.params = mapped(change, self.params)
        twin.buffers = mapped(change, self.buffers)
        return twin

    def _replace_children(self, children: dict[str, Any]) -> None:
        """Put `children` in place of the parts of the same names."""
        for name in self._own_parts():
            value = getattr(self, name)
            setattr(self, name, _replaced(_path_of(name, value), value, children))


CONTAINERS = (Module, dict, list, tuple)


class ParameterIndex:
    """Where a model keeps its parameters and buffers: found once, and read often."""

    def __init__(self, model: Module) -> None:
        model.named_parameters()  # refuses an array that two layers share
        self._walk = [*model.walk()]

    def is_of(self, model: Module) -> bool:
        """Whether the model still has the parts that were found."""
        return [*model.walk()] == self._walk

    def parameters(self) -> ArrayDict:
        """Return the parameters that are there now, by name."""
        return _arrays(self._walk, "params")

    def buffers(self) -> ArrayDict:
        """Return the buffers that are there now, by name."""
        return _arrays(self._walk, "buffers")


def _arrays(layers: Iterable[tuple[str, Module]], group: str) -> ArrayDict:
    """Return the "params" or "buffers" of layers that are given by path, by dotted name."""
    arrays = {}
    for path, layer in layers:
        start = path and f"{path}."
        for name, array in getattr(layer, group).items():
            arrays[start + name] = array
    return arrays


def _path_of(attribute: str, value: Any) -> str:
    """Return the path of an attribute; the keys of a dict are whole paths."""
    if isinstance(value, dict):
        return ""
    return attribute


def _parts_in(path: str, value: Any) -> dict[str, Any]:
    """Return the parts in a value by path, in dicts and lists at any depth."""
    parts: dict[str, Any] = {}
    waiting: list[tuple[str, Any, tuple[int, ...]]] = [(path, value, ())]
    while waiting:
        path, inner, outside = waiting.pop()
        if isinstance(inner, Module):
            parts[path] = inner
        elif isinstance(inner, dict | list | tuple) and id(inner) not in outside:
            items: list[tuple[Any, Any]] = list(enumerate(inner))
            if isinstance(inner, dict):
                items = list(inner.items())
            start = path and f"{path}."
            for key, held in reversed(items):
                waiting.append((f"{start}{key}", held, (*outside, id(inner))))
    return parts


def _replaced(path: str, value: Any, parts: Mapping[str, Any]) -> Any:
    """Return what stands at a path with other parts in the place of its own."""
    if isinstance(value, Module):
        return parts[path]
    if isinstance(value, dict):
        return {key: _replaced(dotted(path, str(key)), part, parts) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_replaced(f"{path}.{n}", part, parts) for n, part in enumerate(value))
    return value
