"""Pictures need Matplotlib, which comes with the extra `plots`; everything else does without."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.backend import to_numpy
from engine.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches. Raises ConfigError when Matplotlib is not
    installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            "pictures need Matplotlib: pip install '.[plots]' in Aino's folder"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def plot_histograms(arrays: Mapping[str, Any], path: str | Path, title: str = "") -> None:
    """Draw a histogram of each array's numbers to an image file: weights, activations or gradients.
    Needs Matplotlib.

    `arrays` are by name, as from `model.named_parameters()`, `activations(model, x)` or `backward`.
    NaN and infinity are counted in the title, not drawn.
    """
    columns = max(1, math.ceil(math.sqrt(len(arrays))))
    rows = max(1, math.ceil(len(arrays) / columns))
    figure = new_figure(3 * columns, 2.2 * rows)
    for place, (name, array) in enumerate(arrays.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        values = to_numpy(array).ravel().astype(np.float64)
        finite = values[np.isfinite(values)]
        axes.hist(finite, bins=50)
        label = f"{name} {list(array.shape)}"
        if len(finite) < len(values):
            label += f", {len(values) - len(finite)} not finite"
        axes.set_title(label, fontsize=8)
        axes.tick_params(labelsize=7)
    figure.suptitle(title)
    figure.savefig(path)
