"""The sparse network for playing: one kernel, one position, no batch, no allocation, in integers
(`integers`).

In a network with a value trunk (`value_play`), that trunk judges calm positions. Where
something can be won the policy's trunk does, which knows how much.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.native.aligned_arrays import buffers
from engine.native.jit import kernel
from engine.native.lanes import LANES, load, relu, spread, store
from engine.network.accumulator.float_rows import last_layer, softmax_of_3
from engine.network.accumulator.piece_count import piece_bucket
from engine.network.accumulator.short_rows import add_short_rows, multiply_pairs, score_row_of_bytes
from engine.network.outputs import MOVES_LEFT_SCALE, Tensors
from engine.network.sparse.integers import IntegerTables, quantized
from engine.network.sparse.moves import (
    SortRows,
    list_sort_rows,
    new_sort_rows,
    sort_bias,
    write_view,
)
from engine.network.sparse.policy_features import (
    Sight,
    balance_level,
    is_calm,
    settled_level,
    write_features,
)
from engine.network.sparse.sparse_parameters import SparseConfig
from engine.network.value.value_parameters import VALUE_TRUNK
from engine.network.value.value_play import (
    IntegerValueTables,
    ValueModel,
    integer_tables,
    new_value_model,
    value_trunk_outputs,
)
from engine.tactics.classical import evaluate
from engine.tactics.quiescence import wins_nothing

# Quiet level of a calm position, until its policy needs it: half of all positions never get one.
LEVEL_TO_COME = -1


class SparseModel(NamedTuple):
    """Arguments of the kernels below: weights that threads share, and one thread's scratch."""

    tables: IntegerTables
    sight: Sight
    accumulator: Annotated[np.ndarray, "int16 [W]"]
    units: Annotated[np.ndarray, "uint8 [U]"]  # 128 for 1
    listed: SortRows
    sort_logits: Annotated[np.ndarray, "float32 [218]"]  # of the listed sort rows
    hidden: Annotated[np.ndarray, "float32 [K]"]
    inner: Annotated[np.ndarray, "float32 [J]"]
    outputs: Annotated[np.ndarray, "float32 [LANES]"]  # of which 4 are used


class TwoTrunkModel(NamedTuple):
    """Arguments of the kernels below for a network with a value trunk."""

    policy: SparseModel
    value: ValueModel


class SparseNet:
    """A sparse network ready to play.

    Takes the parameters by name, as in `sparse_parameters`. Raises ConfigError or ShapeError when they
    do not fit `config`, and ConfigError for weights that `quantized` refuses.
    """

    def __init__(self, tensors: Tensors, config: SparseConfig) -> None:
        self.config = config
        self.tables = quantized(tensors, config)
        self.value_tables: IntegerValueTables | None = None
        if config.value is not None:
            self.value_tables = integer_tables(tensors, config.value, f"{VALUE_TRUNK}.")

    def new_model(self) -> SparseModel | TwoTrunkModel:
        """Return a model for one thread: the shared weights and scratch of its own."""
        model = buffers(
            SparseModel, {"tables": self.tables, "listed": new_sort_rows()}, **self.config.sizes
        )
        if self.value_tables is None:
            return model
        return TwoTrunkModel(model, new_value_model(self.value_tables))


@kernel()
def evaluate_leaf(model, leaves, leaf):
    """Read row and legal moves of leaves[leaf]; write its logits, wdl, moves left and quiet level
    (`LeafBatch`).
    """
    settle_leaf(model, leaves, leaf)
    write_policy(model, leaves, leaf)
    write_value(model, leaves, leaf)


@kernel()
def evaluate_value(model, leaves, leaf):
    """Read the row of leaves[leaf]; write its wdl, moves left and quiet level."""
    settle_leaf(model, leaves, leaf)
    fill_units(
        model, write_features(leaves.rows[leaf], np.int64(leaves.quiet_level[leaf]), model.sight)
    )
    write_value(model, leaves, leaf)


@kernel()
def settle_leaf(model, leaves, leaf):
    """Quiescence, half the time of an evaluation; its level stays with the leaf
    (`LeafBatch.quiet_level`).
    """
    leaves.quiet_level[leaf] = settled_level(leaves.rows[leaf], model.sight)


