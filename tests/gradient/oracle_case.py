"""A small sparse network of plain layers, the oracle of the kernels, with inputs for it."""

import numpy as np

from engine import nn
from tests.gradient.cases import RNG, Case
from tests.unit.network import sparse_layers as oracle

FEATURES = np.array([[0, 6, -1], [2, 5, 1]])
CHOICES = np.array([[4, 0, 4, -1], [1, -1, -1, -1]])
SORTS = np.array([[[0, 2], [0, 3], [1, 2], [1, 2]], [[1, 3], [0, 2], [0, 2], [0, 2]]])
VIEWS = np.array([[[0, 3, -1], [4, 2, 6]], [[1, -1, -1], [5, 0, 2]]])
VERSIONS = np.array([1, 0])


def sparse_network() -> oracle.ListNetwork:
    rows = oracle.SparseDense(7, 6, RNG)
    trunk = nn.Sequential(rows=rows, clip=nn.Activation("clipped_relu"), product=oracle.PairProduct())
    head = oracle.ChosenSequential(
        oracle.ChosenDense(3, 4, 2, RNG), nn.Activation("tanh"), oracle.ChosenDense(4, 2, 2, RNG)
    )
    small = oracle.ChosenDense(8, 2, 2, RNG), oracle.ChosenDense(4, 3, 2, RNG), oracle.ChosenDense(3, 2, 2, RNG)
    views = oracle.TwoViews(oracle.SparseDense(7, 8, RNG), *small)
    views.rows.params["bias"] += 0.5  # in the middle of the range that is not clipped
    return oracle.ListNetwork(trunk, oracle.ScoredRows(3, 5, 4, 2, RNG), {"value": head}, views)


ORACLE_CASE = Case(sparse_network(), (FEATURES, CHOICES, SORTS, VIEWS, VERSIONS))
