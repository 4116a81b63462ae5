"""Lc0's networks of every kind: lc0's own answers on generated files, the path that plays and the
layers agree.
"""

import zlib

import numpy as np
import pytest

from engine.network.fused.given_tensors import layers_with
from engine.network.input_formats import INPUT_FORMATS, turned_batch
from engine.network.lc0.planes_file import read_planes, write_planes
from engine.network.lc0.reader import load_lc0
from engine.network.outputs import policy_name
from engine.network.planes import float_planes
from engine.network.weights import load_net
from tests.unit.network.fused_tower import assert_bits_depend_on_the_position_alone
from tests.unit.network.lc0_kept import (
    ANSWERS,
    NO_BLOCKS,
    TOWERS,
    answered,
    boards,
    check_answers,
    leaves_in,
    network_file,
)
from tests.unit.network.lc0_nets import assert_close, fused_answers, training_answers
from tests.unit.network.lc0_transformers import DENSE, KINDS, random_transformer

HEADS = {  # in the names of kept answers; policy and value as we name them
    " optimistic_st q": ("optimistic", "q"),
    " soft st": ("soft", "st"),
    " opponent winner": ("opponent", "winner"),
}


def network_in(folder, kind):
    path = folder / "net.pb"
    path.write_bytes(network_file(kind))
    return path


def seen(input_format):
    """All positions' planes and policy indices as a network of that format sees them."""
    leaves = leaves_in(input_format)
    return turned_batch(input_format, leaves.masks, leaves.policy_index)


@pytest.mark.parametrize("input_format", INPUT_FORMATS)
def test_planes_of_every_input_format_are_lc0s(input_format):
    with np.load(ANSWERS) as data:
        checksums = data[f"planes {input_format}"]
    masks = seen(input_format)[0].copy()
    masks[:, 109] = 0
    assert [zlib.crc32(row.tobytes()) for row in masks] == checksums.tolist()


@pytest.mark.parametrize("kind", [*TOWERS, *KINDS])
def test_every_kind_of_network_answers_as_lc0_does(tmp_path, kind):
    path = network_in(tmp_path, kind)
    leaves = answered(path, boards())
    with np.load(ANSWERS) as data:
        names = [name for name in (kind, f"{kind} vanilla winner") if name in data]
        further = [ending for ending in HEADS if kind + ending in data]
    check_answers(*names, leaves.logits, leaves.wdl, leaves.moves_left)
    for ending in further:
        check_further_heads(load_lc0(path), kind + ending, *HEADS[ending])


def check_further_heads(net, name, policy, value):
    """Heads that do not play, which files and exports keep."""
    masks, index = seen(net.config.input_format)
    answers = training_answers(net, masks, policy_name(policy), net.config.value_name(value))
    logits = np.take_along_axis(answers.logits, index.astype(int), 1)
    check_answers(name, logits, answers.wdl, answers.moves_left)


@pytest.mark.parametrize("kind", [NO_BLOCKS, *TOWERS, *KINDS])
def test_layers_and_other_files_answer_as_the_path_that_plays(tmp_path, kind):
    path = network_in(tmp_path, kind)
    net = load_lc0(path)
    masks = seen(net.config.input_format)[0][:16]
    first = training_answers(net, masks)
    assert np.ptp(first.logits) > 1
    assert np.ptp(first.value) > 0.01
    assert_close(fused_answers(load_net(path), masks), first, 2e-4)
    outputs = layers_with(net.tensors, net.config).predict(float_planes(masks))
    for suffix, tolerance in ((".dit", 1e-4), (".pb.gz", 5e-2)):
        if kind == NO_BLOCKS and suffix == ".pb.gz":
            continue
        if kind in TOWERS and net.config.input_format > 1 and suffix == ".dit":
            continue
        write_planes(tmp_path / f"again{suffix}", net)
        again = read_planes(tmp_path / f"again{suffix}")
        assert again.config == net.config
        read_back = layers_with(again.tensors, again.config).predict(float_planes(masks))
        for name, expected in outputs.items():
            np.testing.assert_allclose(read_back[name], expected, atol=2 * tolerance)


@pytest.mark.parametrize(
    "kind", ["dense, all heads", "narrow queries, odd sizes", "encoders in the policy head"]
)
def test_a_positions_bits_depend_on_nothing_but_the_position(tmp_path, kind):
    fused = load_net(network_in(tmp_path, kind))
    masks = leaves_in(1).masks[:20].copy()
    assert_bits_depend_on_the_position_alone(fused, masks, np.random.default_rng(4))


def test_a_head_of_another_size_than_the_first_lets_a_network_play(tmp_path):
    """Lc0's trainer can write such files."""
    path = tmp_path / "net.pb"
    path.write_bytes(random_transformer(6, **DENSE, wider={"q": 10, "st": 3}))
    masks = leaves_in(1).masks[:16]
    expected = training_answers(read_planes(path, to_play=True), masks)
    assert_close(fused_answers(load_net(path), masks), expected, 2e-4)


def test_the_gradient_of_a_transformer_agrees_with_differences_along_random_directions(tmp_path):
    sizes = DENSE | {"width": 8, "heads": 2, "inner": 8, "hidden": 6, "planes": 2, "encoders": 1}
    path = tmp_path / "net.pb"
    path.write_bytes(random_transformer(2, **sizes))
    net = load_lc0(path)
    rng = np.random.default_rng(5)
    model = layers_with(net.tensors, net.config).astype(np.float64)
    x = float_planes(leaves_in(1).masks[:3]).astype(np.float64)
    outputs, backward = model.forward(x, True)
    weights = {name: rng.standard_normal(output.shape) for name, output in outputs.items()}
    dx, grads = backward(weights)
    grads["x"] = dx

    def loss():
        return sum((weights[head] * output).sum() for head, output in model.predict(x).items())

    for name, tensor in {"x": x, **model.named_parameters()}.items():
        step = 1e-6 * rng.standard_normal(tensor.shape)
        tensor += step
        above = loss()
        tensor -= 2 * step
        slope = (above - loss()) / 2e-6
        tensor += step
        by_hand = (grads[name] * step).sum() / 1e-6
        assert slope == pytest.approx(by_hand, rel=1e-4, abs=1e-4)
