"""Answers of an imported net through the two paths that compute them, in one form."""

from typing import NamedTuple

import numpy as np

from engine.board.convert import stack_from_board
from engine.network import planes
from engine.network.fused.given_tensors import layers_with
from engine.network.planes import float_planes
from engine.network.policy_map import HEAD_INDEX
from engine.nn.layers import softmax
from tests.boards import random_game
from tests.unit.network.fused_tower import infer

BATCH = 32


class NetAnswers(NamedTuple):
    planes: np.ndarray  # float32 [N, 112, 8, 8] what was asked
    logits: np.ndarray  # [N, 1858]
    wdl: np.ndarray  # [N, 3]
    moves_left: np.ndarray  # [N] plies, 0 without such a head

    @property
    def value(self):
        """win - loss, float64 [N]"""
        return self.wdl[:, 0].astype(np.float64) - self.wdl[:, 2]


def training_answers(net, masks):
    """Of the layers, 32 positions at a time."""
    x = float_planes(masks)
    model = layers_with(net.tensors, net.config)
    parts = [model.forward(x[first : first + BATCH])[0] for first in range(0, len(x), BATCH)]
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if "wdl" in outputs:
        wdl = softmax(outputs["wdl"].astype(np.float64))
    else:
        value = outputs["value"]
        wdl = np.concatenate([(1 + value) / 2, np.zeros_like(value), (1 - value) / 2], axis=1)
    left = (
        100 * np.maximum(outputs["moves_left"][:, 0], 0)
        if "moves_left" in outputs
        else np.zeros(len(x))
    )
    logits = outputs["policy"].reshape(len(x), -1)[:, HEAD_INDEX[net.config.policy]]
    return NetAnswers(x, logits, wdl, left)


def fused_answers(tower, masks):
    """Of the path that plays."""
    return NetAnswers(float_planes(masks), *infer(tower, masks))


def random_masks(n, rng):
    """Planes of n positions from random games, uint64 [n, 112]."""
    masks = np.zeros((n, 112), np.uint64)
    for row in masks:
        stack = stack_from_board(random_game(rng, int(rng.integers(120))))
        planes.encode(stack, len(stack) - 1, 0, row)
    return masks
