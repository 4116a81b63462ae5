"""Puzzles on the page: one at a time, judged here, so that the page never knows the answer."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import chess

from engine.pages.board import Tell, legal_moves, shown_position
from uci.game.timed_game import clicked_move
from uci.language import _
from uci.library.puzzles import Puzzle
from uci.library.solving import PuzzleAttempt
from uci.library.training import PuzzleQuery, PuzzleTraining
from uci.library.training_words import standing_text


class PuzzleService:
    """The puzzles of a folder of games, for the page; `tell` sends a message to it."""

    def __init__(self, folder: Path, tell: Tell) -> None:
        self._folder, self._tell = folder, tell
        self._told = ""  # why answers are not kept, as the page knows
        self.attempt: PuzzleAttempt | None = None
        self._mark = ""  # what the latest try was: right, wrong, or none
        self._points_before = 0.0  # one's own rating as the puzzle began

    @cached_property
    def training(self) -> PuzzleTraining:
        """What chooses puzzles and counts answers."""
        return PuzzleTraining(self._folder)

    def _tell_problem(self) -> None:
        """Tell the page why answers are not kept, once."""
        problem = self.training.problem
        if problem not in ("", self._told):
            self._tell({"do": "say", "text": problem, "kind": "error"})
        self._told = problem

    def next(self, source: str, theme: str, least: int, most: int) -> None:
        """Show the next puzzle of those that are wanted, or how to get some."""
        query = PuzzleQuery(source, theme, least, most)
        puzzle = self.training.next(query)
        self._mark = ""
        self._points_before = self.training.standing.rating.points
        self.attempt = None
        if puzzle is not None:
            self.attempt = PuzzleAttempt(self.training, puzzle)
        else:
            advice = _(
                "No such puzzle is left for today. Choose others, review some of your games, or "
                "import Lichess's puzzle file in My games: mistakes become puzzles."
            )
            self._tell({"do": "puzzle", "fen": "", "says": advice, "standing": "", "over": True})
        self.show()
        counts = self.training.themes(replace(query, theme=""))
        self._tell({"do": "themes", "counts": counts})

    def forget(self, puzzles: set[str]) -> None:
        """Forget the puzzles of a game that was deleted, by their keys."""
        if self.attempt is not None and self.attempt.puzzle.key in puzzles:
            self.attempt = None

    def move(self, uci: str) -> None:
        """Try a move. Raises MoveError."""
        if self.attempt is not None and not self.attempt.is_over:
            self.attempt.play(clicked_move(self.attempt.board, uci))
            self._mark = "right" if self.attempt.failed is None else "wrong"
            self.show()

    def answer(self) -> None:
        """Show the solution."""
        if self.attempt is not None and not self.attempt.is_over:
            self.attempt.give_up()
            self._mark = ""
            self.show()

    def show(self) -> None:
        """Tell the page of the puzzle, if there is one."""
        self._tell_problem()
        if (attempt := self.attempt) is None:
            return
        board, puzzle = attempt.board, attempt.puzzle
        last = None
        if board.move_stack:
            last = board.peek()
        legal = list[tuple[int, int, str]]()
        themes: Sequence[str] = puzzle.themes
        if not attempt.is_over:
            legal = legal_moves(board)
            themes = []
        self._tell({
            "do": "puzzle",
            **shown_position(board, last),
            "legal": legal,
            "flipped": attempt.side == chess.BLACK,
            "says": attempt.says,
            "standing": f"{self._gain(puzzle)} {standing_text(self.training.standing)}".strip(),
            "over": attempt.is_over,
            "mark": self._mark,
            "failed": attempt.failed is not None,
            "origin": puzzle.origin,
            "game": puzzle.game.split(" ")[0],
            "begin": puzzle.fen,
            "before": puzzle.before.split(" ")[0],  # of the opponent's move, which is shown
            "themes": themes,
        })  # fmt: skip

    def _gain(self, puzzle: Puzzle) -> str:
        """Return the puzzle's rating and what one's own gained by it, once it is over."""
        if self.attempt is None or not self.attempt.is_over:
            return ""
        gained = round(self.training.standing.rating.points) - round(self._points_before)
        return _(
            "The puzzle is rated {rating}; your rating: {gained}.",
            rating=f"{puzzle.rating:.0f}",
            gained=f"{gained:+}",
        )
