"""Value of a position by the teacher's net, without search. 361 units are a pawn, 3.61 units a
centipawn.
"""

import numpy as np

from engine.board.layout import HALFMOVE, KNIGHT, QUEEN, SIDE, WHITE
from engine.native import integer_lanes as lanes
from engine.native.bits import popcount
from engine.native.dot_products import dot_quads
from engine.native.jit import kernel
from selfplay.teachers.accumulators import BUCKETS, TEACHER_WIDTH

UNITS_PER_CP = 3.61  # Stockfish 15.1's NormalizeToPawnValue of 361
MOST_UNITS = 20_000  # limit of static values, well below mates
# Middle-game values of P N B R Q K in units, for the material part.
MATERIAL_UNITS = np.array([126, 781, 825, 1276, 2538, 0], np.int64)
ACTIVE = np.int64(127)  # the largest activation

# Of Stockfish 15.1: evaluate.cpp and nnue/evaluate_nnue.cpp, `evaluate`.
PSQT_SHARE = 1024  # weight of either part of the net's output, before the balance between them
BALANCE_MATERIAL = 9560  # units of material that move the balance by 1 to the positional part
FULL_BALANCE = 24  # the balance without material
OUTPUT_SCALE = np.int64(16 * PSQT_SHARE)  # sixteenths of a unit, times the weight
MATERIAL_SCALE = 1064  # in 1024ths, the value without material
MATERIAL_SLOPE = 106  # in 1024ths, what MATERIAL_STEP units of material add
MATERIAL_STEP = 5120
CLOCK_SCALE = 195  # in CLOCK_UNITths, the value on a fresh clock; each halfmove takes one
CLOCK_UNIT = np.int64(211)
LAST_CLOCK = np.int64(150)  # halfmoves; no longer clock takes more
# Of nnue/nnue_architecture.h, `propagate`: 600 * 16 / (127 * 64).
SKIP_SCALE = 600 * 16
SKIP_UNIT = np.int64(127 * 64)


@kernel()
def static_value(net, acc, ply, row):
    """Stockfish's leaf value in units for the side to move; the accumulators of ply must be set.

    Leaves out the optimism of a running search and the classical evaluation of lopsided positions.
    """
    psqt, positional = _outputs(net, acc, ply, row)
    material = np.int64(0)
    for kind in range(KNIGHT, QUEEN + 1):
        material += MATERIAL_UNITS[kind] * popcount(row[kind])
    balance = FULL_BALANCE - material // BALANCE_MATERIAL
    weighted = (PSQT_SHARE - balance) * psqt + (PSQT_SHARE + balance) * positional
    value = _toward_zero(weighted, OUTPUT_SCALE)
    scale = MATERIAL_SCALE + MATERIAL_SLOPE * material // MATERIAL_STEP
    value = _toward_zero(value * scale, np.int64(1024))
    clock = min(np.int64(row[HALFMOVE]), LAST_CLOCK)
    value = _toward_zero(value * (CLOCK_SCALE - clock), CLOCK_UNIT)
    return min(max(value, np.int64(-MOST_UNITS)), np.int64(MOST_UNITS))


@kernel()
def _toward_zero(a, b):
    """Return a / b rounded toward zero, as in C++; b > 0."""
    if a >= 0:
        return a // b
    return -(-a // b)


@kernel()
def _outputs(net, acc, ply, row):
    """(psqt, positional) for the side to move, in sixteenths of a unit."""
    side = np.int64(row[SIDE])
    bucket = (popcount(row[WHITE] | row[WHITE + 1]) - 1) // 4
    _activate(acc, ply, side)
    skip = _first_layer(net, acc, bucket)
    positional = _second_layer(net, acc, bucket) + _toward_zero(skip * SKIP_SCALE, SKIP_UNIT)
    at = 2 * ply * BUCKETS + bucket
    psqt = np.int64(acc.psqt[at + side * BUCKETS]) - np.int64(acc.psqt[at + (1 - side) * BUCKETS])
    return _toward_zero(psqt, np.int64(2)), positional


@kernel()
def _activate(acc, ply, side):
    """Multiply the clipped halves of each accumulator, the mover's first."""
    for half in range(2):
        at = (2 * ply + (side ^ half)) * TEACHER_WIDTH
        for c in range(0, TEACHER_WIDTH // 2, 32):
            product = lanes.clipped_product(
                lanes.load_shorts(acc.values, at + c),
                lanes.load_shorts(acc.values, at + TEACHER_WIDTH // 2 + c),
            )
            lanes.store_low_bytes(acc.inputs, half * (TEACHER_WIDTH // 2) + c, product)


@kernel()
def _first_layer(net, acc, bucket):
    """Layer 1024 -> 15, squared and plain, into `hidden`; returns output 16, which skips the other
    layers.
    """
    sums = dot_quads(acc.input_quads, net.weight_0, bucket * 16 * TEACHER_WIDTH)
    lanes.store_ints(acc.sums, np.int64(0), lanes.load_ints(net.bias_0, bucket * 16) + sums)
    for i in range(15):
        x = np.int64(acc.sums[i])
        acc.hidden[i] = min(x * x >> 19, ACTIVE)
        acc.hidden[15 + i] = min(max(x >> 6, np.int64(0)), ACTIVE)
    return np.int64(acc.sums[15])


@kernel()
def _second_layer(net, acc, bucket):
    """Layers 30 -> 32 -> 1."""
    low = lanes.load_ints(net.bias_1, bucket * 32)
    high = lanes.load_ints(net.bias_1, bucket * 32 + 16)
    at = bucket * 1024
    for quad in range(8):
        x = lanes.splat_int(acc.hidden_quads[quad])
        low = lanes.dot_bytes(low, x, lanes.load_ints(net.weight_1, at + 128 * quad))
        high = lanes.dot_bytes(high, x, lanes.load_ints(net.weight_1, at + 128 * quad + 64))
    lanes.store_ints(acc.sums, np.int64(0), low)
    lanes.store_ints(acc.sums, np.int64(16), high)
    total = np.int64(net.bias_2[bucket])
    for i in range(32):
        total += (
            min(max(np.int64(acc.sums[i]) >> 6, np.int64(0)), ACTIVE)
            * net.weight_2[bucket * 32 + i]
        )
    return total
