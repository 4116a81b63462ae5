"""The evaluator that needs no weights: values from quiescence search, logits from simple move
features.

Centipawns become probabilities of win, draw and loss by

    Q = atan(cp / 220) / 1.5637541897        d = 0.55 (1 - |Q|)        w = (1 - d + Q) / 2        l = (1 - d - Q) / 2

A search reports centipawns by the same curve, stretched by the evaluator's `cp_scale`. Its long
tails distinguish a queen and a rook from a queen, so a won position still has better and worse
moves; a logistic curve would call both 1.0. With Lc0's 90 centipawns in place of 220 the search
over material plays worse: 42.5% of 240 games at 200 nodes a move, Elo -53 [-90, -16].
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import numpy as np

from engine.board.attacks import in_check
from engine.board.makemove import make
from engine.evaluation.in_kernel import ModelEvaluator, register_family
from engine.evaluation.move_scores import MoveSpace, score_moves
from engine.evaluation.scores import ATAN_SCALE, MATERIAL_CP_SCALE
from engine.native.aligned_arrays import buffers
from engine.native.elementary import atan
from engine.native.jit import kernel
from engine.tactics.classical import game_phase
from engine.tactics.quiescence import (
    QUIESCENCE_NODE_LIMIT,
    QuiescenceSpace,
    immediate_gain,
    quiescence,
    quiet_value,
)

CHECK_DEPTH = 3  # plies in which quiet moves that check directly are tried
FORCING_NODES = 40  # positions that quiescence may visit for one forcing move of a leaf
# Centipawns around the leaf's own value within which that move's value is exact.
FORCING_WINDOW = np.int64(500)
NOT_FORCING = -(1 << 30)
DRAWN_SHARE = 0.55  # share of draws in the undecided part, 1 - |Q|


class MaterialModel(NamedTuple):
    """One thread's scratch for the kernels below."""

    quiescence: QuiescenceSpace
    # A leaf's value after each forcing move; NOT_FORCING for others.
    forcing: Annotated[np.ndarray, "int32 [218]"]
    moves: MoveSpace


@kernel()
def quiescence_value(row, space):
    """Return a position's value by quiescence search, in centipawns for its side to move."""
    return quiet_value(row, space, np.int64(CHECK_DEPTH), np.int64(0))


@kernel()
def resolve_moves(leaves, leaf, value, space, forcing):
    """Write quiescence values of a leaf's forcing moves; `value` is the leaf's own."""
    for i in range(leaves.n_moves[leaf]):
        move = leaves.moves[leaf, i]
        make(leaves.rows[leaf], move, space.rows[0])
        forcing[i] = NOT_FORCING
        if immediate_gain(leaves.rows[leaf], move) > 0 or in_check(space.rows[0]):
            space.nodes[0] = QUIESCENCE_NODE_LIMIT - FORCING_NODES
            low, high = -value - FORCING_WINDOW, -value + FORCING_WINDOW
            checks, least = np.int64(CHECK_DEPTH), np.int64(0)
            forcing[i] = -quiescence(space, np.int64(0), checks, least, low, high)


@kernel()
def write_wdl(score_cp, wdl):
    """Write win, draw and loss probabilities to wdl, float32 [3], for the side that a positive
    `score_cp` favours.
    """
    q = max(-1.0, min(1.0, atan(score_cp / MATERIAL_CP_SCALE) / ATAN_SCALE))
    draw = DRAWN_SHARE * (1.0 - abs(q))
    wdl[0] = np.float32((1.0 - draw + q) / 2)
    wdl[1] = np.float32(draw)
    wdl[2] = np.float32((1.0 - draw - q) / 2)


@kernel()
def write_value(leaves, leaf, value):
    """Write a leaf's wdl and moves left."""
    write_wdl(np.float64(value), leaves.wdl[leaf])
    # Fewer plies remain with little material, and fewer when the game is decided.
    leaves.moves_left[leaf] = (20.0 + 2.5 * game_phase(leaves.rows[leaf])) * (
        0.4 + leaves.wdl[leaf, 1]
    )


@kernel()
def write_policy(model, leaves, leaf, value):
    """Write a leaf's logits."""
    resolve_moves(leaves, leaf, value, model.quiescence, model.forcing)
    score_moves(leaves, leaf, np.float64(value), model.forcing, model.moves)


@kernel()
def evaluate_leaf(model, leaves, leaf):
    """Read row and legal moves of leaves[leaf]; write its logits, wdl and moves left (`LeafBatch`)."""
    value = quiescence_value(leaves.rows[leaf], model.quiescence)
    write_value(leaves, leaf, value)
    write_policy(model, leaves, leaf, value)


@kernel()
def evaluate_value(model, leaves, leaf):
    """Read the row of leaves[leaf]; write its wdl and moves left."""
    write_value(leaves, leaf, quiescence_value(leaves.rows[leaf], model.quiescence))


@kernel()
def evaluate_policy(model, leaves, leaf):
    """Read row and legal moves of leaves[leaf]; write its logits."""
    write_policy(model, leaves, leaf, quiescence_value(leaves.rows[leaf], model.quiescence))


register_family(MaterialModel, evaluate_leaf, evaluate_value, evaluate_policy)


class MaterialEvaluator(ModelEvaluator):
    """Evaluator `material`: always available, releases the GIL, about thirty microseconds per leaf."""

    name = "material"
    round_size = 32
    search: Mapping[str, Any] = MappingProxyType({})
    cp_scale = MATERIAL_CP_SCALE

    def new_model(self) -> MaterialModel:
        """Make the scratch of the kernels for one more thread."""
        return buffers(MaterialModel)
