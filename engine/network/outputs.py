"""What all networks share: their outputs, which are win, draw and loss for the side to move and plies
to the end, the form of their names, and their tensors by name.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from engine.errors import ConfigError

Sizes = TypeVar("Sizes")
Tensors = Mapping[str, np.ndarray]  # parameters and buffers by name

MOVES_LEFT_SCALE = 100.0  # plies in one unit of the moves-left output
CHUNK = 8  # positions that a tower evaluates together: their products fill the second-level cache


def policy_name(head: str) -> str:
    """Our name of one of Lc0's policy heads, such as policy or policy_soft."""
    return "policy" if head == "vanilla" else f"policy_{head}"


def check_size(sizes: Any, name: str, step: int, most: int) -> None:
    """Raise ConfigError unless one of a network's sizes is a multiple of `step` up to `most`."""
    size = getattr(sizes, name)
    if not 0 < size <= most or size % step:
        expected = f"a {name} that is a multiple of {step} up to {most}"
        raise ConfigError(f"{sizes}: expected {expected}, found {size}")


def matched(pattern: str, text: str, form: str) -> re.Match[str]:
    """Return the match of a network's name. Raises ConfigError, which says the form, for another."""
    match = re.fullmatch(pattern, text.strip())
    if match is None:
        raise ConfigError(f"{form}, not {text!r}")
    return match


def sizes_in(model_config: Any, sizes: Callable[..., Sizes], network: str) -> Sizes:
    """Return the sizes that a layer configuration lists. Raises ConfigError for any other network's."""
    try:
        return sizes(**{name: size for name, size in model_config.items() if name != "layer"})
    except (AttributeError, TypeError) as error:
        raise ConfigError(f"not the configuration of {network}: {error!r}") from error
