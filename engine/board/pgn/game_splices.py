"""Writes what was changed in a game into the text that it was read from, and touches nothing else
there.

Each node of a game's tree stands somewhere in its text: a number, a word, marks, comments, and
behind them the variations to its move. Where a comment or a mark was changed, its own bytes are
replaced. A new variation stands behind those before it. A deleted one goes with its brackets. Title
and names of a chapter are replaced where they stand among the tags.
"""

import io
import itertools
import re
from dataclasses import dataclass, field
from typing import NamedTuple

import chess.pgn
import numpy as np

from engine.board.pgn.cutter import Cutter, GameText
from engine.board.pgn.game_reader import play_tokens
from engine.board.pgn.game_writer import moves_text, plain_comment
from engine.board.pgn.move_words import SIGNS, nags_of
from engine.board.pgn.scan_buffers import (
    CLOSE,
    COMMENT_KINDS,
    ESCAPE,
    KIND,
    MOVE_KINDS,
    NAG,
    NUMBER,
    OPENING_BRACKET,
    TOLD,
    VALUE_TEXT,
    Token,
)
from engine.board.pgn.token_player import GLUED_RESULT, PlacedPlayer
from engine.errors import DataError, message
from engine.files.source_text import Splice, splice

# What a person may call a game otherwise; all other tags stay what they were.
NAMING_TAGS = "ChapterName Event White Black".split()
# A node of the game that was read, and the same node of the edited game.
_NodePair = tuple[chess.pgn.GameNode, chess.pgn.GameNode]
_SPACES = b" \t"
_SEMICOLON = ord(";")
_GLYPHS = {number: sign for sign, number in SIGNS.items() if not sign.strip("!?")}


def game_splices(text: bytes, edited: chess.pgn.Game) -> list[Splice]:
    """Return what has to be spliced into a game's text so that the edited game is read from it.

    text: UTF-8 whose lines end in line feeds, from the end of the game before to its own end.

    Raises DataError, which says why, where the text cannot be read wholly, where tags that are no names, or moves of
    the main line, are others, or where the edited game would not be read again.
    """
    splices = _Splicer(text).splices_of(edited)
    if splices and not are_same_games(_PlacedGame(splice(text, splices)).game, edited):
        raise _unwritable()
    return splices


def _unwritable() -> DataError:
    return DataError(message("what was changed cannot be written into its text"))


def are_same_games(game: chess.pgn.Game, edited: chess.pgn.Game) -> bool:
    """Whether a game has all that an edited one has, in words that can be written, whose lines may
    break elsewhere.
    """
    if dict(game.headers) != dict(edited.headers):
        return False
    todo: list[_NodePair] = [(game, edited)]
    while todo:
        node, edited_node = todo.pop()
        if not _are_same_words(node.comment, edited_node.comment):
            return False
        if not _are_same_words(node.starting_comment, edited_node.starting_comment):
            return False
        if node.nags != edited_node.nags or _moves_from(node) != _moves_from(edited_node):
            return False
        todo += zip(node.variations, edited_node.variations, strict=True)
    return True


def _are_same_words(comment: str, edited: str) -> bool:
    return comment.split() in (edited.split(), plain_comment(edited).split())


def _moves_from(node: chess.pgn.GameNode) -> list[chess.Move]:
    return [child.move for child in node.variations]


# ---- where a game stands -------------------------------------------------------------------------


class _Span(NamedTuple):
    """What stands between two places of a text."""

    begin: int
    end: int
    words: str = ""  # of a comment
    nags: frozenset[int] = frozenset()  # of a mark


@dataclass
class _Standing:
    """Where a node stands in a text."""

    begin: int  # of its number, or else of its word
    end: int  # behind its word and its marks
    last: int  # behind all that belongs to it, up to the next move of its line
    is_alone: bool = True  # whether its word is no other move, too
    ends_line: bool = False  # whether the last of it goes to the end of a line
    marks: list[_Span] = field(default_factory=list)
    starting: list[_Span] = field(default_factory=list)  # comments before a variation's first move
    comments: list[_Span] = field(default_factory=list)


@dataclass
class _Line:
    """A line of moves that is being read, at its latest node."""

    node: chess.pgn.GameNode
    opened: int = 0  # place of its bracket
    number: int | None = None  # place of the number before the next move
    first: chess.pgn.GameNode | None = None
    starting: list[_Span] = field(default_factory=list)


