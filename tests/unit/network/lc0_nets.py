"""Answers of an imported net through the two paths that compute them, in one form."""

from typing import NamedTuple

import numpy as np
from numpy.testing import assert_allclose

from engine.board.convert import stack_from_board
from engine.network import planes
from engine.network.fused.given_tensors import layers_with
from engine.network.planes import float_planes
from engine.network.policy_map import HEAD_INDEX
from engine.nn.layers import softmax
from tests.boards import random_game
from tests.unit.network.fused_tower import infer


class NetAnswers(NamedTuple):
    logits: np.ndarray  # [N, 1858]
    wdl: np.ndarray  # [N, 3]
    moves_left: np.ndarray  # [N] plies, 0 without such a head

    @property
    def value(self):
        """win - loss, float64 [N]"""
        return self.wdl[:, 0].astype(np.float64) - self.wdl[:, 2]


def training_answers(net, masks, policy="policy", value=None):
    """Of the layers, with these heads."""
    outputs = layers_with(net.tensors, net.config).predict(float_planes(masks), 32)
    wdl = outputs[value or net.config.value_head].astype(np.float64)
    if wdl.shape[1] == 3:
        wdl = softmax(wdl)
    else:
        wdl = np.concatenate([(1 + wdl) / 2, np.zeros_like(wdl), (1 - wdl) / 2], axis=1)
    left = 100 * np.maximum(outputs.get("moves_left", np.zeros((len(masks), 1))), 0)
    logits = outputs[policy].reshape(len(masks), -1)[:, HEAD_INDEX[net.config.policy]]
    return NetAnswers(logits, wdl, left[:, 0])


def fused_answers(tower, masks):
    """Of the path that plays."""
    return NetAnswers(*infer(tower, masks))


def assert_close(answers, expected, tolerance):
    assert_allclose(answers.logits, expected.logits, atol=2 * tolerance)
    assert_allclose(answers.wdl, expected.wdl, atol=tolerance)
    assert_allclose(answers.moves_left, expected.moves_left, atol=100 * tolerance)


def random_masks(n, rng):
    """Planes of n positions from random games, uint64 [n, 112]."""
    masks = np.zeros((n, 112), np.uint64)
    for row in masks:
        stack = stack_from_board(random_game(rng, int(rng.integers(120))))
        planes.encode(stack, len(stack) - 1, row)
    return masks
