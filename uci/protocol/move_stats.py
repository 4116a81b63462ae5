"""Lc0's `VerboseMoveStats`: the search's numbers for every root move, in the form that GUIs such as Nibbler read.

    info string e2e4  (322 ) N:      56 (+ 0) (P: 56.40%) (WL:  0.03279) (D: 0.052) (M:  0.0) (Q:  0.03279) (U: 0.98418)
                (S:  1.01791) (V:  0.0337)

The fields stand on one line: move, its index among the 1858 policy moves, visits (and visits in flight: 0 after the
search), prior, win minus loss, draw, moves left, value, exploration bonus, the score by which the search compares moves
(value, bonus and what moves left count for), and the evaluator's own value. `(T)` marks a proven result. A move without
visits shows first-play urgency as its Q. The last line, `node`, describes the root position: its visits are one more
than those of all moves, because they include its own evaluation, and so do its values. All values are from the side to
move.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import chess

from engine.search.result import RootMove, SearchResult

if TYPE_CHECKING:
    from engine.search.tree.root import RootPosition


def move_stats(result: SearchResult, board: chess.Board) -> list[str]:
    """Return the lines, least visited move first, in Lc0's order. Empty when nothing was searched."""
    ranked = sorted(result.children, key=lambda child: (child.visits, child.s))
    if result.root is None or not ranked:
        return []
    return [_move_line(child, board) for child in ranked] + [_node_line(result.root, ranked)]


def _move_line(child: RootMove, board: chess.Board) -> str:
    head = _head(board.uci(child.move), f"{child.policy_index:<4}", child.visits, child.prior)
    values, seen = "(WL:  -.-----) (D: -.---) (M:  -.-)", "(V:  -.----)"
    if child.visits:
        values, seen = _values(child.q, child.draw, child.moves_left), f"(V: {child.v:7.4f})"
    proven = "" if child.mate is None else " (T)"
    return f"{head} {values} (Q: {child.q:8.5f}) (U: {child.u:6.5f}) (S: {child.s:8.5f}) {seen}{proven}"


def _node_line(root: RootPosition, children: Sequence[RootMove]) -> str:
    visited_prior = sum(child.prior for child in children if child.visits)
    head = _head("node", f"{len(children):4}", root.visits, visited_prior)
    return f"{head} {_values(root.q, root.draw, root.moves_left)} (Q: {root.q:8.5f}) (V: {root.v:7.4f})"


def _head(name: str, number: str, visits: int, prior: float) -> str:
    percent = f"{100 * prior:5.1f}" if prior >= 0.99995 else f"{100 * prior:5.2f}"
    return f"info string {name:<5} ({number}) N: {visits:7} (+ 0) (P: {percent}%)"


def _values(win_minus_loss: float, draw: float, moves_left: float) -> str:
    return f"(WL: {win_minus_loss:8.5f}) (D: {draw:5.3f}) (M: {moves_left:4.1f})"
