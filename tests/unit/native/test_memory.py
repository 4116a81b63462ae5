"""Memory that is used again."""

import platform
import subprocess
import sys

import pytest

# Page faults of eight rounds that fill and free four arrays of 3 MB each.
FAULTS = """
import resource
import numpy as np
from engine.native.memory import keep_freed_memory

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory in their own ways")
def test_freed_arrays_are_used_again_without_page_faults() -> None:
    without, kept = map(int, subprocess.check_output([sys.executable, "-c", FAULTS], text=True).split())
    assert without > 1000
    assert kept < without / 10
