"""What kind of mistake a move was: a name, by which mistakes of many games are counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import chess

from engine.board.notation import board_after
from uci.annotate.judge import BAD
from uci.annotate.material import balances
from uci.annotate.motifs import HANGING, motif
from uci.annotate.reasons import SHOWN_PLIES
from uci.annotate.review import GameReview, MoveReview
from uci.language import later

# Of a mate, of what wins material (motifs._TACTICS and its like), and of all others.
KINDS = {
    "mate": later("mate"),
    "fork": later("fork"),
    "skewer": later("skewer"),
    "discoveredAttack": later("discovered attack"),
    "pin": later("pin"),
    "deflection": later("deflection"),
    HANGING: later("hanging piece"),
    "material": later("other loss of material"),
    "position": later("positional"),
}


class Lapse(NamedTuple):
    """A mistake at a ply, counted from 1: it allowed something of a kind, or missed it."""

    ply: int
    kind: str
    missed: bool


def lapses(review: GameReview, side: chess.Color) -> list[Lapse]:
    """Return a side's mistakes in the order of the game."""
    bad = (move for move in review.moves if move.mover == side and move.judgement in BAD)
    return [lapse(move) for move in bad]


def lapse(move: MoveReview) -> Lapse:
    """Return of what kind a bad move is: mates come first, then what the answer wins, then what the
    better move wins.
    """
    before, after = (verdict.seen_by_white(move.mover) for verdict in (move.before, move.after))
    if (after.mate or 0) < 0:
        return Lapse(move.ply, "mate", False)
    if (before.mate or 0) > 0:
        return Lapse(move.ply, "mate", True)
    if kind := _gain(board_after(move.board, move.move), move.reply_line):
        return Lapse(move.ply, kind, False)
    if kind := _gain(move.board, move.best_line):
        return Lapse(move.ply, kind, True)
    return Lapse(move.ply, "position", False)


def _gain(board: chess.Board, line: Sequence[chess.Move]) -> str:
    """Return how a line wins material, "" where it wins none."""
    shown = line[:SHOWN_PLIES]
    settled = balances(board, shown, SHOWN_PLIES)
    gain = settled[max(settled)]
    if gain.pawns <= 0:
        return ""
    return motif(board, shown, gain).theme or "material"
