"""The lines of VerboseMoveStats, from made-up root moves."""

import chess

from engine.search.result import RootMove, SearchResult
from engine.search.tree.root import RootPosition
from uci.protocol.move_stats import move_stats

VISITED = RootMove(
    chess.Move.from_uci("e2e4"), visits=56, prior=0.564, q=0.03279, draw=0.052, mate=None,
    policy_index=322, u=0.98514, s=1.01793, v=0.0337, moves_left=8.26,
)  # fmt: skip
UNVISITED = RootMove(
    chess.Move.from_uci("b1a3"), visits=0, prior=0.0004, q=-0.25, draw=0.0, mate=None,
    policy_index=34, u=0.00075, s=-0.24925,
)  # fmt: skip
ROOT = RootPosition(visits=57, q=0.03301, draw=0.061, v=0.0452, moves_left=9.18)
CASTLING = "4k3/8/8/8/8/8/8/4K2R w K - 0 1"


def result(*children: RootMove) -> SearchResult:
    return SearchResult(children[0].move, None, [], list(children), 57, 1, ROOT)


def test_lines_are_those_of_lc0_least_visited_first() -> None:
    assert move_stats(result(VISITED, UNVISITED), chess.Board()) == [
        "info string b1a3  (34  ) N:       0 (+ 0) (P:  0.04%) (WL:  -.-----) (D: -.---) (M:  -.-) "
        "(Q: -0.25000) (U: 0.00075) (S: -0.24925) (V:  -.----)",
        "info string e2e4  (322 ) N:      56 (+ 0) (P: 56.40%) (WL:  0.03279) (D: 0.052) (M:  8.3) "
        "(Q:  0.03279) (U: 0.98514) (S:  1.01793) (V:  0.0337)",
        "info string node  (   2) N:      57 (+ 0) (P: 56.40%) (WL:  0.03301) (D: 0.061) (M:  9.2) "
        "(Q:  0.03301) (V:  0.0452)",
    ]


def test_proven_and_certain_moves_are_marked() -> None:
    castle = RootMove(chess.Move.from_uci("e1g1"), visits=3, prior=1.0, q=1.0, draw=0.0, mate=1, policy_index=103)
    line = move_stats(result(castle), chess.Board(CASTLING))[0]
    assert line.startswith("info string e1g1  (103 ) N:       3 (+ 0) (P: 100.0%) ")
    assert line.endswith(" (T)")
    assert move_stats(result(castle), chess.Board(CASTLING, chess960=True))[0].startswith("info string e1h1 ")
    assert move_stats(SearchResult(None, None, [], [], 0, 0), chess.Board()) == []
