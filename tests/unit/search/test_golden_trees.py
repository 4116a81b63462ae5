"""Trees of whole searches, which a change that is not meant to alter the search leaves as they are."""

import chess
import pytest

from engine.board.convert import decode_move
from engine.search.tree.params import SearchParams
from tests.unit.search.flat import searched
from tests.unit.search.shared_trees import POSITIONS

pytestmark = pytest.mark.plain

# The root's five most visited moves after 400 visits with the evaluator `material`.
GOLDEN = {
    chess.STARTING_FEN: {"g1f3": 95, "b1c3": 84, "e2e4": 64, "d2d4": 42, "d2d3": 19},
    POSITIONS[1]: {"c3a4": 259, "c1e3": 26, "c1d2": 22, "c1g5": 9, "c3d5": 7},
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1": {"b4f4": 265, "b4c4": 87, "a5a4": 6, "a5a6": 5, "e2e3": 5},
}


def favourites(fen: str) -> dict[str, int]:
    root = searched(fen, 400, SearchParams(needs_planes=False), 2000).root()
    visits = {
        decode_move(root.row, int(move)).uci(): int(count) for move, count in zip(root.moves, root.visits, strict=True)
    }
    return dict(sorted(visits.items(), key=lambda item: (-item[1], item[0]))[:5])


@pytest.mark.parametrize("fen", GOLDEN)
def test_golden_trees(fen):
    assert favourites(fen) == GOLDEN[fen]
