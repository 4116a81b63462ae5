"""The kernel that adds rows to a table by index, for embeddings. A negative index means no row."""

from __future__ import annotations

from engine.native.jit import kernel


@kernel()
def add_at_chosen(rows, chosen, table):
    """table[chosen[b]] += rows[b], in the order of b; rows f32[B, D], chosen i64[B, L], table f32[N, D]."""
    for image in range(chosen.shape[0]):
        for place in range(chosen.shape[1]):
            row = chosen[image, place]
            if row >= 0:
                for column in range(table.shape[1]):
                    table[row, column] += rows[image, column]
