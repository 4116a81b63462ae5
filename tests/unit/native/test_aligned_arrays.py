"""Memory that is used again, and memory that is fetched early."""

import platform

import numpy as np
import pytest

from engine.native.jit import kernel
from engine.native.prefetch import prefetch
from tests.new_process import output_of

# Page faults of eight rounds that fill and free four arrays of 3 MB each.
FAULTS = """
import resource
import numpy as np
from engine.native.aligned_arrays import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        arrays = [np.ones(3_000_000, np.uint8) for _ in range(4)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
without = faults()
keep_freed_memory()
faults()
print(without, faults())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory in their own ways"
)
def test_freed_arrays_are_used_again_without_page_faults():
    faults_before, faults_after = map(int, output_of(FAULTS).split())
    assert faults_before > 1000
    assert faults_after < faults_before / 10


NODE = np.dtype((np.record, np.dtype([("visits", np.int32), ("bound", np.uint8)], align=True)))


@kernel()
def fetch_everywhere(words, nodes):
    """Fetch inside two arrays, and far outside of them."""
    for index in range(-4, 1 << 40, 1 << 36):
        prefetch(words, np.int64(index))
        prefetch(nodes, np.int64(index))
    return words[1]


def test_a_fetch_may_point_anywhere():
    words = np.arange(4)
    nodes = np.zeros(3, NODE)
    assert fetch_everywhere(words, nodes) == fetch_everywhere.py_func(words, nodes) == 1
    assert words.tolist() == [0, 1, 2, 3]
    assert not nodes.view(np.uint8).any()
