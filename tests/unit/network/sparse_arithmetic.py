"""The sparse network and its gradients in plain arithmetic: what the kernels of training and playing are compared with.

Parameters are a model's by name, in any precision. Inputs, numbered as in `policy/features.py`, -1 = none: features
integer [B, 56]; policy rows integer [B, M] and sorts integer [B, M, S] of the legal moves, as in `policy/moves.py`;
rows of the value network in both views, as in `value/features.py`, integer [B, 2, 32]; the version of the small
layers, `piece_bucket`, integer [B].

A function returns its outputs and `backward`, which takes the gradient of the outputs and returns that of what lies
below; gradients of parameters go into `grads`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]
Gradients = dict[str, np.ndarray]
Part = tuple[np.ndarray, Callable[[np.ndarray], Any]]


def sparse_network(
    p: Arrays, features: np.ndarray, rows: np.ndarray, sorts: np.ndarray, version: np.ndarray
) -> tuple[dict[str, np.ndarray], Callable[[Arrays], Gradients]]:
    """{"policy": logits of the legal moves [B, M], "value": logits of win, draw and loss, hundreds of plies [B, 4]}."""
    grads: Gradients = {}
    sums, rows_back = summed_rows(p, grads, "trunk.accumulator", features)
    units, units_back = clipped_products(sums)
    policy, policy_back = scored_rows(p, grads, units, rows, sorts)
    h, first_back = chosen_dense(p, grads, "value.dense1", units, version)
    g, second_back = chosen_dense(p, grads, "value.dense2", np.maximum(h, 0), version)
    value, output_back = chosen_dense(p, grads, "value.output", np.maximum(g, 0), version)

    def backward(dy: Arrays) -> Gradients:
        dunits = first_back(second_back(output_back(dy["value"]) * (g > 0)) * (h > 0))
        rows_back(units_back(dunits + policy_back(dy["policy"])))
        return grads

    return {"policy": policy, "value": value}, backward


def value_network(
    p: Arrays, views: np.ndarray, version: np.ndarray, at: str = ""
) -> tuple[np.ndarray, Callable[[np.ndarray], Gradients]]:
    """The value network [B, 4] of rows in both views; its parameters' names begin with `at`.

        c_v = clip(rows of view v), clip x = min(max(x, 0), 1)      units = c_v times c_v, halves multiplied, both views
        h = dense1(units)      g = dense2(clip h, min(h^2, 1))      y = output(clip g)

    The square gives small layers products of their inputs. dh = dp where 0 < h < 1, plus 2 h ds where |h| < 1, with dp
    and ds the gradients of the plain and the squared half.
    """
    grads: Gradients = {}
    sums, rows_back = summed_rows(p, grads, f"{at}rows", views.reshape(2 * len(views), -1))
    products, products_back = clipped_products(sums)
    h, first_back = chosen_dense(p, grads, f"{at}dense1", products.reshape(len(views), -1), version)
    pairs = np.concatenate([np.clip(h, 0, 1), np.minimum(h * h, 1)], axis=1)
    g, second_back = chosen_dense(p, grads, f"{at}dense2", pairs, version)
    y, output_back = chosen_dense(p, grads, f"{at}output", np.clip(g, 0, 1), version)

    def backward(dy: np.ndarray) -> Gradients:
        dplain, dsquare = np.split(second_back(output_back(dy) * inside(g)), 2, axis=1)
        dh = dplain * inside(h) + 2 * h * dsquare * (np.abs(h) < 1)
        rows_back(products_back(first_back(dh).reshape(products.shape)))
        return grads

    return y, backward


def inside(x: np.ndarray) -> np.ndarray:
    """Where the slope of a clipped unit is 1; elsewhere it is 0."""
    return (x > 0) & (x < 1)


def summed_rows(p: Arrays, grads: Gradients, name: str, listed: np.ndarray) -> Part:
    """A dense layer over 0/1 features of which the active ones are listed, [B, L] -> y [B, C].

    With v the 0/1 vector of a list: y = v W + b is the sum of the listed rows of W, and dW = v^T dy adds dy to them.
    """
    weight = p[f"{name}.weight"]

    def backward(dy: np.ndarray) -> None:
        table = np.zeros((len(weight) + 1, weight.shape[1]), dy.dtype)  # the last row takes what goes nowhere
        np.add.at(table, listed, dy[:, None])
        grads[f"{name}.weight"], grads[f"{name}.bias"] = table[:-1], dy.sum(axis=0)

    return (weight[listed] * (listed >= 0)[:, :, None]).sum(axis=1) + p[f"{name}.bias"], backward


def clipped_products(x: np.ndarray) -> Part:
    """Units clipped to [0, 1], the first half multiplied by the second: x [B, 2 n] -> y [B, n].

    y_i = c_i c_{n+i}      dc_i = dy_i c_{n+i}      dc_{n+i} = dy_i c_i      dx = dc where 0 < x < 1
    """
    first, second = np.split(np.clip(x, 0, 1), 2, axis=1)
    return first * second, lambda dy: np.concatenate([dy * second, dy * first], axis=1) * inside(x)


def scored_rows(p: Arrays, grads: Gradients, x: np.ndarray, chosen: np.ndarray, sorts: np.ndarray) -> Part:
    """The policy's logits y [B, M] of the listed moves, from units x [B, C].

    With rows W_c and V_t: y_bm = (W_c + V_t) x_b + b_c + sum over the S sorts k of s_k, where c = chosen_bm and t is
    the first sort, and y_bm = 0 where chosen_bm = -1. So
        dx_b = sum over m of dy_bm (W_c + V_t)      dW_c = sum over all (b, m) that chose c of dy_bm x_b, dV_t likewise
        db_c = sum of dy_bm over the same (b, m)    ds_k = sum of dy_bm over all choices of that sort
    Outputs of one sort share V_t and s_k, so what a sort has in common is learnt once for all its outputs.
    """
    weight, bias, sort_weight, sort_bias = (p[f"policy.{name}"] for name in POLICY)
    rows = weight[chosen] + sort_weight[sorts[:, :, 0]]  # [B, M, C]; -1 picks the last row, and the mask zeroes it
    y = (rows @ x[:, :, None])[:, :, 0] + bias[chosen] + sort_bias[sorts].sum(axis=2)

    def backward(dy: np.ndarray) -> np.ndarray:
        dy = dy * (chosen >= 0)
        own = {f"policy.{name}": np.zeros_like(p[f"policy.{name}"]) for name in POLICY}
        np.add.at(own["policy.weight"], chosen, dy[:, :, None] * x[:, None])
        np.add.at(own["policy.bias"], chosen, dy)
        np.add.at(own["policy.sort_weight"], sorts[:, :, 0], dy[:, :, None] * x[:, None])
        np.add.at(own["policy.sort_bias"], sorts, dy[:, :, None])
        grads.update(own)
        return (dy[:, None] @ rows)[:, 0]

    return y * (chosen >= 0), backward


POLICY = ("weight", "bias", "sort_weight", "sort_bias")


def chosen_dense(p: Arrays, grads: Gradients, name: str, x: np.ndarray, version: np.ndarray) -> Part:
    """Several dense layers of one shape, of which each example chooses one: x [B, inputs] -> y [B, outputs].

    With v the version of example b: y_b = W_v x_b + c_v, dx_b = W_v^T dy_b, and dW_v = sum of dy_b x_b^T, dc_v = sum of
    dy_b over the examples that chose v.
    """
    weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]

    def backward(dy: np.ndarray) -> np.ndarray:
        dweight, dbias = np.zeros_like(weight), np.zeros_like(bias)
        np.add.at(dweight, version, dy[:, :, None] * x[:, None])
        np.add.at(dbias, version, dy)
        grads[f"{name}.weight"], grads[f"{name}.bias"] = dweight, dbias
        return (dy[:, None] @ weight[version])[:, 0]

    return (weight[version] @ x[:, :, None])[:, :, 0] + bias[version], backward