def _unreadable(reader: GameText, place: int, word: str, reason: str) -> DataError:
    line, column = reader.place_of(place)
    words = "it cannot be read wholly (line {line}:{column} of it, {word}: {reason})"
    return DataError(message(words, line=line, column=column, word=repr(word), reason=reason))


class _PlacedGame:
    """A game that was read wholly, and where its nodes stand in its text. Raises DataError."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        reader = GameText(io.BytesIO())
        reader.data = text
        reader.final = True
        reader.line -= text[: len(text) - len(text.lstrip())].count(b"\n")  # told from its first
        cut = Cutter(reader, whole=True, most=2).cut()
        if cut is None or len(cut.games) != 1:
            raise DataError(message("this is not the text of one game"))
        player, self.letters = play_tokens(cut, cut.games[0], False, PlacedPlayer)
        if player.faults:
            raise _unreadable(reader, *min(player.faults))
        self.game = player.game
        tokens = cut.tokens_of(cut.games[0])
        begin = self._movetext_begin(tokens)
        self.standings: dict[chess.pgn.GameNode, _Standing] = {
            self.game: _Standing(begin, begin, begin)
        }
        self.brackets = dict[chess.pgn.GameNode, _Span]()  # of variations, by their first node
        self._lines = [_Line(self.game)]
        for token, node in zip(tokens.tolist(), player.nodes, strict=True):
            self._place(node, *token)

    def _movetext_begin(self, tokens: np.ndarray) -> int:
        """Return the place behind the tags."""
        values = tokens[tokens[:, KIND] == VALUE_TEXT].tolist()
        if not values:
            return 0
        return self.text.index(b"]", Token(*values[-1]).till) + 1

    def _place(
        self, node: chess.pgn.GameNode, kind: int, place: int, till: int, attribute: int
    ) -> None:
        """Note where a token stands that leads to a node."""
        line = self._lines[-1]
        if kind == NUMBER:
            if line.number is None:
                line.number = place
        elif kind == OPENING_BRACKET:
            self._lines.append(_Line(node, place))
        elif kind == CLOSE:
            self._close(till)
        elif kind in COMMENT_KINDS:
            self._place_comment(line, kind, place, till)
        elif kind == NAG:
            self._place_mark(line, _Span(place, till, nags=frozenset([attribute])))
        elif kind in MOVE_KINDS and node is not line.node:
            self._place_moves(line, node, place, till)
        elif kind in MOVE_KINDS:
            nags = nags_of(self.text[place:till].decode(), not node.turn())
            self._place_mark(line, _Span(place, till, nags=frozenset(nags or ())))

    def _close(self, till: int) -> None:
        closed = self._lines.pop()
        if closed.first is not None:
            self.brackets[closed.first] = _Span(closed.opened, till)
        standing = self.standings[self._lines[-1].node]
        if closed.first is None and closed.starting:
            words = " ".join(span.words for span in closed.starting)
            standing.comments.append(_Span(closed.opened, till, words))
        standing.last = till
        standing.ends_line = False

    def _place_comment(self, line: _Line, kind: int, place: int, till: int) -> None:
        words = self.text[place:till].decode(errors="replace").strip()
        begin = place - 1
        end = till
        if kind == TOLD:
            if self.text[begin : begin + 1] == b"{":
                end += 1
            else:  # an offer: (=)
                begin = place
        is_starting = line.first is None and len(self._lines) > 1
        standing = self.standings[line.node]
        if words and kind != ESCAPE:
            comments = line.starting if is_starting else standing.comments
            comments.append(_Span(begin, end, words))
        between = self.text[standing.last : begin].strip()  # a result, or a number
        if not (between or is_starting):
            standing.last = end
            standing.ends_line = kind != TOLD

    def _place_mark(self, line: _Line, mark: _Span) -> None:
        standing = self.standings[line.node]
        standing.marks.append(mark)
        if standing.end == standing.last and standing.end <= mark.begin:
            standing.end = standing.last = mark.end

    def _place_moves(self, line: _Line, node: chess.pgn.GameNode, place: int, till: int) -> None:
        nodes = [node]
        while nodes[-1].parent is not None and nodes[-1].parent is not line.node:
            nodes.append(nodes[-1].parent)
        begin = place if line.number is None else line.number
        word = self.text[place:till].decode()
        if glued := GLUED_RESULT.fullmatch(word):
            word = glued[1]
            till = place + len(word.encode())
        for moved in reversed(nodes):
            self.standings[moved] = _Standing(begin, till, till, is_alone=len(nodes) == 1)
        signs = word[len(word.rstrip("!?")) :]
        if signs:
            span = _Span(till - len(signs), till, nags=frozenset([SIGNS[signs]]))
            self.standings[node].marks.append(span)
        if line.first is None:
            line.first = nodes[-1]
            self.standings[line.first].starting = line.starting
        line.node = node
        line.number = None


# ---- what has changed ----------------------------------------------------------------------------


class _Splicer:
    """Finds what has changed in a game and puts it where it belongs in its text."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._placed = _PlacedGame(text)
        self._words: list[Splice] = []  # of comments and marks
        self._lines: list[Splice] = []  # of variations, which stand behind these

    def splices_of(self, edited: chess.pgn.Game) -> list[Splice]:
        """Return them in order. Raises DataError."""
        game = self._placed.game
        self._edit_tags(dict(game.headers), dict(edited.headers))
        if list(game.mainline_moves()) != list(edited.mainline_moves()):
            raise DataError(message("the moves of the main line are others"))
        todo: list[_NodePair] = [(game, edited)]
        while todo:
            node, edited_node = todo.pop()
            self._edit_node(node, edited_node)
            todo += self._edit_lines(node, edited_node)
        splices = sorted([*self._words, *self._lines], key=lambda change: change[:2])
        for earlier, following in itertools.pairwise(splices):
            if following.begin < earlier.end:
                raise _unwritable()
        return splices

    def _edit_tags(self, tags: dict[str, str], edited: dict[str, str]) -> None:
        end = self._placed.standings[self._placed.game].begin
        for name in NAMING_TAGS:
            value = edited.get(name, "")
            if tags.get(name, "") == value:
                continue
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            tag = rb'\[[ \t]*%s[ \t]+"((?:[^"\\]|\\.)*)"' % name.encode()
            standing = re.search(tag, self._text[:end])
            if standing is None:
                self._words.append(Splice(end, end, f'\n[{name} "{escaped}"]'))
            else:
                self._words.append(Splice(standing.start(1), standing.end(1), escaped))
        fixed = (tags.keys() | edited.keys()).difference(NAMING_TAGS)
        if any(tags.get(name) != edited.get(name) for name in fixed):
            raise DataError(message("the tags are others"))

    def _edit_node(self, node: chess.pgn.GameNode, edited_node: chess.pgn.GameNode) -> None:
        standing = self._placed.standings[node]
        marks = node.nags - edited_node.nags
        added = sorted(edited_node.nags - node.nags)
        if marks or added:
            self._mark(standing, marks, added)
        if edited_node.starting_comment != node.starting_comment:
            words = plain_comment(edited_node.starting_comment)
            self._reword(standing.starting, words, standing.begin, "{words} ")
        if edited_node.comment != node.comment:
            words = plain_comment(edited_node.comment)
            place = standing.end
            form = " {words}"
            if node.parent is None:
                place, form = self._before_moves(standing)
            self._reword(standing.comments, words, place, form)

    def _before_moves(self, root: _Standing) -> tuple[int, str]:
        """Return where a comment before all moves stands, and what parts it from its neighbours."""
        for first in self._placed.game.variations[:1]:
            return self._placed.standings[first].begin, "{words} "
        result = len(self._text) - len(self._text[root.end :].lstrip())
        if result < len(self._text):
            return result, "{words} "
        return root.end, "\n\n{words}"

    # ---- comments --------------------------------------------------------------------------------

    def _reword(self, spans: list[_Span], words: str, place: int, form: str) -> None:
        """Put words in place of those of comments. Comments that begin or end them stay; the first
        of those between them has what is new.
        """
        left = list(spans)
        while left and f"{words} ".startswith(f"{left[0].words} "):
            place = left[0].end
            form = "\n{words}" if self._text[left[0].begin] == _SEMICOLON else " {words}"
            words = words[len(left.pop(0).words) + 1 :]
        while left and f" {words}".endswith(f" {left[-1].words}"):
            words = words[: max(0, len(words) - len(left[-1].words) - 1)]
            place = left.pop().begin
            form = "{words} "
        if words and left:
            self._words.append(Splice(left[0].begin, left[0].end, f"{{{words}}}"))
            left.pop(0)
        elif words:
            self._words.append(self._insertion(place, form.format(words=f"{{{words}}}")))
        self._words += [self._removal(span) for span in left]

    def _insertion(self, place: int, words: str) -> Splice:
        is_apart = words[-1].isspace() or not self._text[place : place + 1].strip(b" \t\n)")
        if not is_apart:
            words = f"{words} "
        return Splice(place, place, words)

    def _removal(self, span: _Span) -> Splice:
        """Take away what stands there, and the spaces before it, or the line if that has no more."""
        begin, end = span.begin, span.end
        while begin and self._text[begin - 1] in _SPACES:
            begin -= 1
        before, behind = self._text[begin - 1 : begin], self._text[end : end + 1]
        if before == b"\n" == behind:
            begin -= 1
        is_apart = bool(behind.strip()) and bool(before.strip(b"(\n"))
        return Splice(begin, end, " " if is_apart else "")

    # ---- marks -----------------------------------------------------------------------------------

    def _mark(self, standing: _Standing, gone: set[int], added: list[int]) -> None:
        """Replace marks by others in the same form, as far as there are some."""
        replaced = set[int]()
        for mark in standing.marks:
            if not mark.nags & gone:
                continue
            if mark.nags - gone:
                raise _unwritable()
            replaced |= mark.nags
            is_number = self._text.startswith(b"$", mark.begin)
            if is_number and added:
                self._words.append(Splice(mark.begin, mark.end, f"${added.pop(0)}"))
            elif is_number:
                self._words.append(self._removal(mark))
            elif added and added[0] in _GLYPHS:
                self._words.append(Splice(mark.begin, mark.end, _GLYPHS[added.pop(0)]))
            else:
                self._words.append(Splice(mark.begin, mark.end, ""))
        if replaced != gone or not standing.is_alone:
            raise _unwritable()
        self._words += [self._insertion(standing.end, f" ${number}") for number in added]

    # ---- variations ------------------------------------------------------------------------------

    def _edit_lines(
        self, node: chess.pgn.GameNode, edited_node: chess.pgn.GameNode
    ) -> list[_NodePair]:
        """Write new variations to a node's move and take deleted ones away; return the others, as
        they are and as they shall be.
        """
        deleted = list(node.variations)
        stay = list[chess.pgn.ChildNode]()
        new = []
        pairs = list[_NodePair]()
        for child in edited_node.variations:
            standing = next((line for line in deleted if line.move == child.move), None)
            if standing is None:
                new.append(child)
                continue
            deleted.remove(standing)
            stay.append(standing)
            pairs.append((standing, child))
        is_in_order = stay == [line for line in node.variations if line in stay]
        is_new_last = edited_node.variations[len(stay) :] == new
        if stay[:1] != node.variations[:1] or not (is_in_order and is_new_last):
            self._rewrite_line(node, edited_node)
            return []
        if not stay and new:
            self._lines.append(self._behind(node, self._moves_text(new)))
            return []
        for line in deleted:
            self._lines.append(self._removal(self._placed.brackets[line]))
        for child in new:
            self._lines.append(self._behind(stay[0], f"({self._moves_text([child])})"))
        return pairs

    def _moves_text(self, nodes: list[chess.pgn.ChildNode]) -> str:
        return moves_text(nodes, self._placed.letters)

    def _behind(self, node: chess.pgn.GameNode, words: str) -> Splice:
        standing = self._alone(node)
        return self._insertion(standing.last, ("\n" if standing.ends_line else " ") + words)

    def _alone(self, node: chess.pgn.GameNode) -> _Standing:
        standing = self._placed.standings[node]
        if not standing.is_alone:
            raise DataError(message("two moves of it are written as one word"))
        return standing

    def _rewrite_line(self, node: chess.pgn.GameNode, edited_node: chess.pgn.GameNode) -> None:
        """Write a variation anew from a node on, because its moves are others."""
        last: chess.pgn.GameNode = node.variations[0]
        begin = self._alone(last).begin
        while last.variations:
            last = last.variations[0]
        span = _Span(begin, self._placed.standings[last].last)
        if edited_node.variations:
            self._lines.append(Splice(*span[:2], self._moves_text(edited_node.variations)))
        else:
            self._lines.append(self._removal(span))
