"""The plain arithmetic of the sparse networks, the oracle of the kernels, as a layer with inputs
for it.
"""

import numpy as np

from engine import nn
from tests.gradient.cases import RNG, Case
from tests.unit.network.sparse_arithmetic import sparse_network, value_network

FEATURES = np.array([[0, 6, -1], [2, 5, 1]])
CHOICES = np.array([[4, 0, 4, -1], [1, -1, -1, -1]])
SORTS = np.array([[[0, 2], [0, 3], [1, 2], [1, 2]], [[1, 3], [0, 2], [0, 2], [0, 2]]])
VIEWS = np.array([[[0, 3, -1], [4, 2, 6]], [[1, -1, -1], [5, 0, 2]]])
VERSIONS = np.array([1, 0])
SHAPES = {
    "trunk.accumulator.weight": (7, 6), "trunk.accumulator.bias": (6,), "policy.weight": (5, 3), "policy.bias": (5,),
    "policy.sort_weight": (2, 3), "policy.sort_bias": (4,), "value.dense1.weight": (2, 4, 3),
    "value.dense1.bias": (2, 4), "value.dense2.weight": (2, 3, 4), "value.dense2.bias": (2, 3),
    "value.output.weight": (2, 2, 3), "value.output.bias": (2, 2), "rows.weight": (7, 8), "rows.bias": (8,),
    "dense1.weight": (2, 2, 8), "dense1.bias": (2, 2), "dense2.weight": (2, 3, 4),
    "dense2.bias": (2, 3), "output.weight": (2, 2, 3), "output.bias": (2, 2),
}  # fmt: skip


class Oracle(nn.Layer):
    """Most units lie in the middle of the range that is not clipped."""

    def __init__(self):
        super().__init__()
        self.params = {name: 0.3 * RNG.standard_normal(shape) for name, shape in SHAPES.items()}
        for name in (
            "trunk.accumulator.bias",
            "value.dense1.bias",
            "value.dense2.bias",
            "rows.bias",
        ):
            self.params[name] += 0.5

    def forward(self, x, training=False):
        features, chosen, sorts, views, version = x
        outputs, backward = sparse_network(self.params, features, chosen, sorts, version)
        own, own_backward = value_network(self.params, views, version)
        return outputs | {"own": own}, lambda dy: (None, backward(dy) | own_backward(dy["own"]))


ORACLE_CASE = Case(Oracle(), (FEATURES, CHOICES, SORTS, VIEWS, VERSIONS))
