"""Lc0 nets answer as lc0 does: `maia-1900` (64x6, WDL) and `meangirl-8` (32x4, scalar value), both with gates and a
convolutional policy, through the training path, the fused path and a trip through our own export.
"""

from pathlib import Path

import numpy as np
import pytest

from engine.network.lc0.planes_file import read_planes, write_planes
from engine.network.lc0.reader import load_lc0
from engine.network.weights import load_network
from tests.unit.network.lc0_answers import NETS, Answers, legal_softmax, read_answers
from tests.unit.network.lc0_nets import NetAnswers, fused_answers, training_answers

EVERYTHING = pytest.param(None, marks=pytest.mark.slow)


def assert_lc0s(found: NetAnswers, answers: Answers) -> None:
    exact = legal_softmax(found.logits, answers)
    assert (np.abs(exact - answers.policy) <= 0.005 * exact + 1e-4).all()
    assert np.abs(found.value - answers.value).max() <= 1e-4


def fused(path: Path, masks: np.ndarray) -> NetAnswers:
    return fused_answers(load_network(path), masks)


def trained(path: Path, masks: np.ndarray) -> NetAnswers:
    return training_answers(load_lc0(path), masks)


@pytest.mark.parametrize("limit", [64, EVERYTHING], ids=["some", "all"])
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("path_of", [trained, fused])
def test_a_path_answers_as_lc0_does(test_data, net, limit, path_of):
    answers = read_answers(test_data, net, limit)
    assert len(answers.value) >= (limit or 250)
    assert_lc0s(path_of(test_data / "nets" / f"{net}.pb.gz", answers.masks), answers)


@pytest.mark.parametrize("net", NETS)
def test_an_exported_net_answers_as_the_one_it_came_from(test_data: Path, tmp_path: Path, net: str) -> None:
    source, answers = test_data / "nets" / f"{net}.pb.gz", read_answers(test_data, net, 64)
    write_planes(tmp_path / "there.dit", read_planes(source))
    write_planes(tmp_path / "back.pb.gz", read_planes(tmp_path / "there.dit"))
    first, again = (fused(path, answers.masks) for path in (source, tmp_path / "back.pb.gz"))
    policies = [legal_softmax(found.logits, answers) for found in (first, again)]
    assert np.abs(policies[0] - policies[1]).max() <= 2e-3
    assert np.abs(first.value - again.value).max() <= 2e-3
