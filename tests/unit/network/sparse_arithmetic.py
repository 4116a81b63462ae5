"""Sparse networks in array code, forward and backward: the oracle of the kernels of training and
playing. The gradient check goes through it.

Parameters are a model's by name. Rows of tables are listed by number, -1 = none: features integer
[B, L]; policy rows integer [B, M] and sorts integer [B, M, S] of the legal moves, as in
`sparse/moves.py`; rows of the value trunk in both views, as in `value_features`, integer [B, 2,
32]; the version of the small layers, `piece_bucket`, integer [B].

A function returns its outputs and `backward`, which takes the gradient of the outputs and returns
that of what lies below; gradients of parameters go into `grads`.
"""

from functools import partial

import numpy as np

from engine.board.layout import MAX_MOVES
from engine.native.aligned_arrays import buffers
from engine.network.accumulator.array_layers import inside, judge_units, value_head
from engine.network.sparse.moves import look
from engine.network.sparse.policy_features import Sight
from engine.nn.layer import Gradients


def sums(table, numbers, factors):
    """Sums of factors [B, L] times rows of a table [S, R, C]: [B, S, C]."""
    return (table[:, numbers] * (factors * (numbers >= 0))[:, :, None]).sum(axis=2).swapaxes(0, 1)


def slopes(table, numbers, factors, x):
    """A table like this one: the sums of factors times x [B, S, C] of the lists that have a row."""
    out = np.zeros_like(table)
    for slab, rows in enumerate(out):
        np.add.at(rows, numbers, (factors * (numbers >= 0))[:, :, None] * x[:, None, slab])
    return out


def scores(table, numbers, x):
    """Products of rows and x [B, C]: [B, L], 0 where no row is listed."""
    return (table[0, numbers] * x[:, None]).sum(axis=2) * (numbers >= 0)


def listed_rows(p, grads, name, x, numbers):
    """Return the products y [B, L] of x [B, C] and listed rows T: dx_b = sum of dy_bk T_k, dT_k =
    sum of dy_bk x_b.
    """
    table = p[name].reshape(1, -1, x.shape[1])

    def backward(dy):
        grads[name] = slopes(table, numbers, dy, x[:, None]).reshape(p[name].shape)
        return sums(table, numbers, dy)[:, 0]

    return scores(table, numbers, x), backward


def listed_dense(p, grads, version, name, x):
    """`chosen_dense` by rows: those of a version lie side by side."""
    outputs = p[f"{name}.bias"].shape[1]
    numbers = version[:, None] * outputs + np.arange(outputs)
    ones = np.ones_like(x[:, :1])
    y, back = listed_rows(p, grads, f"{name}.weight", x, numbers)
    bias, bias_back = listed_rows(p, grads, f"{name}.bias", ones, numbers)

    def backward(dy):
        bias_back(dy)
        return back(dy)

    return y + bias, backward


def clipped_products(p, grads, name, listed):
    """Return sums of listed rows and a bias, clipped to [0, 1], the first half times the second:
    [B, S, C / 2].

    y_i = c_i c_{n+i}      dc_i = dy_i c_{n+i}      dc_{n+i} = dy_i c_i      dx = dc where 0 < x < 1
    """
    weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
    table = weight.reshape(-1, *weight.shape[-2:])
    factors = (listed >= 0).astype(weight.dtype)
    x = sums(table, listed, factors).reshape(len(listed), len(table), 2, -1)
    x = x + bias.reshape(2, len(table), -1).swapaxes(0, 1)
    c = np.clip(x, 0, 1)

    def backward(dy):
        dx = dy[:, :, None] * c[:, :, ::-1] * inside(x)
        grads[f"{name}.bias"] = dx.sum(axis=0).swapaxes(0, 1).reshape(-1)
        dweight = slopes(table, listed, factors, dx.reshape(*dx.shape[:2], -1))
        grads[f"{name}.weight"] = dweight.reshape(weight.shape)

    return c[:, :, 0] * c[:, :, 1], backward


def sparse_network(p, features, rows, sorts, version):
    """{"policy": logits of the legal moves [B, M], 0 where there is none, "value": the value head's
    outputs [B, 4]}.

    The logit of a move is the product of the units with the sum of its row and of its first sort's
    row, and the biases of its row and of all its sorts.
    """
    grads = Gradients()
    units, units_back = clipped_products(p, grads, "trunk.accumulator", features)
    x = units[:, 0]
    sorts = np.where(rows[:, :, None] >= 0, sorts, -1)
    policy, policy_back = _scored_moves(partial(listed_rows, p, grads), x, rows, sorts)
    value, value_back = value_head(partial(listed_dense, p, grads, version), x)

    def backward(dy):
        dx = policy_back(dy["policy"]) + value_back(dy["value"])
        units_back(dx[:, None])
        return grads

    return {"policy": policy, "value": value}, backward


def _scored_moves(listed, x, rows, sorts):
    """Return the logits [B, M] of moves; `listed`: `listed_rows` of the network."""
    units = np.ones_like(x[:, :1])
    own, own_back = listed("policy.weight", x, rows)
    bias, bias_back = listed("policy.bias", units, rows)
    first, first_back = listed("policy.sort_weight", x, sorts[:, :, 0])
    sort_bias, sort_back = listed("policy.sort_bias", units, sorts.reshape(len(x), -1))

    def backward(dy):
        bias_back(dy)
        sort_back(np.repeat(dy, sorts.shape[2], axis=1))
        return own_back(dy) + first_back(dy)

    return own + bias + first + sort_bias.reshape(sorts.shape).sum(axis=2), backward


def value_network(p, views, version):
    """Return the value trunk's outputs [B, 4]; the mover's view comes first."""
    grads = Gradients()
    dense = partial(listed_dense, p, grads, version)
    units, units_back = clipped_products(p, grads, "rows", views.reshape(2 * len(views), -1))
    # Slab by slab, as the weights of dense1.
    inputs = units.reshape(len(views), 2, *units.shape[1:]).swapaxes(1, 2)
    h, first_back = dense("dense1", inputs.reshape(len(views), -1))
    y, judge_back = judge_units(dense, h)

    def backward(dy):
        units_back(
            first_back(judge_back(dy)).reshape(inputs.shape).swapaxes(1, 2).reshape(units.shape)
        )
        return grads

    return y, backward


def seen(row, moves=()):
    """What a sparse network sees of a position with these moves: features, and the moves' policy
    rows and sorts.
    """
    sight = buffers(Sight)
    count = len(moves)
    listed = np.zeros(MAX_MOVES, np.uint16)
    listed[:count] = moves
    active = look(row, listed, count, sight)
    return sight.features[:active], sight.rows[:count], sight.sorts[:count]
