"""A search's evaluation on a position in the forms people read: score, chances, expected points."""

from __future__ import annotations

from dataclasses import dataclass, replace

import chess

from engine.search.result import RootMove, SearchInfo, per_mille
from uci.language import _

_MOST_CP = 1500  # centipawns; the largest score that is shown
_WON = (1000, 0, 0)
_DRAWN = (0, 1000, 0)
_LOST = (0, 0, 1000)


@dataclass(frozen=True)
class Evaluation:
    """A position's value. Its constructor sets the point of view; `seen_by_white` turns the mover's
    into White's.
    """

    score_cp: int
    mate: int | None  # full moves to mate; negative when being mated, 0 when the board is checkmate
    wdl: tuple[int, int, int]  # win, draw, loss in per mille

    @classmethod
    def of_info(cls, info: SearchInfo) -> Evaluation:
        """Return the evaluation of a line of analysis, from the side to move."""
        return cls._of(info.score_cp, info.score_mate, info.wdl)

    @classmethod
    def of_move(cls, child: RootMove) -> Evaluation:
        """Return the evaluation on a searched root move, from the side that plays it."""
        return cls._of(child.score_cp, child.mate, per_mille(child.q, child.draw))

    @classmethod
    def of_result(cls, result: str) -> Evaluation:
        """Return the evaluation of a finished game ("1-0", "0-1" or a draw), from White's side."""
        wdl = {"1-0": _WON, "0-1": _LOST}.get(result)
        if wdl is None:
            return cls(0, None, _DRAWN)
        return cls(0, 0, wdl)

    @classmethod
    def _of(cls, score_cp: int, mate: int | None, wdl: tuple[int, int, int]) -> Evaluation:
        if mate is not None:
            wdl = _WON if mate > 0 else _LOST
        return cls(score_cp, mate, wdl)

    def seen_by_white(self, mover: chess.Color) -> Evaluation:
        """Return the same evaluation from White's side, given that this one is from `mover`'s side."""
        if mover == chess.WHITE:
            return self
        return self.reversed()

    def reversed(self) -> Evaluation:
        """Return the same evaluation from the other side."""
        win, draw, loss = self.wdl
        return Evaluation(-self.score_cp, self.mate and -self.mate, (loss, draw, win))

    def after_move_of(self, side: chess.Color) -> Evaluation:
        """White's evaluation after the best move of a side, which is a move nearer to its own mate."""
        step = 1 if side == chess.WHITE else -1
        if self.mate and self.mate * step > 0:
            return replace(self, mate=self.mate - step)
        return self

    @property
    def expected(self) -> float:
        """Expected points, 0..1: the chance to win plus half the chance to draw."""
        return (self.wdl[0] + self.wdl[1] / 2) / 1000

    @property
    def text(self) -> str:
        """The score in pawns as `+0.34`; `#3` is mate in three, `#-3` is being mated in three, `#`
        is checkmate.

        A won game is won: scores beyond 15 pawns are shown as 15.
        """
        if self.mate is None:
            return f"{max(-_MOST_CP, min(_MOST_CP, self.score_cp)) / 100:+.2f}"
        return f"#{self.mate or ''}"

    @property
    def white_text(self) -> str:
        """The text of an evaluation from White's side when no heading names the side: `White +0.34`."""
        return f"{_('White')} {self.text}"

    @property
    def wdl_text(self) -> str:
        """The chances as `45% win, 30% draw, 25% loss`."""
        win, draw, loss = (round(share / 10) for share in self.wdl)
        return _("{win}% win, {draw}% draw, {loss}% loss", win=win, draw=draw, loss=loss)

    @property
    def shares_text(self) -> str:
        """The chances in percent as `45/30/25`."""
        return "/".join(str(round(share / 10)) for share in self.wdl)
