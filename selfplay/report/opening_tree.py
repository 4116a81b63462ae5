"""The tree of opening moves from the start position, with each move's games and White's score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import chess

from engine.board.convert import decode_move, row_from_board
from engine.board.layout import KEY
from selfplay.records.game import SelfPlayRecord

PLIES = 8
LEAST_SHARE = 0.02  # a branch with a smaller share of all games is left out
LEAST_GAMES = 2


@dataclass
class OpeningMove:
    """A move and the replies to it.

    Attributes:
        text: the move with its number, as in `1. e4` and `1... e5`; "" at the root.
        games: number of games with this move.
        points: White's points: 1 for a win and 0.5 for a draw.
        replies: the branches after it, most played first.
    """

    text: str
    games: int = 0
    points: float = 0.0
    replies: list[OpeningMove] = field(default_factory=list)

    @property
    def score(self) -> float:
        """White's share of the points."""
        return self.points / max(1, self.games)


@dataclass
class _Count:
    games: int = 0
    points: float = 0.0
    replies: dict[int, _Count] = field(default_factory=dict)

    def add(self, points: float) -> None:
        self.games += 1
        self.points += points


def opening_tree(games: Iterable[SelfPlayRecord]) -> OpeningMove:
    """The root of the tree, built from the games that began at the start position."""
    start, root = row_from_board(chess.Board()), _Count()
    for game in games:
        if game.start[KEY] != start[KEY]:
            continue
        points, node = (game.white_points + 1) / 2, root
        node.add(points)
        for move in game.moves[:PLIES]:
            node = node.replies.setdefault(int(move), _Count())
            node.add(points)
    least = max(LEAST_GAMES, LEAST_SHARE * root.games)
    return OpeningMove("", root.games, root.points, _branches(root, chess.Board(), least))


def _branches(node: _Count, board: chess.Board, least: float) -> list[OpeningMove]:
    found = []
    for code, count in sorted(node.replies.items(), key=lambda item: -item[1].games):
        if count.games < least:
            break
        move = decode_move(row_from_board(board), code)
        text = f"{board.fullmove_number}{'.' if board.turn else '...'} {board.san(move)}"
        board.push(move)
        found.append(OpeningMove(text, count.games, count.points, _branches(count, board, least)))
        board.pop()
    return found
