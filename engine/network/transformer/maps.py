"""Maps of attention: how much each head of a transformer looks from each square at each, and why."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from engine import nn
from engine.errors import ShapeError
from engine.nn.operations import Operations


class LayerMaps(NamedTuple):
    """One encoder layer's maps, float [heads, 64, 64] from the square that looks; each row sums to
    1.
    """

    whole: np.ndarray
    content: np.ndarray  # of queries and keys alone
    smolgen: np.ndarray | None  # of the bias alone; None without smolgen


def attention_maps(model: nn.MultiHead, planes: np.ndarray) -> list[LayerMaps]:
    """Return the maps of each layer of a transformer's body for one position, planes [1, 112, 8, 8]
    as it sees them. Raises ShapeError for several positions.
    """
    if len(planes) != 1:
        raise ShapeError(f"attention_maps: expected planes [1, ...], found {list(planes.shape)}")
    (*before, encoder) = model.trunk.children().values()
    softmax = Operations(np).softmax
    x: Any = planes
    for part in before:
        x, _ = part.forward(x)
    table = encoder.params.get("table")
    maps = []
    for layer in encoder.children().values():
        parts = layer.children()
        bias = None
        if table is not None:
            bias = parts["smolgen"].forward((x, table))[0][0]
        scores = _head_scores(parts["attention"], x)
        if bias is None:
            content, _ = softmax(scores)
            maps.append(LayerMaps(content, content, None))
        else:  # The sum comes first: softmax may overwrite what it is given.
            whole, _ = softmax(scores + bias)
            maps.append(LayerMaps(whole, softmax(scores)[0], softmax(bias)[0]))
        x, _ = layer.forward(x if table is None else (x, table))
    return maps


def _head_scores(attention: nn.SelfAttention, x: np.ndarray) -> np.ndarray:
    """Return the scores of x [1, 64, F] as `attend` has them without a bias, [heads, 64, 64]."""
    query, key = (
        attention.parts[name](x).reshape(64, attention.heads, -1).swapaxes(0, 1)
        for name in ("query", "key")
    )
    return query @ key.swapaxes(1, 2) / np.sqrt(query.shape[2])
