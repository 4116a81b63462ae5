"""What a review knows of a move, and of a whole game."""

import functools
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import chess
import chess.pgn

from engine.board.notation import board_after, move_number
from uci.annotate.accuracy import (
    START_CP,
    RatedMove,
    game_accuracy,
    phases,
    rated_moves,
    rating_played,
)
from uci.annotate.material import Moves
from uci.annotate.move_marks import (
    BAD,
    BLUNDER,
    INACCURACY,
    MISTAKE,
    MoveMark,
    chances_of,
    is_only_move,
)
from uci.annotate.people import PeopleShares
from uci.common.evaluation import Evaluation
from uci.language import _, later, several, shown_moves
from uci.openings.opening_names import opening_name, position_name

_COUNTED = {
    BLUNDER: (later("{count} blunder"), later("{count} blunders")),
    MISTAKE: (later("{count} mistake"), later("{count} mistakes")),
    INACCURACY: (later("{count} inaccuracy"), later("{count} inaccuracies")),
}
_EVEN = 0.5  # winning chances
MATERIAL_KIND = "material"
POSITION = "position"


class MoveReason(NamedTuple):
    """Why a move is worse: a sentence, "" for none, and what it is about.

    The kind is one of Lichess's themes, `MATERIAL_KIND` or `POSITION`. What is missed was the mover's
    own chance.
    """

    text: str
    kind: str = POSITION
    is_missed: bool = False


NO_REASON = MoveReason("")


@dataclass(frozen=True)
class MoveReview:
    """One move. Evaluations are White's view."""

    ply: int  # from 1
    board: chess.Board  # before the move
    move: chess.Move
    before: Evaluation
    after: Evaluation
    best_line: Moves  # begins with the best move
    mark: MoveMark | None = None  # None too for known opening moves, if they are no blunders
    reply_line: Moves = ()  # what follows the move
    # Winning chances between an only good move, or the one that was missed, and the best other one.
    gap: float = 0.0
    # Instead of a marked move: others than the best one that lose little.
    also_good: Moves = ()
    people: PeopleShares | None = None  # of a marked move
    # Where the answer to a bad move is a sacrifice: the capture, and what follows.
    taken: Moves = ()
    # The only good moves, with the answers to them, where a mistake makes a puzzle.
    solution: Moves = ()
    # What `reasons.reason_of` has told, by the language and whether the letters for pieces are its
    # own.
    reasons: dict[tuple[str, bool], MoveReason] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def mover(self) -> chess.Color:
        """Who made the move."""
        return self.board.turn

    @property
    def answered(self) -> chess.Board:
        """The position after the move."""
        return board_after(self.board, self.move)

    @property
    def played_line(self) -> Moves:
        """The move and what follows it."""
        return (self.move, *self.reply_line)

    @property
    def number(self) -> str:
        """`12.` or `12...`."""
        return move_number(self.board)

    @property
    def san(self) -> str:
        """The move."""
        return self.board.san(self.move)

    @property
    def name(self) -> str:
        """`12. Nf3`, in the letters that are shown."""
        return f"{self.number} {shown_moves(self.san)}"

    @property
    def symbol(self) -> str:
        """What chess writers put behind it, "" without a mark."""
        return self.mark.symbol if self.mark else ""

    @property
    def title(self) -> str:
        """The name with its mark, `12. Nf3?`."""
        return self.name + self.symbol

    @functools.cached_property
    def chances(self) -> tuple[float, float]:
        """The mover's winning chances before and after the move."""
        return chances_of(self.before, self.mover), chances_of(self.after, self.mover)

    @property
    def loss(self) -> float:
        """Winning chances that the mover lost, 0 for the best move."""
        return max(0.0, self.chances[0] - self.chances[1])

    @property
    def is_best(self) -> bool:
        """Whether Aino would have played it."""
        return bool(self.best_line) and self.best_line[0] == self.move

    @property
    def praise(self) -> str:
        """What a move without a mark is: book, only or best; "" for another one."""
        if self.mark is not None or not self.move:
            return ""
        if position_name(board_after(self.board.copy(stack=False), self.move)):
            return "book"
        if not self.is_best:
            return ""
        if is_only_move(self.gap, self.chances[1]):
            return "only"
        return "best"


