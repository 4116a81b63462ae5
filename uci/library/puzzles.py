"""Puzzles: positions of one's own games in which one missed the only good move, and rows of
Lichess's puzzle file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import chess

from engine.board.fen import Note
from engine.board.notation import board_after
from engine.board.puzzle_rows import puzzle_fields, read_puzzle
from engine.errors import AinoError, DataError
from uci.annotate.accuracy import phases
from uci.annotate.judge import BLUNDER, MISTAKE
from uci.annotate.review import GameReview
from uci.game.timed_game import PERSON
from uci.language import _, translated

SET = "puzzles.csv.xz"  # Aino's own, in Lichess's form
_ONLY = 0.15  # winning chances by which every other move must be worse
_OPEN = 0.3  # winning chances that the solution must leave


def puzzle_key(fen: str, moves: Sequence[str]) -> str:
    """Return what tells a puzzle from others."""
    return f"{fen} {moves[0]}"


@dataclass(frozen=True)
class Puzzle:
    """A position and the moves that solve it: one's own, an answer, one's own, ..."""

    fen: str
    moves: tuple[str, ...]  # UCI
    source: str = "mine"
    rating: float = 1500.0
    deviation: float = 350.0
    # Line, day and players of one's own game, with spaces between; the address of another; ""
    # unknown.
    game: str = ""
    themes: tuple[str, ...] = ()  # as Lichess calls them

    @property
    def key(self) -> str:
        """What tells it from other puzzles."""
        return puzzle_key(self.fen, self.moves)

    @property
    def origin(self) -> str:
        """The game that it comes from, in words."""
        _key, date, players = (*self.game.split(" ", 2), "", "")[:3]
        if self.source == "mine":
            names = " – ".join(_(name) if name == PERSON else name for name in players.split(" – "))
            game = ", ".join(filter(None, (names, date)))
            move = self.fen.split()[-1]
            return (
                _("From {game}, move {move}.", game=game, move=move)
                if game
                else _("From one of your games.")
            )
        return (
            _("From a game that was made to train Aino.")
            if self.source == "aino"
            else _("From an imported file.")
        )

    def accepts(self, board: chess.Board, move: chess.Move, ply: int) -> bool:
        """Whether a move solves the position after `ply` moves: the solution's, or any that mates,
        as on Lichess.
        """
        return move == board.parse_uci(self.moves[ply]) or board_after(board, move).is_checkmate()


def themes_of(board: chess.Board, moves: Sequence[chess.Move]) -> tuple[str, ...]:
    """Return what anyone can tell of a puzzle, in Lichess's words: the phase, and the length of a
    mate.
    """
    is_mate = board_after(board, *moves).is_checkmate()
    return (*phases([board]), *(["mate", f"mateIn{len(moves) // 2 + 1}"] if is_mate else []))


def is_puzzle(chances: float, gap: float, least_gap: float = _ONLY) -> bool:
    """Whether a best move with these winning chances, so much better than all others, makes a
    position a puzzle.
    """
    return gap >= least_gap and chances >= _OPEN


def puzzles_of(review: GameReview, side: chess.Color | None) -> list[dict[str, Any]]:
    """Return the puzzles of a side's mistakes: deep searches found one move only that keeps the
    chances.
    """
    return [
        {"fen": move.board.fen(), "moves": [move.best_line[0].uci()]}
        for move in review.moves
        if move.mover == side and move.judgement in (BLUNDER, MISTAKE) and not move.also_good
        and is_puzzle(move.chances[0], move.gap)
    ]  # fmt: skip


def read_set() -> Iterator[Puzzle]:
    """Return the puzzles that come with Aino. They were drawn from games that were made to train it."""
    with resources.as_file(resources.files("uci.library").joinpath(SET)) as path:
        yield from read_lichess(path, "aino")


def read_lichess(
    path: Path, source: str = "lichess", on_fault: Note | None = None
) -> Iterator[Puzzle]:
    """Return the puzzles of a file in Lichess's form, packed or not.

    `on_fault` hears the line of each row that is none, and why. Raises DataError: for such a row,
    too, if nobody hears.
    """
    for number, fields in puzzle_fields(path):
        try:
            row = read_puzzle(fields)
        except AinoError as error:
            fault = f"{number}: {translated(str(error))}"
            if on_fault is None:
                raise DataError(f"{path}:{fault}") from error
            on_fault(fault)
        else:
            themes = row.themes or themes_of(row.board, row.line)
            moves = tuple(map(chess.Move.uci, row.line))
            yield Puzzle(
                row.board.fen(), moves, source, row.rating, row.deviation, row.game, themes
            )
