"""Reviews that are kept beside the games, without words, so that a page of one speaks the language
of who reads it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import chess
from markupsafe import Markup

from engine.board.notation import board_after
from engine.board.pgn.game_writer import game_text
from engine.errors import DataError
from engine.files.atomic import write_file
from engine.search.limits import Limits
from uci.annotate.accuracy import PHASE_NAMES
from uci.annotate.comments import add_comments, how_reviewed
from uci.annotate.game_page import game_section, render_game_page
from uci.annotate.mistake_kinds import Mistake, mistakes_of
from uci.annotate.move_marks import BAD, BRILLIANT, GREAT
from uci.annotate.move_review import GameReview, MoveReview
from uci.annotate.people import PeopleShares
from uci.annotate.reasons import reason_of
from uci.common.evaluation import Evaluation
from uci.common.reading import read_text_games
from uci.language import _
from uci.library.catalogue import Catalogue
from uci.library.cooperative import Steps, finish
from uci.library.game_files import review_files, review_path
from uci.library.game_records import ReviewFacts
from uci.library.puzzles import OWN, Puzzle, puzzle_key, puzzles_of

_MARKS = {mark.nag: mark for mark in (*BAD, GREAT, BRILLIANT)}


@dataclass(frozen=True)
class KeptReview:
    """A review, who judged within which limits, and the side whose player reads it (None: both)."""

    review: GameReview
    evaluator: str
    limits: Limits
    reader: chess.Color | None

    @property
    def how(self) -> str:
        """Who judged, and how thoroughly."""
        return how_reviewed(self.evaluator, self.limits)

    def section(self, number: int) -> tuple[str, Markup]:
        """Return its part of a page, in the language that is spoken here."""
        pgn = game_text(add_comments(self.review, self.how))
        return game_section(self.review, number, pgn, self.reader)

    def page(self, nonce: str) -> str:
        """Return its page, for a server that allows scripts by a nonce."""
        return render_game_page(_("Review of the game"), [self.section(1)], self.how, nonce)

    def text(self) -> str:
        """Return what is kept of it, with what a list shows and its puzzles."""
        review = self.review
        fields = {
            "game": game_text(review.game),
            "start": asdict(review.start),
            "side": review.side,
            "moves": [_pack(move) for move in review.moves],
            "evaluator": self.evaluator,
            "reader": self.reader,
            "nodes": self.limits.nodes,
            "movetime_ms": self.limits.movetime_ms,
            "facts": review_facts(review),
            "puzzles": puzzles_of(review, self.reader),
        }
        return json.dumps(fields)

    @classmethod
    def read(cls, path: Path) -> KeptReview:
        """Return the review that a file keeps. Raises DataError."""
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            texts = read_text_games(fields["game"], path.stem)
            game = next(text.game for text in texts if text.number)
            board = game.board()
            moves = []
            for move, packed in zip(game.mainline_moves(), fields["moves"], strict=False):
                moves.append(_unpack(board, move, packed))
                board = board_after(board, move)
            review = GameReview(game, _evaluation(fields["start"]), moves, fields["side"])
            limits = Limits(nodes=fields["nodes"], movetime_ms=fields["movetime_ms"])
            return cls(review, fields["evaluator"], limits, fields["reader"])
        except Exception as error:
            raise DataError(_("there is no review of this game: {error}", error=error)) from error


def mistake_text(folder: Path, puzzle: Puzzle) -> str:
    """Return what the review says of the move that was played in place of a puzzle's solution; ""
    where there is no review, or no reason.
    """
    line = puzzle.game.split(" ")[0]
    if puzzle.source != OWN or not line:
        return ""
    with contextlib.suppress(DataError):
        for move in KeptReview.read(review_path(folder, line)).review.moves:
            if move.board.fen() == puzzle.fen and (reason := reason_of(move).text):
                return _("Your move {move} {reason}.", move=move.title, reason=reason)
    return ""


class Reviews:
    """The reviews of a folder's games. Each is kept under the line of its game, so that a corrected
    tag loses none.
    """

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._states: dict[Path, tuple[int, ...]] = {}  # of the files that were read
        self._puzzles: dict[str, set[str]] = {}  # the keys of the puzzles of each line

    def refreshing(self) -> Steps:
        """Tell the catalogue of reviews that are new or have changed, and of those that are
        gone.
        """
        paths = review_files(self._folder)
        for path in self._states.keys() - set(paths):
            self._forget(path)
        for path in paths:
            # Another version or program may have written anything there.
            with contextlib.suppress(Exception):
                stat = path.stat()
                state = stat.st_mtime_ns, stat.st_size, stat.st_ino
                if self._states.get(path) != state:
                    self._forget(path)
                    self._states[path] = state
                    self._take_up(path)
                    yield

    def _take_up(self, path: Path) -> None:
        fields = json.loads(path.read_text(encoding="utf-8"))
        line = path.stem
        self._catalogue.note_review(line, _facts_of(fields["facts"]))
        puzzles = fields["puzzles"]
        self._puzzles[line] = {puzzle_key(puzzle["fen"], puzzle["moves"]) for puzzle in puzzles}

    def _forget(self, path: Path) -> None:
        self._states.pop(path, None)
        line = path.stem
        self._puzzles.pop(line, None)
        self._catalogue.note_review(line, None)

    def read(self, line: str) -> KeptReview:
        """Return the review of a line. Raises DataError."""
        return KeptReview.read(review_path(self._folder, line))

    def keep(self, line: str, review: KeptReview) -> None:
        """Keep the review of a line, in place of an older one. Raises OSError."""
        path = review_path(self._folder, line)
        write_file(path, review.text())
        self._forget(path)
        finish(self.refreshing())

    def remove(self, line: str) -> set[str]:
        """Remove the review of a line, if there is one; return the keys of the puzzles that no
        other has.
        """
        path = review_path(self._folder, line)
        gone = self._puzzles.get(line, set[str]())
        path.unlink(missing_ok=True)
        self._forget(path)
        return gone.difference(*self._puzzles.values())


def _facts_of(facts: Any) -> ReviewFacts:
    accuracy = dict[str, float | None]()
    mistakes = dict[str, list[int]]()
    lapses = dict[str, list[Mistake]]()
    for side in chess.COLOR_NAMES:
        accuracy[side] = None if facts[side] is None else float(facts[side])
        mistakes[side] = list(map(int, facts["mistakes"][side]))
        lapses[side] = [Mistake(*fields) for fields in facts["lapses"][side]]
    return ReviewFacts(accuracy, mistakes, lapses)


def _pack(move: MoveReview) -> dict[str, Any]:
    """Return what the game does not tell of a move: its judgement."""
    return {
        "before": asdict(move.before),
        "after": asdict(move.after),
        "best_line": _words(move.best_line),
        "mark": move.mark and move.mark.nag,
        "reply_line": _words(move.reply_line),
        "gap": move.gap,
        "also_good": _words(move.also_good),
        "people": move.people,
        "taken": _words(move.taken),
        "solution": _words(move.solution),
    }


def _unpack(board: chess.Board, move: chess.Move, packed: dict[str, Any]) -> MoveReview:
    people = packed["people"]
    return MoveReview(
        ply=len(board.move_stack) + 1,
        board=board,
        move=move,
        before=_evaluation(packed["before"]),
        after=_evaluation(packed["after"]),
        best_line=_moves(packed["best_line"]),
        mark=_MARKS.get(packed["mark"]),
        reply_line=_moves(packed["reply_line"]),
        gap=packed["gap"],
        also_good=_moves(packed["also_good"]),
        people=people and PeopleShares(*people),
        taken=_moves(packed["taken"]),
        solution=_moves(packed["solution"]),
    )


def _words(line: Iterable[chess.Move]) -> str:
    return " ".join(map(chess.Move.uci, line))


def _moves(words: str) -> tuple[chess.Move, ...]:
    return tuple(map(chess.Move.from_uci, words.split()))


def _evaluation(packed: dict[str, Any]) -> Evaluation:
    return Evaluation(packed["score_cp"], packed["mate"], tuple(packed["wdl"]))


def review_facts(review: GameReview) -> dict[str, Any]:
    """Return each side's accuracy, its mistakes in each phase, and what kind each is of."""
    facts: dict[str, Any] = {"mistakes": {}, "lapses": {}}
    for side in chess.COLORS:
        name = chess.COLOR_NAMES[side]
        facts[name] = review.accuracy(side)
        counts = dict.fromkeys(PHASE_NAMES, 0)
        for move, phase in zip(review.moves, review.phases, strict=False):
            if move.mover == side and move.mark in BAD:
                counts[phase] += 1
        facts["mistakes"][name] = list(counts.values())
        facts["lapses"][name] = mistakes_of(review, side)
    return facts