@dataclass(frozen=True)
class GameReview:
    """A game's moves, and what follows from them."""

    game: chess.pgn.Game
    start: Evaluation
    moves: list[MoveReview]  # fewer than the game's where Ctrl-C ended the review
    side: chess.Color | None = None  # whose moves are judged; None for both
    # The first ply from which on moves are judged; a later one where Ctrl-C ended the review.
    judged_from: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether the review was not stopped."""
        return self.judged_from == 1

    @property
    def reach(self) -> str:
        """Where a review that was stopped has judged moves; "" for a whole one."""
        if self.is_whole:
            return ""
        judged = self.moves[self.judged_from - 1 :]
        if judged:
            text = later("The review was stopped: only the moves from {move} on are judged.")
            return _(text, move=judged[0].name)
        text = later("The review was stopped at ply {ply} of {plies}, before a move was judged.")
        plies = self.game.end().ply() - self.game.ply()
        return _(text, ply=len(self.moves), plies=plies)

    @property
    def opening(self) -> str:
        """Its name, "" for none."""
        return opening_name(self.game.end().board())

    def accuracy(self, side: chess.Color, phase: str = "") -> float | None:
        """0..100, of the whole game or of one phase; None for a side that never moved in it, and
        where the review was stopped.
        """
        if not self.is_whole:
            return None
        rated = []
        for move, rating, during in zip(self.moves, self._rated, self.phases, strict=False):
            is_pass = not move.move
            if move.mover == side and not is_pass and phase in ("", during):
                rated.append(rating)
        return game_accuracy(rated)

    def rating_played(self, side: chess.Color) -> str:
        """Return the band of ratings that a side's accuracy points to; "" where it moved too little
        or made too few mistakes to tell, and where the review was stopped.
        """
        accuracy = self.accuracy(side)
        if accuracy is None:
            return ""
        moves = sum(move.mover == side for move in self.moves)
        mistakes = sum(move.mover == side for move in self.turning_points)
        return rating_played(accuracy, moves, mistakes)

    @functools.cached_property
    def phases(self) -> list[str]:
        """The phase of each move."""
        return phases(move.board for move in self.moves)

    @functools.cached_property
    def _rated(self) -> list[RatedMove]:
        """The moves but for one that mates, which has no score after it."""
        scores = [self.start.score_cp]
        if self.game.board() == chess.Board():
            scores = [START_CP]
        scores += (move.after.score_cp for move in self.moves if move.after.mate != 0)
        return rated_moves(scores, self.game.turn())

    def summary(self, side: chess.Color) -> str:
        """`accuracy 87%, 1 blunder, 2 mistakes`."""
        accuracy = self.accuracy(side)
        if accuracy is not None:
            words = [_("accuracy {accuracy}%", accuracy=f"{accuracy:.0f}")]
        elif self.is_whole:
            words = [_("no moves")]
        else:
            words = [_("not reviewed to the end")]
        counts = Counter(move.mark for move in self.moves if move.mover == side)
        for mark, (singular, plural) in _COUNTED.items():
            if counts[mark]:
                words.append(several(singular, plural, counts[mark]))
        return ", ".join(words)

    @property
    def sides(self) -> tuple[chess.Color, ...]:
        """The sides whose moves are judged."""
        if self.side is None:
            return chess.WHITE, chess.BLACK
        return (self.side,)

    @property
    def turning_move(self) -> MoveReview | None:
        """The last blunder or mistake by which the side that stood better changed, else the one
        that lost most; None without any, and where the review was stopped.
        """
        moves = [move for move in self.moves if move.mark in (BLUNDER, MISTAKE)]
        if not moves or not self.is_whole:
            return None
        for move in reversed(moves):
            if move.chances[0] >= _EVEN > move.chances[1]:
                return move
        return max(moves, key=lambda move: move.loss)

    @property
    def turning_points(self) -> list[MoveReview]:
        """The moves that were marked as bad, in the order of the game."""
        return [move for move in self.moves if move.mark in BAD]
