"""One function for several kernels, chosen by the type of its first argument when its caller is compiled."""

from typing import Any

from numba.core import types
from numba.core.errors import TypingError


class ByType:
    """A function that is one of several kernels, by the type of its first argument, a NamedTuple.

    Numba resolves a call when it compiles the caller, which can be cached like any other; a kernel
    that took a function as an argument could not.
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self.kernels: dict[type, Any] = {}  # by the type of the first argument
        self._numba_type_ = types.Dispatcher(self)  # type: ignore[type-var]

    def __call__(self, *arguments: Any) -> Any:
        return self._kernel_of(type(arguments[0]))(*arguments)

    # What Numba asks when a function calls this one.

    is_compiling = False

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return self._kernel_of(getattr(args[0], "instance_class", args[0])).get_call_template(
            args, kws
        )

    def get_overload(self, args: Any) -> Any:
        return self._kernel_of(args[0].instance_class).get_overload(args)

    def _kernel_of(self, kind: Any) -> Any:
        if kind not in self.kernels:
            raise TypingError(f"{self.__name__}: no kernel for {kind}")
        return self.kernels[kind]
