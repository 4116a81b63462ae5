"""Pictures need Matplotlib, which comes with the extra `plots`; everything else does without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches. Raises ConfigError when Matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("pictures need Matplotlib: pip install '.[plots]' in Aino's folder") from None
    return Figure(figsize=(width, height), layout="constrained")
