"""Kinds of Lc0's towers, on generated files: the layers against the path that plays, which lc0
itself proves in test_lc0_itself.py.
"""

import gzip

import numpy as np
import pytest

from engine.errors import ConfigError
from engine.network.input_formats import INPUT_FORMATS, turned_batch
from engine.network.lc0.planes_file import read_planes, write_planes
from engine.network.lc0.reader import load_lc0
from engine.network.weights import load_network
from tests.unit.network.lc0_kept import answered, boards
from tests.unit.network.lc0_nets import fused_answers, random_masks, training_answers
from tests.unit.network.lc0_towers import file_bytes, random_net

KINDS = {
    "classical policy, scalar value": {"policy": "classical", "value": "scalar"},
    "attention policy": {"policy": "attention"},
    "mish": {"activation": "mish"},
    "mish, attention policy": {
        "activation": "mish",
        "policy": "attention",
        "gates": False,
        "moves_left": False,
    },
    "mish, classical policy, scalar value": {
        "activation": "mish",
        "policy": "classical",
        "value": "scalar",
    },
    "encoders in an attention policy": {"policy": "attention", "encoders": 2},
    "mish, encoders in an attention policy": {
        "activation": "mish",
        "policy": "attention",
        "encoders": 1,
    },
    "folded weights": {"folded": True},
    "no gates, odd filters": {"gates": False, "filters": 20, "blocks": 1},
    "no blocks": {"blocks": 0},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_layers_answer_as_the_path_that_plays(tmp_path, kind):
    rng = np.random.default_rng(11)
    path = tmp_path / "net.pb.gz"
    masks = random_masks(9, rng)
    path.write_bytes(gzip.compress(file_bytes(random_net(rng, **kind))))
    first = fused_answers(load_network(path), masks)
    assert np.ptp(first.logits) > 1
    assert np.ptp(first.value) > 0.01
    assert_close(training_answers(load_lc0(path), masks), first, 2e-4)
    for name, tolerance in (("net.dit", 0.0), *[("again.pb", 2e-2)] * (kind.get("blocks") != 0)):
        write_planes(tmp_path / name, read_planes(path))
        assert read_planes(tmp_path / name).config == read_planes(path).config
        assert_close(fused_answers(load_network(tmp_path / name), masks), first, tolerance)


def assert_close(found, expected, tolerance):
    np.testing.assert_allclose(found.logits, expected.logits, atol=tolerance)
    np.testing.assert_allclose(found.value, expected.value, atol=tolerance)
    np.testing.assert_allclose(found.moves_left, expected.moves_left, atol=100 * tolerance)


@pytest.mark.parametrize("input_format", INPUT_FORMATS[1:])
def test_towers_of_other_input_formats_see_their_planes(tmp_path, input_format):
    """They were refused."""
    net = random_net(np.random.default_rng(11), policy="attention")
    net["format"]["network_format"]["input"] = input_format
    (tmp_path / "net.pb").write_bytes(file_bytes(net))
    write_planes(tmp_path / "again.pb", read_planes(tmp_path / "net.pb"))
    for name, tolerance in (("net.pb", 2e-4), ("again.pb", 2e-2)):
        leaves = answered(tmp_path / name, boards()[:40])
        masks, index = turned_batch(input_format, leaves.masks[:40], leaves.policy_index[:40])
        expected = training_answers(load_lc0(tmp_path / "net.pb"), masks)
        np.testing.assert_allclose(
            leaves.wdl[:40, 0] - leaves.wdl[:40, 2], expected.value, atol=tolerance
        )
        for row, count in enumerate(leaves.n_moves[:40]):
            moves = expected.logits[row, index[row, :count]]
            np.testing.assert_allclose(leaves.logits[row, :count], moves, atol=tolerance)
    with pytest.raises(ConfigError, match=f"not of input format {input_format}"):
        write_planes(tmp_path / "net.dit", read_planes(tmp_path / "net.pb"))
