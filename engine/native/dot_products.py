"""A dense layer of sixteen outputs over bytes, for kernels: what small layers of sparse networks
begin with.
"""

import numpy as np

from engine.native.integer_lanes import dot_bytes, load_ints, splat_int
from engine.native.jit import kernel


@kernel()
def dot_quads(quads, weights, at):
    """Sixteen int32 sums over all inputs: `quads` int32 [n], four unsigned bytes each, n a multiple
    of 8; `weights` int8 from `at` on, 64 for a quad: four for each output.
    """
    # Eight, because each waits for its own last sum.
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = splat_int(np.int32(0))
    for quad in range(0, len(quads), 8):
        w = at + 64 * quad
        s0 = dot_bytes(s0, splat_int(quads[quad]), load_ints(weights, w))
        s1 = dot_bytes(s1, splat_int(quads[quad + 1]), load_ints(weights, w + 64))
        s2 = dot_bytes(s2, splat_int(quads[quad + 2]), load_ints(weights, w + 128))
        s3 = dot_bytes(s3, splat_int(quads[quad + 3]), load_ints(weights, w + 192))
        s4 = dot_bytes(s4, splat_int(quads[quad + 4]), load_ints(weights, w + 256))
        s5 = dot_bytes(s5, splat_int(quads[quad + 5]), load_ints(weights, w + 320))
        s6 = dot_bytes(s6, splat_int(quads[quad + 6]), load_ints(weights, w + 384))
        s7 = dot_bytes(s7, splat_int(quads[quad + 7]), load_ints(weights, w + 448))
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
