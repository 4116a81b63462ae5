"""Kernels that add table rows by index, for embeddings and sparse inputs. A negative index means no row."""

from __future__ import annotations

from engine.native.jit import kernel


@kernel()
def add_chosen(table, chosen, y):
    """y[b] += sum of table[chosen[b]]; table f32[N, D], chosen i64[B, L], y f32[B, D]."""
    for image in range(chosen.shape[0]):
        for place in range(chosen.shape[1]):
            row = chosen[image, place]
            if row >= 0:
                for column in range(table.shape[1]):
                    y[image, column] += table[row, column]


@kernel()
def add_at_chosen(rows, chosen, table):
    """table[chosen[b]] += rows[b], in the order of b; rows f32[B, D], chosen i64[B, L], table f32[N, D]."""
    for image in range(chosen.shape[0]):
        for place in range(chosen.shape[1]):
            row = chosen[image, place]
            if row >= 0:
                for column in range(table.shape[1]):
                    table[row, column] += rows[image, column]
