"""Names of a base class that a class of one's own must not hide: it would be called with something
else, or read as something else.
"""

import inspect
from collections.abc import Collection
from functools import cache

from engine.errors import ConfigError


@cache
def _names_of(base: type) -> frozenset[str]:
    names = set(dir(base))
    for parent in base.__mro__:
        names |= vars(parent).get("__annotations__", {}).keys()
    return frozenset(name for name in names if not name.startswith("__"))


def check_class(
    base: type, subclass: type, free: Collection[str], keeps_arguments: bool = True
) -> None:
    """Raise ConfigError for a class with an attribute that has a name of `base`, or with such an
    argument of its constructor, if objects keep these. Those in `free` are there to be overridden.
    """
    names = _names_of(base)
    if keeps_arguments:
        for argument in inspect.signature(subclass).parameters.values():
            if argument.name in names and argument.kind is not argument.VAR_KEYWORD:
                raise _hidden(base, subclass, argument.name)
    for name, value in vars(subclass).items():
        # A method may take the place of a method, and nothing else.
        is_method = callable(value) or isinstance(value, classmethod | staticmethod)
        fits = name in free and is_method == callable(getattr(base, name, None))
        if name in names and not fits:
            raise _hidden(base, subclass, name)


def check_attribute(base: type, owner: object, name: str, free: Collection[str]) -> None:
    """Raise ConfigError for an attribute of an object that has a name of `base`."""
    if name in _names_of(base) and name not in free:
        raise _hidden(base, type(owner), name)


def _hidden(base: type, subclass: type, name: str) -> ConfigError:
    return ConfigError(
        f"{subclass.__name__}: {name!r} is a name of {base.__name__}'s own; call yours otherwise"
    )
