"""Maps of attention: how much each head of a transformer looks from each square at each, and why."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from engine import nn
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
    as it sees them.
    """
    (*before, encoder), softmax = model.trunk.children().values(), Operations(np).softmax
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
        heads = parts["attention"].config()["heads"]
        dense = parts["attention"].children()
        query, key = (
            dense[name](x).reshape(64, heads, -1).swapaxes(0, 1) for name in ("query", "key")
        )
        scores = query @ key.swapaxes(1, 2) / np.sqrt(query.shape[2])
        whole, smolgen = (scores, None) if bias is None else (scores + bias, softmax(bias)[0])
        maps.append(LayerMaps(softmax(whole)[0], softmax(scores)[0], smolgen))
        x, _ = layer.forward(x if table is None else (x, table))
    return maps
