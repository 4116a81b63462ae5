"""Memory fetched early."""

import numpy as np

from engine.native.jit import kernel
from engine.native.prefetch import prefetch

NODE = np.dtype((np.record, np.dtype([("visits", np.int32), ("bound", np.uint8)], align=True)))


@kernel()
def fetch_everywhere(words, nodes):
    """Fetch inside two arrays, and far outside of them."""
    for index in range(-4, 1 << 40, 1 << 36):
        prefetch(words, np.int64(index))
        prefetch(nodes, np.int64(index))
    return words[1]


def test_a_fetch_changes_nothing_and_may_point_anywhere():
    words, nodes = np.arange(4), np.zeros(3, NODE)
    assert fetch_everywhere(words, nodes) == fetch_everywhere.py_func(words, nodes) == 1
    assert words.tolist() == [0, 1, 2, 3]
    assert not nodes.view(np.uint8).any()
