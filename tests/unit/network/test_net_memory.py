"""Memory of large networks: a file is decoded layer by layer, so that little stands beside it and
what plays.
"""

import tracemalloc

import numpy as np
import pytest

from engine.network.lc0.reader import load_lc0
from engine.network.weights import load_net
from tests.unit.network.lc0_towers import file_bytes, random_net
from tests.unit.network.lc0_transformers import DENSE, random_transformer

SIZES = {
    **DENSE,
    "width": 256,
    "inner": 256,
    "hidden": 384,
    "layers": 15,
    "heads": 8,
    "smolgen": (8, 64, 64),
}
FILES = {
    "transformer": lambda: random_transformer(1, **SIZES),
    "tower": lambda: file_bytes(random_net(np.random.default_rng(1), filters=128, blocks=15)),
}


def peak_of(work):
    """Bytes at most, and those that stay with the result."""
    tracemalloc.start()
    try:
        result = work()
        held, peak = tracemalloc.get_traced_memory()
        del result
        return peak, held
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", FILES)
def test_loading_needs_little_beside_what_plays(kind, tmp_path):
    path = tmp_path / "net.pb"
    path.write_bytes(data := FILES[kind]())
    load_net(path)  # imports and tables
    peak, held = peak_of(lambda: load_net(path))
    assert held > len(data)
    # what the layers computed, and one of them, do not grow as much
    assert peak - held < 1.3 * len(data) + (16 << 20)
    # as `aino net info`
    peak, _ = peak_of(lambda: sum(array.size for array in load_lc0(path).tensors.values()))
    assert peak < 1.3 * len(data) + (1 << 20)
