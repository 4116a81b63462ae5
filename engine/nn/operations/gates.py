"""Kernels for one step of LSTM and GRU and its gradient; the docstrings of the layers have the formulas.

All arrays are flat float32; a row holds H >= 16 units, or as many for each gate. Where H is no multiple of 16, the last
16 units begin earlier, and some are computed twice: no array is both read and written.
"""

from __future__ import annotations

from engine.native.jit import kernel
from engine.native.lanes import LANES, load, splat, store
from engine.native.smooth_lanes import sigmoid_lanes


@kernel(contract=True)
def _tanh_lanes(x):
    return splat(2.0) * sigmoid_lanes(x + x) - splat(1.0)


@kernel(contract=True)
def _gate(a, c, at):
    return sigmoid_lanes(load(a, at) + load(c, at))


@kernel(contract=True)
def lstm_step(a, c, before, size, gates, shown, h, memory):
    """Compute gates [B, 4 H], tanh of the memory, h and memory [B, H] from a, c [B, 4 H] and the memory before."""
    for row in range(len(before) // size):
        for column in range(0, size, LANES):
            unit = min(column, size - LANES)
            at, i = row * size + unit, 4 * row * size + unit
            f, o, g = i + size, i + 2 * size, i + 3 * size
            write, forget, show = _gate(a, c, i), _gate(a, c, f), _gate(a, c, o)
            candidate = _tanh_lanes(load(a, g) + load(c, g))
            m = forget * load(before, at) + write * candidate
            tanh = _tanh_lanes(m)
            store(gates, i, write)
            store(gates, f, forget)
            store(gates, o, show)
            store(gates, g, candidate)
            store(shown, at, tanh)
            store(h, at, show * tanh)
            store(memory, at, m)


@kernel(contract=True)
def lstm_gradient(dh, dmemory, gates, shown, before, size, da, dbefore):
    """Compute da [B, 4 H] and the gradient of the memory before from those of h and memory."""
    one = splat(1.0)
    for row in range(len(before) // size):
        for column in range(0, size, LANES):
            unit = min(column, size - LANES)
            at, i = row * size + unit, 4 * row * size + unit
            f, o, g = i + size, i + 2 * size, i + 3 * size
            write, forget, show, candidate = load(gates, i), load(gates, f), load(gates, o), load(gates, g)
            d, tanh = load(dh, at), load(shown, at)
            dm = load(dmemory, at) + d * show * (one - tanh * tanh)
            store(da, i, dm * candidate * write * (one - write))
            store(da, f, dm * load(before, at) * forget * (one - forget))
            store(da, o, d * tanh * show * (one - show))
            store(da, g, dm * write * (one - candidate * candidate))
            store(dbefore, at, dm * forget)


@kernel(contract=True)
def gru_step(a, c, bias, before, size, gates, recalled, h):
    """Compute gates [B, 3 H], c_n + e and h [B, H] from a, c [B, 3 H], the bias e [H] and h before."""
    for row in range(len(before) // size):
        for column in range(0, size, LANES):
            unit = min(column, size - LANES)
            at, r = row * size + unit, 3 * row * size + unit
            z, n = r + size, r + 2 * size
            reset, keep, recall = _gate(a, c, r), _gate(a, c, z), load(c, n) + load(bias, unit)
            candidate = _tanh_lanes(load(a, n) + reset * recall)
            store(gates, r, reset)
            store(gates, z, keep)
            store(gates, n, candidate)
            store(recalled, at, recall)
            store(h, at, candidate + keep * (load(before, at) - candidate))


@kernel(contract=True)
def gru_gradient(dh, gates, recalled, before, size, da, dc, dbefore):
    """Compute da, dc [B, 3 H] and the direct part of the gradient of h before."""
    one = splat(1.0)
    for row in range(len(before) // size):
        for column in range(0, size, LANES):
            unit = min(column, size - LANES)
            at, r = row * size + unit, 3 * row * size + unit
            z, n = r + size, r + 2 * size
            d, reset, keep, candidate = load(dh, at), load(gates, r), load(gates, z), load(gates, n)
            dn = d * (one - keep) * (one - candidate * candidate)
            dz = d * (load(before, at) - candidate) * keep * (one - keep)
            dr = dn * load(recalled, at) * reset * (one - reset)
            store(da, r, dr)
            store(da, z, dz)
            store(da, n, dn)
            store(dc, r, dr)
            store(dc, z, dz)
            store(dc, n, dn * reset)
            store(dbefore, at, d * keep)
