"""Puzzles: positions of one's own games in which one missed the only good move, and rows of
Lichess's puzzle file.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import chess

from engine.board.fen import Note, parse_fen
from engine.board.notation import board_after
from engine.board.puzzle_rows import puzzle_fields, read_puzzle
from engine.board.worth import lead
from engine.errors import AinoError, DataError
from uci.annotate.accuracy import phases, within
from uci.annotate.material import Moves, is_sacrifice
from uci.annotate.motifs import mate_pattern, motif
from uci.annotate.move_review import GameReview, MoveReview
from uci.annotate.people import UNRATED
from uci.common.players import PERSON
from uci.language import _, translated

SET = "lichess.csv.xz"  # those that come with Aino, in Lichess's form
_KING_AND_PAWN = {chess.KING, chess.PAWN}
_PATTERNS = {"back-rank mate": ["backRankMate"], "smothered mate": ["smotheredMate"]}
# Shares of players beyond which their number tells no more of a puzzle's rating.
_SURE_SHARES = (0.02, 0.98)
_ELO_SCALE = 400.0  # points between players of whom one wins ten times as often
OWN = "mine"  # the source of those of one's own games


def puzzle_key(fen: str, moves: Sequence[str]) -> str:
    """Return what tells a puzzle from others."""
    return f"{fen} {moves[0]}"


@dataclass(frozen=True)
class Puzzle:
    """A position and the moves that solve it: one's own, an answer, one's own, ..."""

    fen: str
    moves: tuple[str, ...]  # UCI
    source: str = OWN
    rating: float = 1500.0
    deviation: float = 350.0
    # Line, day and players of one's own game, with spaces between; the address of another; ""
    # unknown.
    game: str = ""
    themes: tuple[str, ...] = ()  # as Lichess calls them
    # The position before the opponent's move, as FEN, and that move; "" unknown.
    before: str = ""

    @property
    def start(self) -> chess.Board:
        """Its position, behind the opponent's move where that is known. Raises FenError."""
        if not self.before:
            return parse_fen(self.fen)  # of Chess960, where its castling is
        fen, _space, move = self.before.rpartition(" ")
        board = parse_fen(fen)
        board.push_uci(move)
        return board

    @property
    def line(self) -> Moves:
        """The moves."""
        return tuple(map(chess.Move.from_uci, self.moves))

    @property
    def key(self) -> str:
        """What tells it from other puzzles."""
        return puzzle_key(self.fen, self.moves)

    @property
    def origin(self) -> str:
        """The game that it comes from, in words."""
        if self.source == SET:
            return _("From Lichess's puzzles.")
        if self.source != OWN:
            return _("From an imported file.")
        _key, date, players = (*self.game.split(" ", 2), "", "")[:3]
        names = [_(name) if name == PERSON else name for name in players.split(" – ")]
        game = ", ".join(filter(None, (" – ".join(names), date)))
        if not game:
            return _("From one of your games.")
        return _("From {game}, move {move}.", game=game, move=self.fen.split()[-1])

    def accepts(self, board: chess.Board, move: chess.Move, ply: int) -> bool:
        """Whether a move solves the position after `ply` moves: the solution's, or any that mates,
        as on Lichess.
        """
        return move == board.parse_uci(self.moves[ply]) or board_after(board, move).is_checkmate()


def themes_of(board: chess.Board, moves: Moves) -> tuple[str, ...]:
    """Return what rules can tell of a puzzle, in Lichess's words: the phase, the kind of mate or
    how it wins, and a promotion.
    """
    (phase,) = phases([board])
    themes = [phase]
    kinds = {piece.piece_type for piece in board.piece_map().values()} - _KING_AND_PAWN
    if phase == "endgame" and len(kinds) <= 1:
        themes.append(f"{chess.piece_name(*kinds or {chess.PAWN})}Endgame")
    if board_after(board, *moves).is_checkmate():
        themes += ["mate", f"mateIn{len(moves) // 2 + 1}"]
        themes += _PATTERNS.get(mate_pattern(board, moves), [])
    elif theme := motif(board, moves).theme:
        themes.append(theme)
    if any(move.promotion for move in moves[::2]):
        themes.append("promotion")
    if is_sacrifice(board, moves) and not _comes_back(board, moves):
        themes.append("sacrifice")
    return tuple(themes)


def _comes_back(board: chess.Board, moves: Moves) -> bool:
    """Whether a solution's second move wins back what its first one gave, and does not mate."""
    back = board_after(board, *moves[:3])
    is_even = lead(back, board.turn) >= lead(board, board.turn)
    return len(moves) >= 3 and is_even and not back.is_checkmate()


def behind(board: chess.Board) -> str:
    """Return the position before a board's last move, and that move, as `Puzzle.before` has
    them.
    """
    if not board.move_stack:
        return ""
    before = board.copy()
    move = before.pop()
    return f"{before.fen()} {board.uci(move)}"


def puzzles_of(review: GameReview, side: chess.Color | None) -> list[dict[str, Any]]:
    """Return the puzzles of a side's mistakes: deep searches found one move only that keeps the
    chances.
    """
    puzzles = list[dict[str, Any]]()
    for move in review.moves:
        if move.mover == side and move.solution:
            puzzle = {
                "fen": move.board.fen(),
                "before": behind(move.board),
                "moves": list(map(chess.Move.uci, move.solution)),
                "themes": themes_of(move.board, move.solution),
                "rating": _rating_of(move),
            }
            puzzles.append(puzzle)
    return puzzles


def _rating_of(move: MoveReview) -> float:
    """Return the rating at which half of the players find the solution, by how many find it among
    those of one rating.
    """
    if move.people is None:
        return UNRATED
    share = within(move.people.find, _SURE_SHARES)
    return round(move.people.rating + _ELO_SCALE * math.log10((1.0 - share) / share))


def read_set() -> Iterator[Puzzle]:
    """Return the puzzles that come with Aino."""
    with resources.as_file(resources.files("uci.library").joinpath(SET)) as path:
        yield from read_lichess(path, SET)


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
                fen=row.board.fen(),
                moves=moves,
                source=source,
                rating=row.rating,
                deviation=row.deviation,
                game=row.game,
                themes=themes,
                before=behind(row.board),
            )
