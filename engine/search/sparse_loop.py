"""The loops around the evaluator `sparse`: visits one after the other, and a thread's share of a round."""

from __future__ import annotations

import numpy as np

from engine.native.jit import kernel
from engine.network.sparse.inference import evaluate_leaf
from engine.search.backup import apply
from engine.search.in_kernel import begin, prepare
from engine.search.tree import LEAVES


@kernel()
def run_visits(tree, in_flight, params, leaves, model, scratch, limit):
    """``limit`` visits, each applied before the next begins; fewer where the root is decided."""
    for _ in range(limit):
        if begin(tree, in_flight, params, leaves, np.int64(0), np.int64(1)) == 0:
            break
        if in_flight.counts[LEAVES] > 0:
            if prepare(in_flight, np.int64(0), params, leaves, np.int64(0), scratch):
                evaluate_leaf(model, leaves, np.int64(0))
            apply(tree, in_flight, params, leaves, np.int64(0))


@kernel()
def evaluate_share(in_flight, params, leaves, first, begin_at, end_at, model, scratch):
    """Prepare and evaluate leaves ``begin_at`` to ``end_at`` of a round that stands in ``leaves[first:]``."""
    for k in range(begin_at, end_at):
        if prepare(in_flight, k, params, leaves, first + k, scratch):
            evaluate_leaf(model, leaves, first + k)
