"""The game on the web board, and the variations beside it: rules and clocks, no engine, no
network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_

import chess
import chess.pgn

from engine.board.notation import board_after
from engine.board.pgn.annotations import game_name, is_told
from engine.errors import MoveError
from uci.game.ends import UNFINISHED, GameEnd, end_by_flag, end_on_board
from uci.game.game_file import game_from_board
from uci.game.timed_game import Setup, TimedGame
from uci.language import _
from uci.web.lesson import Lesson
from uci.web.move_tree import MoveTree
from uci.web.table_review import TableReview

# Plies; a game or variation takes no more. The longest known tournament game has 538 (269 moves)
MOST_PLIES = 2000
_ANALYSIS = "Analysis"  # the title of one that the person gave none


class Table(TimedGame):
    """One game, its end, and in analysis the position that is looked at. On a board for analysis
    nobody plays.

    The clocks wait while the game is analysed or nobody is at the board, and while somebody waits
    until the engine is loaded: Aino to move, or the person for an answer.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.end = end_on_board(self.board) if self.is_game else None
        self.is_analysing = not self.is_game
        self.is_waiting = False  # nobody is at the board
        self.is_loading = False  # Aino cannot think yet
        self.is_asked = False  # the person waits for Aino's answer to something else than a move
        self.review = TableReview()
        self.lesson: Lesson | None = None  # a mistake that one tries to do better
        self.tree = MoveTree(setup.source or chess.pgn.Game.from_board(self.board))
        self.saved: chess.pgn.Game | None = None  # the record that was saved last
        self.saved_version: object = None  # and what could change in it since then
        self.where_saved = ""  # in words, or why it could not be saved
        self.kept = setup.kept
        self.kept_apart = ""  # why the latest record is not in the file that the game is from
        self.tags = dict(setup.headers)  # of a board without a game
        # Tags that the person gave, or may have given in an earlier program, are told as they are.
        self._is_named = setup.analysis is not None
        self._first_line = list(self.tree.game.mainline_moves())  # of the source
        self._has_edited = False  # whether the person changed something in analysis
        self.last: chess.pgn.GameNode = self.tree.game.end()  # of the game's last move
        # The node that is looked at, and its position.
        self.here, self.shown = (self.last, self.board.copy())

    # ---- the game --------------------------------------------------------------------------------

    @property
    def is_game(self) -> bool:
        """Whether Aino plays in it; otherwise it is a board for analysis."""
        return self.human is not None or self.setup.is_watched

    @property
    def seen_by(self) -> chess.Color | None:
        """The side that is the person's own, if that is known."""
        return self.setup.seen_by if self.human is None else self.human

    @property
    def is_running(self) -> bool:
        """Whether a game is being played at this moment."""
        return self.is_game and self.end is None and not self.is_analysing and not self.is_waiting

    @property
    def is_engine_turn(self) -> bool:
        """Whether Aino is to move in a running game."""
        return self.is_running and super().is_engine_turn

    @property
    def is_human_turn(self) -> bool:
        """Whether the person is to move in a running game."""
        return self.is_running and not super().is_engine_turn

    def play(self, move: chess.Move) -> None:
        """Play a legal move of the running game. A flag that fell before it ends the game
        instead.
        """
        if self.fall_of_flag():
            return
        node = self.tree.add(self.last, move, self.board)
        self.tree.put(node, 0)
        self.push(move)
        self.last = node
        self.where_saved = ""
        self.look(node)
        self.end = end_on_board(self.board)
        self.run_clock()

    def run_clock(self) -> None:
        """Let the clock of the side to move run if the game does; else stop both."""
        if self.is_running and not (self.is_loading and (self.is_engine_turn or self.is_asked)):
            self.start_clock()
        elif self.clock is not None:
            self.clock.set_left(self.board.turn, self.clock.left(self.board.turn))

    def fall_of_flag(self) -> bool:
        """End the game if the side to move has no time left; return whether it did."""
        if not (self.is_running and self.is_flag_down):
            return False
        self.finish(end_by_flag(self.board))
        return True

    def finish(self, end: GameEnd) -> None:
        """End the game."""
        self.end = end
        self.run_clock()

    def take_back(self) -> bool:
        """As in every game, but not in analysis. An end goes, too. Moves with variations or words
        stay as one.
        """
        before = self.plies
        if not self.is_game or self.is_analysing or not super().take_back():
            return False
        self.end = None
        for _gone in range(before - self.plies):
            gone = self.last
            assert isinstance(gone, chess.pgn.ChildNode)
            self.last = gone.parent
            if not (gone.variations or gone.comment or gone.nags):
                self.tree.remove(gone)
        self.look(self.last)
        self.run_clock()
        return True

    def wait(self, waiting: bool) -> None:
        """Stop the game while nobody is at the board, or let it continue."""
        self.fall_of_flag()
        self.is_waiting = waiting
        self.run_clock()

    def load(self, loading: bool) -> None:
        """Stop the clock of whoever waits while the engine is being loaded, or let it run."""
        self.is_loading = loading
        self.run_clock()

    def ask(self, asked: bool) -> None:
        """Note that the person waits for an answer, or has it: while the engine is being loaded,
        this costs no time.
        """
        self.fall_of_flag()
        self.is_asked = asked
        self.run_clock()

    # ---- analysis --------------------------------------------------------------------------------

    def analyse(self, analysing: bool) -> None:
        """Enter or leave analysis, during which the game waits. A board without a game is always in
        analysis.
        """
        self.fall_of_flag()
        self.is_analysing = analysing or not self.is_game
        self.look(self.last)
        self.run_clock()

    @property
    def to_play(self) -> chess.Board:
        """The position in which moves are made: in a game the latest one."""
        return self.shown if self.is_analysing else self.board

    @property
    def moves(self) -> list[chess.pgn.ChildNode]:
        """The nodes of the game's moves."""
        return _way_to(self.last)

    def look(self, node: chess.pgn.GameNode) -> None:
        """Look at another position of the game or of a variation: the nearest known board goes
        there move by move. A lesson ends.
        """
        self.lesson = None
        way = _way_to(node)
        ways = [(_way_to(self.here), self.shown), (_way_to(self.last), self.board)]
        shared = [sum(map(is_, way, known)) for known, _board in ways]
        nearer = min(0, 1, key=lambda index: len(ways[index][0]) - 2 * shared[index])
        known, board = ways[nearer]
        self.here = node
        self.shown = board.copy() if nearer else board
        for _step in known[shared[nearer] :]:
            self.shown.pop()
        for step in way[shared[nearer] :]:
            self.shown.push(step.move)

    def explore(self, moves: Sequence[chess.Move]) -> None:
        """Play legal moves in the position that is looked at: along a line of the tree, or as a new
        variation.

        On a board without a game, moves at the end of the main line extend it.
        """
        before = self.tree.changes
        for move in moves[: max(0, MOST_PLIES - len(self.shown.move_stack))]:
            self.look(self.tree.add(self.here, move, self.shown))
        if self.tree.changes > before:
            self._edited()

    @property
    def may_be_named(self) -> bool:
        """Whether its title and names are the person's own to choose: not those of a game."""
        return not self.is_game and self.kept is None

    def name(self, title: str, white: str, black: str) -> None:
        """Give an analysis a title and the names of its players, "" for none. Raises MoveError."""
        if not self.may_be_named:
            raise MoveError(_("the names of a game that was played stay"))
        names = {"Event": title, "White": white, "Black": black}
        unknown = {"Event": _ANALYSIS, "White": "?", "Black": "?"}
        names = {tag: text.strip() or unknown[tag] for tag, text in names.items()}
        self.tags = {"Date": f"{self.started:%Y.%m.%d}", **self.tags, **names}
        self._is_named = True
        self._edited()

    def promote(self, node: chess.pgn.GameNode) -> None:
        """Make the line to which a node belongs the main one where it leaves another. Raises
        MoveError.
        """
        while isinstance(node, chess.pgn.ChildNode) and node.is_main_variation():
            node = node.parent
        if not isinstance(node, chess.pgn.ChildNode):
            raise MoveError(_("that is the main line"))
        # What was played stays first.
        first = int(self.is_game and node.parent.variations[0] in _way_to(self.last))
        if node.parent.variations[first] is node:
            raise MoveError(_("the moves of the game come first"))
        self.tree.put(node, first)
        self._edited()

    def delete(self, node: chess.pgn.GameNode) -> None:
        """Remove a move and all behind it, but no move of a game with Aino. Raises MoveError."""
        if not isinstance(node, chess.pgn.ChildNode) or (
            self.is_game and node in _way_to(self.last)
        ):
            raise MoveError(_("the moves of the game cannot be deleted"))
        if node in _way_to(self.here):
            self.look(node.parent)
        self.tree.remove(node)
        self._edited()

    def comment(self, node: chess.pgn.GameNode, text: str) -> None:
        """Write one's own words on a move."""
        self.tree.comment(node, text)
        self._edited()

    def mark(self, node: chess.pgn.GameNode, glyph: int) -> None:
        """Mark a move as good or bad."""
        self.tree.mark(node, glyph)
        self._edited()

    def draw(self, node: chess.pgn.GameNode, source: int, target: int, colour: str) -> None:
        """Draw an arrow or a circle on a position, or take it away."""
        self.tree.draw(node, (source, target, colour))
        self._drew()

    def wipe(self, node: chess.pgn.GameNode) -> None:
        """Take away all that is drawn on a position."""
        self.tree.wipe(node)
        self._drew()

    def _drew(self) -> None:
        """Note that something was drawn, but before the first move of a game, where it is no reason
        to save it.
        """
        if self.is_analysing or self.is_played:
            self._edited()

    def _edited(self) -> None:
        """Note that the person made something. On a board without a game, the main line is the
        game.
        """
        self._has_edited = True
        last = self.tree.game.end()
        if self.is_game or last is self.last:
            return
        self.last = last
        self.board = board_after(self.board.root(), *self.tree.game.mainline_moves())

    # ---- its PGN ---------------------------------------------------------------------------------

    @property
    def is_played(self) -> bool:
        """Whether it is a game in which the person has moved, or Aino against itself."""
        # Aino began.
        return self.is_game and self.plies - self.first_ply > (self.setup.board.turn != self.human)

    @property
    def is_worth_saving(self) -> bool:
        """Whether the person made something that is not saved."""
        return (self.is_played or self._has_edited) and self.version != self.saved_version

    @property
    def version(self) -> object:
        """What tells the record from an earlier one: the tree, the end, the levels, the clocks."""
        clocks = self.clock and self.clock.headers()
        return self.tree.changes, self.end, self.names, self.tags, clocks

    def record(self, end: GameEnd | None = None, event: str = "Web game") -> chess.pgn.Game:
        """Return the game as PGN, with all variations; the result is "*" while it lasts."""
        if self.is_game:
            game = super().record(end or self.end or UNFINISHED, event)
        else:
            headers = self._analysis_tags()
            if self.setup.source is not None:
                game = chess.pgn.Game(headers)
            else:
                game = game_from_board(
                    self.board, headers, headers.get("Result", UNFINISHED.result), self.clock_times
                )
        self.tree.copy_onto(game)
        return game

    def _analysis_tags(self) -> Mapping[str, str]:
        """Return the tags of a board without a game. Players and a result belong to the moves that
        were played: with another main line, only the event tells of them.
        """
        today = f"{self.started:%Y.%m.%d}"
        tags = self.tags
        if not tags:
            return {"Event": _ANALYSIS, "Date": today}
        if self._is_named:
            return tags
        is_as_played = list(self.tree.game.mainline_moves()) == self._first_line
        if is_as_played or not any(is_told(tags.get(name, "")) for name in ("White", "Black")):
            return tags
        of = " ".join(filter(is_told, (game_name(tags), tags.get("Date", ""))))
        start: dict[str, str] = {
            name: tags[name] for name in ("SetUp", "FEN", "Variant") if name in tags
        }
        nobody = {
            "Site": "-",
            "Round": "-",
            "White": "?",
            "Black": "?",
            "Result": UNFINISHED.result,
        }
        return {"Event": f"Analysis of {of}", "Date": today, **nobody, **start}


def _way_to(node: chess.pgn.GameNode) -> list[chess.pgn.ChildNode]:
    """Return the nodes of the moves that lead to a node."""
    found = list[chess.pgn.ChildNode]()
    while isinstance(node, chess.pgn.ChildNode):
        found.append(node)
        node = node.parent
    return found[::-1]
