"""Remembers drawn positions: a filter over position keys in bounded memory (blocked Bloom filter).

Each key sets four bits of one cache line, so that a look-up waits for memory once (Putze, Sanders & Singler 2007). An
added key is always found. With 21 bits per added key, about one new key in a thousand also counts as known, and its
position is left out.
"""

from __future__ import annotations

import numpy as np

from engine.native.jit import kernel
from engine.native.memory import aligned_zeros

SCORED_SALT = np.uint64(0x5C0BED)  # keeps rows with scored moves apart from those without
_BLOCK_WORDS = 8
_MIX = np.uint64(0x9E3779B97F4A7C15)


def new_filter(mib: int) -> np.ndarray:
    """An empty filter, uint64; `mib` is a power of two."""
    return aligned_zeros(mib << 17, dtype=np.uint64)


@kernel()
def add_new(seen, keys, salt, new):
    """Add keys [n] to the filter; sets new bool[n] for keys that it did not know."""
    blocks = np.uint64(len(seen) // _BLOCK_WORDS - 1)
    for i in range(len(keys)):
        mixed = (keys[i] ^ salt) * _MIX
        mixed ^= mixed >> np.uint64(32)
        at = np.int64((keys[i] ^ salt) & blocks) * _BLOCK_WORDS
        new[i] = False
        for part in range(4):
            place = np.int64(mixed >> np.uint64(9 * part)) & 511
            mask = np.uint64(1) << np.uint64(place & 63)
            if not seen[at + (place >> 6)] & mask:
                new[i] = True
                seen[at + (place >> 6)] |= mask
