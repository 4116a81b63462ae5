"""The tree of opening moves from the start position, with each move's games and White's score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import chess

from engine.board.convert import decode_move, row_from_board
from engine.board.layout import KEY
from engine.board.notation import move_number
from selfplay.records.game import SelfPlayRecord

TREE_PLIES = 8
LEAST_BRANCH_SHARE = 0.02  # a branch with a smaller share of all games is not drawn
LEAST_BRANCH_GAMES = 2


@dataclass
class OpeningMove:
    """A move and the replies to it."""

    text: str = ""  # the move with its number, as in `1. e4` and `1... e5`; "" at the root
    games: int = 0  # number of games with this move
    points: float = 0.0  # White's points: 1 for a win and 0.5 for a draw
    by_move: dict[int, OpeningMove] = field(default_factory=dict)  # the branches after it, by encoded move

    @property
    def score(self) -> float:
        """White's share of the points."""
        return self.points / max(1, self.games)

    @property
    def replies(self) -> list[OpeningMove]:
        """The branches after it, most played first."""
        return sorted(self.by_move.values(), key=lambda branch: -branch.games)


def opening_tree(games: Iterable[SelfPlayRecord]) -> OpeningMove:
    """Return the root of the tree, built from the games that began at the start position."""
    start, root = row_from_board(chess.Board()), OpeningMove()
    for game in games:
        if game.start[KEY] != start[KEY]:
            continue
        line = [root]
        for move in game.moves[:TREE_PLIES]:
            line.append(line[-1].by_move.setdefault(int(move), OpeningMove()))
        for node in line:
            node.games += 1
            node.points += (game.white_points + 1) / 2
    _prune(root, chess.Board(), max(LEAST_BRANCH_GAMES, LEAST_BRANCH_SHARE * root.games))
    return root


def _prune(node: OpeningMove, board: chess.Board, least: float) -> None:
    """Leave out branches of fewer games, and name the others."""
    node.by_move = {code: branch for code, branch in node.by_move.items() if branch.games >= least}
    for code, branch in node.by_move.items():
        move = decode_move(row_from_board(board), code)
        branch.text = f"{move_number(board)} {board.san(move)}"
        board.push(move)
        _prune(branch, board, least)
        board.pop()
