"""The moves of a game as a tree: the main line first, any number of variations, words and glyphs.

The tree is a game of python-chess. What the page is told of a node is worked out once, when the
node comes into the tree, so that a tree costs as much as it has moves.
"""

from __future__ import annotations

from typing import Any

import chess
import chess.pgn

from engine.board.notation import move_number
from engine.board.pgn.annotations import Shape, drawn_by, notes_at, with_author_text, with_drawing
from engine.errors import MoveError
from engine.pages.board import shown_position
from uci.language import _, shown_moves
from uci.openings.opening_names import position_name

_NAMED_PLIES = 40  # of a line, in which openings are looked for
# Of which a move has one at most.
_GLYPHS = range(chess.pgn.NAG_GOOD_MOVE, chess.pgn.NAG_DUBIOUS_MOVE + 1)

Facts = dict[str, Any]  # of a node, as plain JSON types
_UNWRITTEN: Facts = {"note": "", "drawn": [], "clock": None}


class MoveTree:
    """`game` is the tree; the page knows its nodes by numbers, the start by 0. Legal moves only are
    added.
    """

    def __init__(self, game: chess.pgn.Game) -> None:
        self.game = game
        self.changes = 0  # how often something was added, changed or removed
        self._nodes = list[chess.pgn.GameNode]()
        self.numbers = dict[chess.pgn.GameNode, int]()
        self._facts = dict[int, Facts]()
        self._news = set[int]()
        self._take_up(game, game.board())

    # ---- what the page is told -------------------------------------------------------------------

    def node(self, number: int) -> chess.pgn.GameNode:
        """Return the node of a number. Raises MoveError where it was removed, or never was."""
        if number not in self._facts:
            raise MoveError(_("that move is not in the game any more"))
        return self._nodes[number]

    def news(self, everything: bool = False) -> dict[int, Facts]:
        """Return the facts of the nodes that changed since the last call, or of all."""
        wanted = self._facts.keys() if everything else self._news & self._facts.keys()
        self._news = set()
        return {
            one: {**self._facts[one], "san": shown_moves(self._facts[one]["san"])} for one in wanted
        }

    def _take_up(self, top: chess.pgn.GameNode, board: chess.Board) -> None:
        """Give a node and all below it numbers; the board stands before the node's move."""
        todo: list[chess.pgn.GameNode | None] = [top]
        while todo:
            node = todo.pop()
            if node is None:
                board.pop()
                continue
            facts: Facts = {"san": ""}
            if isinstance(node, chess.pgn.ChildNode):
                facts = {"number": move_number(board), "san": board.san_and_push(node.move)}
                todo.append(None)
            self.numbers[node] = number = len(self._nodes)
            self._nodes.append(node)
            self._facts[number] = {**facts, **_place(node.move, board)}
            todo += reversed(node.variations)
        for number in range(self.numbers[top], len(self._nodes)):
            self._describe(self._nodes[number])

    def _describe(self, node: chess.pgn.GameNode) -> None:
        """Tell the page anew what follows a node, and what is written there."""
        number = self.numbers[node]
        self._facts[number] |= {
            "next": [self.numbers[child] for child in node.variations],
            "glyphs": sorted(node.nags),
            **(_written(node) if node.comment or node.starting_comment else _UNWRITTEN),
        }
        self._news.add(number)

    # ---- what changes it -------------------------------------------------------------------------

    def add(
        self, parent: chess.pgn.GameNode, move: chess.Move, board: chess.Board
    ) -> chess.pgn.ChildNode:
        """Return the node of a legal move, a new one behind its siblings if need be. The board is
        the parent's.
        """
        for child in parent.variations:
            if child.move == move:
                return child
        child = parent.add_variation(move)
        self._take_up(child, board)
        self._changed(parent)
        return child

    def remove(self, node: chess.pgn.ChildNode) -> None:
        """Remove a node and all below it."""
        node.parent.variations.remove(node)
        todo: list[chess.pgn.GameNode] = [node]
        while todo:
            gone = todo.pop()
            del self._facts[self.numbers.pop(gone)]
            todo += gone.variations
        self._join_words(node.parent)
        self._changed(node.parent)

    def put(self, node: chess.pgn.ChildNode, rank: int) -> None:
        """Give a node another rank among its siblings, 0 for the main line's."""
        siblings = node.parent.variations
        if siblings[rank] is node:
            return
        siblings.remove(node)
        siblings.insert(rank, node)
        self._join_words(node.parent)
        self._changed(node.parent)

    def _join_words(self, parent: chess.pgn.GameNode) -> None:
        """Put the words before a node's main move behind it: PGN has no room for them there."""
        if not parent.variations:
            return
        first = parent.variations[0]
        first.comment = f"{first.starting_comment} {first.comment}".strip()
        first.starting_comment = ""
        self._describe(first)

    def comment(self, node: chess.pgn.GameNode, text: str) -> None:
        """Replace the author's words on a node."""
        node.starting_comment = with_author_text(node.starting_comment, "")
        node.comment = with_author_text(node.comment, text)
        self._changed(node)

    def mark(self, node: chess.pgn.GameNode, glyph: int) -> None:
        """Replace the glyph on a move, a number of PGN from 1 (`!`) to 6 (`?!`); 0 for none."""
        node.nags = {nag for nag in node.nags if nag not in _GLYPHS} | (
            {glyph} if glyph in _GLYPHS else set()
        )
        self._changed(node)

    def draw(self, node: chess.pgn.GameNode, shape: Shape) -> None:
        """Draw an arrow or a circle on a position; the same one again takes it away."""
        drawn = drawn_by(node)
        others = [one for one in drawn if one[:2] != shape[:2]]
        self._draw(node, others if shape in drawn else [*others, shape])

    def wipe(self, node: chess.pgn.GameNode) -> None:
        """Take away all that is drawn on a position."""
        self._draw(node, [])

    def _draw(self, node: chess.pgn.GameNode, shapes: list[Shape]) -> None:
        node.comment = with_drawing(node.comment, shapes)
        self._changed(node)

    def _changed(self, node: chess.pgn.GameNode) -> None:
        self.changes += 1
        self._describe(node)

    # ---- its PGN ---------------------------------------------------------------------------------

    def copy_onto(self, game: chess.pgn.Game) -> None:
        """Copy everything onto a game that has the first moves of the main line already, or none.

        What stands behind these becomes a variation of the last one: the game ended there.
        """
        before = game.end()
        todo: list[tuple[chess.pgn.GameNode, chess.pgn.GameNode]] = [(self.game, game)]
        while todo:
            mine, copy = todo.pop()
            copy.comment = f"{mine.comment} {copy.comment}".strip()
            copy.starting_comment = mine.starting_comment
            copy.nags = set(mine.nags)
            todo += zip(mine.variations, copy.variations, strict=False)
            more = mine.variations[len(copy.variations) :]
            if more and copy is before and isinstance(copy, chess.pgn.ChildNode):
                copy = copy.parent.add_variation(copy.move)
            todo += ((child, copy.add_variation(child.move)) for child in more)


def _written(node: chess.pgn.GameNode) -> Facts:
    """Return what the comments of a node tell."""
    return {"note": notes_at(node), "drawn": drawn_by(node), "clock": node.clock()}


def _place(move: chess.Move | None, board: chess.Board) -> Facts:
    opening = position_name(board) if move and len(board.move_stack) <= _NAMED_PLIES else ""
    return {**shown_position(board, move), "opening": opening}
