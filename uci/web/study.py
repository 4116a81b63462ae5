"""The moves of a game as a tree that one studies: the main line first, any number of variations,
words, glyphs and drawings, and the position that is looked at.

The tree is a game of python-chess. What the page is told of a node is worked out once, when the
node comes into the tree, so that a tree costs as much as it has moves.
"""

from collections.abc import Sequence
from operator import is_

import chess
import chess.pgn
from chess.pgn import ChildNode, GameNode

from engine.board.notation import move_number
from engine.board.pgn.annotations import Shape, drawn_by, notes_at, with_author_text, with_drawing
from engine.errors import MoveError
from engine.pages.board import Facts, shown_position
from uci.language import _, shown_moves
from uci.openings.opening_names import position_name

# Plies; a game or variation takes no more. The longest known tournament game has 538 (269 moves)
MOST_PLIES = 2000
_NAMED_PLIES = 40  # of a line, in which openings are looked for
# Of which a move has one at most.
_GLYPHS = range(chess.pgn.NAG_GOOD_MOVE, chess.pgn.NAG_DUBIOUS_MOVE + 1)

_UNWRITTEN: Facts = {"note": "", "drawn": [], "clock": None}


class Study:
    """A tree of legal moves. The page knows its nodes by numbers, the start by 0.

    Attributes:
        root: the tree.
        stays: the last move of a game that was played: the moves up to it are neither deleted nor
            put behind others. Without one, all moves are the person's own.
        here: the node that is looked at.
        shown: its position.
        changes: how often something was added, changed or removed.
        is_edited: whether the person made a variation, words or glyphs, or took some away.
        is_drawn: whether the person drew something.
    """

    def __init__(self, root: chess.pgn.Game, is_played: bool) -> None:
        self.root = root
        self.stays: GameNode | None = root.end() if is_played else None
        self.changes = 0
        self.is_edited = False
        self.is_drawn = False
        self._nodes = list[GameNode]()
        self.numbers = dict[GameNode, int]()
        self._facts = dict[int, Facts]()
        self._news = set[int]()
        self.here: GameNode = root
        self.shown = root.board()
        self._take_up(root, root.board())
        self.look(self.last)

    @property
    def last(self) -> GameNode:
        """The last move of the game; of a study without one, that of the main line."""
        return self.root.end() if self.stays is None else self.stays

    @property
    def moves(self) -> list[ChildNode]:
        """The nodes of the game's moves."""
        return path_to(self.last)

    @property
    def main_line(self) -> list[chess.Move]:
        """The moves of the game."""
        return [node.move for node in self.moves]

    # ---- what the page is told -------------------------------------------------------------------

    def node(self, number: int) -> GameNode:
        """Return the node of a number. Raises MoveError where it was removed, or never was."""
        if number not in self._facts:
            raise MoveError(_("that move is not in the game any more"))
        return self._nodes[number]

    def news(self, everything: bool = False) -> dict[int, Facts]:
        """Return the facts of the nodes that changed since the last call, or of all."""
        numbers = self._facts.keys() if everything else self._news & self._facts.keys()
        self._news = set()
        news = dict[int, Facts]()
        for number in numbers:
            facts = self._facts[number]
            news[number] = {**facts, "san": shown_moves(facts["san"])}
        return news

    def _take_up(self, top: GameNode, board: chess.Board) -> None:
        """Give a node and all below it numbers; the board stands before the node's move."""
        todo: list[GameNode | None] = [top]
        while todo:
            node = todo.pop()
            if node is None:
                board.pop()
                continue
            facts: Facts = {"san": ""}
            if isinstance(node, ChildNode):
                facts = {"number": move_number(board), "san": board.san_and_push(node.move)}
                todo.append(None)
            self.numbers[node] = number = len(self._nodes)
            self._nodes.append(node)
            self._facts[number] = {**facts, **_place(node.move, board)}
            todo += reversed(node.variations)
        for number in range(self.numbers[top], len(self._nodes)):
            self._describe(self._nodes[number])

    def _describe(self, node: GameNode) -> None:
        """Tell the page anew what follows a node, and what is written there."""
        number = self.numbers[node]
        self._facts[number] |= {
            "next": [self.numbers[child] for child in node.variations],
            "glyphs": sorted(node.nags),
            **(_written(node) if node.comment or node.starting_comment else _UNWRITTEN),
        }
        self._news.add(number)

    # ---- what is looked at -----------------------------------------------------------------------

    def look(self, node: GameNode) -> None:
        """Look at another position; the board goes there move by move."""
        old_path = path_to(self.here)
        path = path_to(node)
        shared = sum(map(is_, path, old_path))
        for _step in old_path[shared:]:
            self.shown.pop()
        for step in path[shared:]:
            self.shown.push(step.move)
        self.here = node

    # ---- what changes it -------------------------------------------------------------------------

    def play(self, move: chess.Move) -> None:
        """Add a move of the game behind its last one, and look there."""
        self.look(self.last)
        node = self._add(self.here, move, self.shown)
        self._put(node, 0)
        self.stays = node
        self.look(node)

    def take_back(self) -> None:
        """Take back the last move of the game. It stays as a variation where something was made of
        it.
        """
        node = self.last
        assert isinstance(node, ChildNode)
        self.stays = node.parent
        self.look(node.parent)
        if not (node.variations or node.comment or node.nags):
            self._remove(node)

    def explore(self, moves: Sequence[chess.Move]) -> None:
        """Play legal moves in the position that is looked at: along a line of the tree, or as a new
        variation.

        Without a game, moves at the end of the main line extend it.
        """
        before = self.changes
        for move in moves[: max(0, MOST_PLIES - len(self.shown.move_stack))]:
            self.look(self._add(self.here, move, self.shown))
        if self.changes > before:
            self.is_edited = True

    def promote(self, node: GameNode) -> None:
        """Make the line to which a node belongs the main one where it leaves another. Raises
        MoveError.
        """
        while isinstance(node, ChildNode) and node.is_main_variation():
            node = node.parent
        if not isinstance(node, ChildNode):
            raise MoveError(_("that is the main line"))
        siblings = node.parent.variations
        first = int(self._does_stay(siblings[0]))
        if siblings[first] is node:
            raise MoveError(_("the moves of the game come first"))
        self._put(node, first)
        self.is_edited = True

    def delete(self, node: GameNode) -> None:
        """Remove a move and all behind it, but no move of a game. Raises MoveError."""
        if not isinstance(node, ChildNode) or self._does_stay(node):
            raise MoveError(_("the moves of the game cannot be deleted"))
        if node in path_to(self.here):
            self.look(node.parent)
        self._remove(node)
        self.is_edited = True

    def _does_stay(self, node: GameNode) -> bool:
        """Whether it is a move of a game that was played."""
        return self.stays is not None and node in path_to(self.stays)

    def comment(self, node: GameNode, text: str) -> None:
        """Replace the author's words on a node."""
        node.starting_comment = with_author_text(node.starting_comment, "")
        node.comment = with_author_text(node.comment, text)
        self.is_edited = True
        self._changed(node)

    def mark(self, node: GameNode, glyph: int) -> None:
        """Replace the glyph on a move, a number of PGN from 1 (`!`) to 6 (`?!`); 0 for none."""
        node.nags.difference_update(_GLYPHS)
        if glyph in _GLYPHS:
            node.nags.add(glyph)
        self.is_edited = True
        self._changed(node)

    def draw(self, node: GameNode, source: int, target: int, colour: str) -> None:
        """Draw an arrow or a circle on a position; the same one again takes it away."""
        shape = (source, target, colour)
        drawn = drawn_by(node)
        shapes = [other_shape for other_shape in drawn if other_shape[:2] != shape[:2]]
        if shape not in drawn:
            shapes.append(shape)
        self._draw(node, shapes)

    def wipe(self, node: GameNode) -> None:
        """Take away all that is drawn on a position."""
        self._draw(node, [])

    def _draw(self, node: GameNode, shapes: list[Shape]) -> None:
        node.comment = with_drawing(node.comment, shapes)
        self.is_drawn = True
        self._changed(node)

    def _add(self, parent: GameNode, move: chess.Move, board: chess.Board) -> ChildNode:
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

    def _remove(self, node: ChildNode) -> None:
        """Remove a node and all below it."""
        node.parent.variations.remove(node)
        todo: list[GameNode] = [node]
        while todo:
            gone = todo.pop()
            del self._facts[self.numbers.pop(gone)]
            todo += gone.variations
        self._rearranged(node.parent)

    def _put(self, node: ChildNode, rank: int) -> None:
        """Give a node another rank among its siblings, 0 for the main line's."""
        siblings = node.parent.variations
        if siblings[rank] is node:
            return
        siblings.remove(node)
        siblings.insert(rank, node)
        self._rearranged(node.parent)

    def _rearranged(self, parent: GameNode) -> None:
        """Note that other moves follow a node, or in another order. The words before its main move
        go behind it: PGN has no room for them there.
        """
        if parent.variations:
            first = parent.variations[0]
            first.comment = f"{first.starting_comment} {first.comment}".strip()
            first.starting_comment = ""
            self._describe(first)
        self._changed(parent)

    def _changed(self, node: GameNode) -> None:
        self.changes += 1
        self._describe(node)

    # ---- its PGN ---------------------------------------------------------------------------------

    def copy_onto(self, game: chess.pgn.Game) -> None:
        """Copy everything onto a game that has the first moves of the main line already, or none.

        What stands behind these becomes a variation of the last one: the game ended there.
        """
        before = game.end()
        todo: list[tuple[GameNode, GameNode]] = [(self.root, game)]
        while todo:
            mine, copy = todo.pop()
            copy.comment = f"{mine.comment} {copy.comment}".strip()
            copy.starting_comment = mine.starting_comment
            copy.nags = set(mine.nags)
            todo += zip(mine.variations, copy.variations, strict=False)
            missing = mine.variations[len(copy.variations) :]
            if missing and copy is before and isinstance(copy, ChildNode):
                copy = copy.parent.add_variation(copy.move)
            todo += ((child, copy.add_variation(child.move)) for child in missing)


def path_to(node: GameNode) -> list[ChildNode]:
    """Return the nodes of the moves that lead to a node."""
    path = list[ChildNode]()
    while isinstance(node, ChildNode):
        path.append(node)
        node = node.parent
    return path[::-1]


def _written(node: GameNode) -> Facts:
    """Return what the comments of a node tell."""
    return {"note": notes_at(node), "drawn": drawn_by(node), "clock": node.clock()}


def _place(move: chess.Move | None, board: chess.Board) -> Facts:
    opening = ""
    if move and len(board.move_stack) <= _NAMED_PLIES:
        opening = position_name(board)
    return {**shown_position(board, move), "opening": opening}