@kernel()
def fill_units(model, n_features):
    """Compute the heads' inputs from the features in `model.sight`."""
    tables = model.tables
    width = len(model.accumulator)
    features = model.sight.features
    add_short_rows(tables.weight, width, features, n_features, tables.bias, model.accumulator)
    multiply_pairs(
        model.accumulator, np.int64(0), tables.scale[0], len(model.units), model.units, np.int64(0)
    )


@kernel()
def write_policy(model, leaves, leaf):
    """Read row, legal moves and quiet level of leaves[leaf]; write its logits."""
    n_moves = np.int64(leaves.n_moves[leaf])
    level = np.int64(leaves.quiet_level[leaf])
    fill_units(
        model, write_view(leaves.rows[leaf], leaves.moves[leaf], n_moves, level, model.sight)
    )
    tables = model.tables
    for k in range(list_sort_rows(model.sight.sorts, n_moves, model.listed)):
        row = np.int64(model.listed.rows[k])
        score = np.float32(score_row_of_bytes(tables.sort_weight, row, model.units))
        model.sort_logits[k] = score * tables.sort_unit[row]
    for i in range(n_moves):
        row = np.int64(model.sight.rows[i])
        bias = tables.policy_bias[row] + sort_bias(tables.sort_bias, model.sight.sorts[i])
        score = np.float32(score_row_of_bytes(tables.policy, row, model.units))
        leaves.logits[leaf, i] = score * tables.policy_unit[row] + (
            bias + model.sort_logits[model.listed.places[i]]
        )


@kernel()
def write_value(model, leaves, leaf):
    """Write wdl and moves left from the heads' inputs."""
    value_outputs(model, piece_bucket(leaves.rows[leaf]))
    write_outputs(model.outputs, leaves, leaf)


@kernel()
def write_outputs(outputs, leaves, leaf):
    """Write wdl and moves left from the outputs [4] of a value head or trunk."""
    softmax_of_3(outputs, leaves.wdl[leaf])
    leaves.moves_left[leaf] = max(outputs[3] * np.float32(MOVES_LEFT_SCALE), np.float32(0))


# ---- with a value trunk: the same three kernels --------------------------------------------------


@kernel()
def evaluate_leaf_by_trunks(model, leaves, leaf):
    """Read row and legal moves of leaves[leaf]; write its logits, wdl, moves left and quiet level
    (`LeafBatch`).
    """
    settle_leaf(model.policy, leaves, leaf)
    write_policy(model.policy, leaves, leaf)
    if is_calm(model.policy.sight):
        write_calm_value(model.value, leaves, leaf)
    else:
        write_value(model.policy, leaves, leaf)


@kernel()
def evaluate_policy_by_trunk(model, leaves, leaf):
    """Read row, legal moves and quiet level of leaves[leaf]; write its logits."""
    if leaves.quiet_level[leaf] == LEVEL_TO_COME:
        leaves.quiet_level[leaf] = balance_level(evaluate(leaves.rows[leaf]))
    write_policy(model.policy, leaves, leaf)


@kernel()
def evaluate_value_by_trunks(model, leaves, leaf):
    """Read the row of leaves[leaf]; write its wdl, moves left and quiet level."""
    if wins_nothing(leaves.rows[leaf], model.policy.sight.captures):
        leaves.quiet_level[leaf] = LEVEL_TO_COME
        write_calm_value(model.value, leaves, leaf)
    else:
        evaluate_value(model.policy, leaves, leaf)


@kernel()
def write_calm_value(model, leaves, leaf):
    """Write wdl and moves left of a calm position by the value trunk."""
    value_trunk_outputs(model, leaves.rows[leaf])
    write_outputs(model.outputs, leaves, leaf)


@kernel()
def value_outputs(model, version):
    """Write `model.outputs` from `model.units` by one version of the value head."""
    tables = model.tables
    hidden = model.hidden
    inner = model.inner
    count, inners = len(hidden), len(inner)
    for k in range(count):
        row = version * count + k
        total = np.float32(score_row_of_bytes(tables.hidden, row, model.units))
        hidden[k] = max(total * tables.hidden_unit[row] + tables.hidden_bias[row], np.float32(0))
    for c in range(0, inners, LANES):
        sums = load(tables.inner_bias, version * inners + c)
        for k in range(count):
            sums = sums + spread(hidden, k) * load(tables.inner, (version * count + k) * inners + c)
        store(inner, c, relu(sums))
    last_layer(inner, tables.output, tables.output_bias, version, model.outputs)
