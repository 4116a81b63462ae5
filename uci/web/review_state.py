"""The review of the game on the board: how far it is, and a mistake of it that one tries to do better."""

from collections.abc import Sequence
from dataclasses import dataclass

import chess
from chess.pgn import ChildNode

from uci.annotate.comments import move_comment
from uci.annotate.move_review import MoveReview
from uci.language import _, later, shown_moves
from uci.library.reviews import KeptReview

_ANSWER_PLIES = 4  # of what answers a try
_ASKS = {
    chess.WHITE: later("White played {move}. Find a better move."),
    chess.BLACK: later("Black played {move}. Find a better move."),
}


@dataclass(frozen=True)
class RunningReview:
    """So much of the work is done, in plies of the game."""

    done: int
    total: int


@dataclass(frozen=True)
class ReadyReview:
    """It is there; `moves` are those that it judges."""

    kept: KeptReview
    moves: tuple[ChildNode, ...]


BoardReview = RunningReview | ReadyReview | None  # None: nobody asked, or it was stopped


@dataclass
class Lesson:
    """What was tried in the place of a mistake, and what is said of it.

    Attributes:
        node: the mistake in the study.
        place: which one it is, from 1, of how many.
        line: the latest try, and what answers it; nothing before a try.
        is_looking: a try is being searched.
        is_over: a good move was found or shown.
    """

    mistake: MoveReview
    node: ChildNode
    place: tuple[int, int]
    says: str = ""
    line: Sequence[chess.Move] = ()
    is_looking: bool = False
    is_over: bool = False

    @property
    def asks(self) -> str:
        """What is to be done."""
        number, count = self.place
        asks = _(_ASKS[self.mistake.mover], move=self.mistake.name)
        return f"{_('Mistake {number} of {count}.', number=number, count=count)} {asks}"

    @property
    def _best(self) -> str:
        """The better move, in the letters that are shown."""
        return shown_moves(self.mistake.board.san(self.mistake.best_line[0]))

    def look_at(self, move: chess.Move) -> None:
        """Note a try, which is searched from now on."""
        self.line = (move,)
        self.says = ""
        self.is_looking = True

    def tell(self, tried: MoveReview) -> None:
        """Say what a try costs and what answers it. One that loses little is accepted."""
        self.is_looking = False
        self.line = (tried.move, *tried.reply_line)
        if tried.move == self.mistake.move:
            self._refuse(tried, _("That is what was played."))
        elif tried.is_best:
            self._accept(_("Yes! {move} is better.", move=self._best))
        elif tried.mark is None:
            self._accept(_("Also good, it loses little. {move} is Aino's choice.", move=self._best))
        else:
            self._refuse(tried, tried.title)

    def show_answer(self) -> None:
        """Show the better move."""
        self.line = self.mistake.best_line[:1]
        self.is_looking = False
        self._accept(_("The answer: {move} is better.", move=self._best))

    def _accept(self, text: str) -> None:
        self.is_over = True
        self.line = self.line[:1]
        comment = move_comment(self.mistake, with_answer=False)
        explanation = _("{move}: {comment}", move=self.mistake.name, comment=comment)
        self.says = f"{text} {explanation}"

    def _refuse(self, tried: MoveReview, text: str) -> None:
        """Tell the cost of a try and what answers it."""
        sentences = [text, move_comment(tried, with_answer=False)]
        if tried.reply_line:
            line = shown_moves(tried.answered.variation_san(tried.reply_line[:_ANSWER_PLIES]))
            sentences.append(_("{line} follows.", line=line))
        self.says = " ".join([*sentences, _("Try again.")])
