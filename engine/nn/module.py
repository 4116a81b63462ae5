"""The parts of a layer and their arrays by dotted name: to read, to load, to copy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

from engine.backend import Backend, address, get_backend
from engine.errors import ConfigError
from engine.nn.array_checks import Array, copies, copy_tensors


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

    params: dict[str, Array]
    buffers: dict[str, Array]

    # ---- parts -----------------------------------------------------------------------------------

    def children(self) -> dict[str, Any]:
        """Return the parts of a composite layer by name; empty for a plain layer."""
        parts: dict[str, Any] = {}
        for held in self._own_parts().values():
            parts |= held
        return parts

    def _own_parts(self) -> dict[str, dict[str, Any]]:
        """Return the parts in each public attribute that holds some."""
        parts = {}
        for name, value in vars(self).items():
            if not isinstance(value, CONTAINERS) or name[0] == "_" or name in ("params", "buffers"):
                continue
            if held := _parts_in(name, value):
                parts[name] = held
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
            start = f"{path}." if path else ""
            for name, part in reversed(layer.children().items()):
                waiting.append((start + name, part, (*outside, id(layer))))

    def _entries(self, group: str) -> list[tuple[str, Module, str]]:
        """Return the arrays called "params" or "buffers": dotted name, owner, and its own name."""
        entries = []
        for path, layer in self.walk():
            start = f"{path}." if path else ""
            for key in getattr(layer, group):
                entries.append((start + key, layer, key))
        return entries

    # ---- arrays by dotted name -------------------------------------------------------------------

    def named_parameters(self) -> dict[str, Array]:
        """All trained arrays by dotted name, in a fixed order.

        Raises ConfigError where two names have one array, or views of it: a step would move it
        twice, a file hold two.
        """
        arrays = {name: owner.params[key] for name, owner, key in self._entries("params")}
        places = {name: address(array) for name, array in arrays.items()}
        names = {place: name for name, place in places.items()}
        for name, place in places.items():
            if names[place] != name:
                raise ConfigError(
                    f"{name} and {names[place]} are one array, which would be trained twice: copy it"
                )
        return arrays

    def first_parameter(self) -> Array | None:
        """Return the first of `named_parameters`: all have its dtype and backend; None without any."""
        return next((array for _, part in self.walk() for array in part.params.values()), None)

    def named_buffers(self) -> dict[str, Array]:
        """All stored but untrained arrays (running statistics) by dotted name."""
        return {name: owner.buffers[key] for name, owner, key in self._entries("buffers")}

    def load_parameters(self, tensors: Mapping[str, Array], partial: bool = False) -> LoadReport:
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
                names = f"expected some of {[*own][:4]}, found {[*given][:4]}"
                raise ConfigError(f"no tensor fits the model by name and shape: {names}")
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
        return LoadReport([*tensors], kept, [name for name in given if name not in tensors])

    def adopt_parameters(self, tensors: Mapping[str, Array]) -> None:
        """Use these arrays as the parameters, without a copy: every training step changes them in
        place. Raises ConfigError when a parameter is missing.
        """
        own = self.named_parameters()
        if missing := sorted(own.keys() - tensors.keys()):
            raise ConfigError(f"tensors do not fit the model: missing {missing[:4]}")
        for name, owner, key in self._entries("params"):
            # A trainer's own kernels may read them in other shapes.
            dict.__setitem__(owner.params, key, tensors[name])

    def load_buffers(self, tensors: Mapping[str, Array]) -> None:
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
        twin = self._with_parts(lambda part: part.replica())
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
        return self._converted(
            lambda array: array.astype(dtype if array.dtype.kind == "f" else array.dtype)
        )

    def to(self, backend: Backend | str) -> Self:
        """Return a copy of the layer on `backend`, which is an object or a name for `get_backend`."""
        return self._converted(
            (get_backend(backend) if isinstance(backend, str) else backend).asarray
        )

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
        twin = self._with_parts(lambda part: part._changed(change))
        twin.params = {name: change(array) for name, array in self.params.items()}
        twin.buffers = {name: change(array) for name, array in self.buffers.items()}
        return twin

    def _with_parts(self, change: Callable[[Any], Any]) -> Self:
        return self.with_children({name: change(part) for name, part in self.children().items()})

    def _replace_children(self, children: dict[str, Any]) -> None:
        """Put `children` in place of the parts of the same names."""
        for name in self._own_parts():
            value = getattr(self, name)
            if isinstance(value, dict):
                new = {key: _replaced(str(key), part, children) for key, part in value.items()}
            else:
                new = _replaced(name, value, children)
            setattr(self, name, new)


CONTAINERS = (Module, dict, list, tuple)


class ParameterIndex:
    """Where a model keeps its parameters and buffers: found once, and read often."""

    def __init__(self, model: Module) -> None:
        model.named_parameters()  # refuses an array that two layers share
        self._walk = [*model.walk()]
        self._starts = [(f"{path}." if path else "", layer) for path, layer in self._walk]

    def is_of(self, model: Module) -> bool:
        """Whether the model still has the parts that were found."""
        return [*model.walk()] == self._walk

    def parameters(self) -> dict[str, Array]:
        """Return the parameters that are there now, by name."""
        return {
            start + name: array
            for start, layer in self._starts
            for name, array in layer.params.items()
        }

    def buffers(self) -> dict[str, Array]:
        """Return the buffers that are there now, by name."""
        return {
            start + name: array
            for start, layer in self._starts
            for name, array in layer.buffers.items()
        }


def _at_top(attribute: str, value: Any) -> list[tuple[str, Any]]:
    """Return what an attribute holds by path: the keys of a dict are whole paths."""
    if isinstance(value, dict):
        return [(str(key), part) for key, part in value.items()]
    return [(attribute, value)]


def _parts_in(attribute: str, value: Any) -> dict[str, Any]:
    """Return the parts in the value of an attribute by path, in dicts and lists at any depth."""
    parts: dict[str, Any] = {}
    waiting: list[tuple[str, Any, tuple[int, ...]]] = [
        (path, held, ()) for path, held in reversed(_at_top(attribute, value))
    ]
    while waiting:
        path, inner, outside = waiting.pop()
        if isinstance(inner, Module):
            parts[path] = inner
        elif isinstance(inner, dict | list | tuple) and id(inner) not in outside:
            keys = list(inner) if isinstance(inner, dict) else range(len(inner))
            for key in reversed(keys):
                waiting.append((f"{path}.{key}", inner[key], (*outside, id(inner))))
    return parts


def _replaced(path: str, value: Any, parts: Mapping[str, Any]) -> Any:
    """Return what stands at a path with other parts in the place of its own."""
    if isinstance(value, Module):
        return parts[path]
    if isinstance(value, dict):
        return {key: _replaced(f"{path}.{key}", part, parts) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_replaced(f"{path}.{n}", part, parts) for n, part in enumerate(value))
    return value
