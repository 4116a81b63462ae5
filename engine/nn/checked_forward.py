"""What calls of `forward` and `backward` may be given, and must return."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.nn.array_forms import check_gradient, form_of


def checking_gradient(forward: Callable[..., Any]) -> Callable[..., Any]:
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
