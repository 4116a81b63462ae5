"""The operations on rows in plain arithmetic, with which `engine.network.accumulator.array_layers`
computes in any precision.

The kernels of training and playing are compared with its networks, and the gradient check goes
through them.
"""

from functools import partial

import numpy as np

from engine.network.accumulator import array_layers
from engine.network.accumulator.array_layers import RowOperations


class PlainRows(RowOperations):
    def __init__(self):
        self.xp = np

    def sums(self, table, numbers, factors):
        return (
            (table[:, numbers] * (factors * (numbers >= 0))[:, :, None]).sum(axis=2).swapaxes(0, 1)
        )

    def slopes(self, table, numbers, factors, x):
        out = np.zeros_like(table)
        for slab, rows in enumerate(out):
            np.add.at(rows, numbers, (factors * (numbers >= 0))[:, :, None] * x[:, None, slab])
        return out

    def scores(self, table, numbers, x):
        return (table[0, numbers] * x[:, None]).sum(axis=2) * (numbers >= 0)


sparse_network = partial(array_layers.sparse_network, PlainRows())
value_network = partial(array_layers.value_network, PlainRows())
