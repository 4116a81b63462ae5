"""A review written into its game: comments, evaluations, NAGs and better lines, as PGN has them."""

from __future__ import annotations

import chess
import chess.engine
import chess.pgn

from engine.search.limits import Limits
from uci import __version__
from uci.annotate.judge import BRILLIANT, GREAT
from uci.annotate.reasons import SHOWN_PLIES
from uci.annotate.review import GameReview, MoveReview, deeper
from uci.terminal.verdict import Verdict

PGN_RESULTS = ("1-0", "0-1", "1/2-1/2", "*")
_JUDGEMENT_NAGS = {1, 2, 3, 4, 5, 6}  # "!" to "?!"; at most one of them stands behind a move


def add_comments(review: GameReview, how: str = "") -> chess.pgn.Game:
    """Writes a review into its own game, beside the comments and variations that are there, and returns it.

    `how` says who judged, and how thoroughly.
    """
    game = review.game
    game.headers["Annotator"] = f"Aino {__version__}"
    summary = " ".join(f"{chess.COLOR_NAMES[side].title()}: {review.summary(side)}." for side in review.sides)
    nodes = list(game.mainline())
    if len(review.moves) < len(nodes):
        summary += f" Reviewed up to ply {len(review.moves)} of {len(nodes)}."
    if how:
        summary += f" {how[0].upper()}{how[1:]}."
    game.comment = f"{game.comment} {summary}".strip()
    for move, node in zip(review.moves, nodes, strict=False):
        _comment_move(move, node)
    return game


def mend_result(game: chess.pgn.Game) -> None:
    """Replaces an invalid result, which makes a PGN unreadable, by the result of the last position."""
    if game.headers.get("Result") not in PGN_RESULTS:
        game.headers["Result"] = game.end().board().result()


def _comment_move(move: MoveReview, node: chess.pgn.ChildNode) -> None:
    text = move_comment(move)
    if text:
        node.comment = f"{node.comment} {text}".strip()
    score = _pov_score(move.after)
    if score is not None:
        node.set_eval(score)
    if move.judgement is None:
        return
    node.nags = (node.nags - _JUDGEMENT_NAGS) | {move.judgement.nag}
    if move.best_line and not move.is_best and move.loss > 0 and not node.parent.has_variation(move.best_line[0]):
        node.parent.add_line(move.best_line[:SHOWN_PLIES])
    is_answered_better = node.next() is not None and move.reply_line and not node.has_variation(move.reply_line[0])
    if move.loss > 0 and is_answered_better:
        node.add_line(move.reply_line[:SHOWN_PLIES])


def move_comment(move: MoveReview, with_answer: bool = True) -> str:
    """Why a judged move is bad, what it costs, and, with the answer, what was better.

    `Blunder: loses a rook to a fork of king and rook by the knight on c7. Your winning chances drop from 64% to 33%.
    Better was Qe2.` For an only move, what the others cost: `The only good move: any other lowers your winning chances
    by 18% or more.`
    """
    if move.judgement is None:
        return ""
    if move.judgement == BRILLIANT:
        return "Brilliant: a sacrifice that is hard to see, and the best move."
    if move.judgement == GREAT:
        return f"The only good move: any other lowers your winning chances by {move.gap:.0%} or more."
    before, after = (f"{chances:.0%}" for chances in move.chances)
    tells = with_answer and move.best_line and not move.is_best
    better = f" Better was {move.board.san(move.best_line[0])}." if tells else ""
    drop = f"your winning chances drop from {before} to {after}." if before != after else ""
    told = [text for text in (f"{move.reason}." if move.reason else "", drop) if text]
    told[1:] = [text[0].upper() + text[1:] for text in told[1:]]
    return f"{move.judgement.name.capitalize()}: {' '.join(told)}{better}"


def _pov_score(verdict: Verdict) -> chess.engine.PovScore | None:
    """None where mate is on the board."""
    if verdict.mate == 0:
        return None
    score = chess.engine.Cp(verdict.score_cp) if verdict.mate is None else chess.engine.Mate(verdict.mate)
    return chess.engine.PovScore(score, chess.WHITE)


def how_reviewed(evaluator: str, limits: Limits) -> str:
    """Who judged, and how thoroughly; `limits` are those of the first look."""
    return (
        f"reviewed by Aino {__version__} ({evaluator}) with {_limits_text(limits)} a position; "
        f"each mark is confirmed with {_limits_text(deeper(limits))}"
    )


def _limits_text(limits: Limits) -> str:
    if limits.nodes is not None:
        return f"{limits.nodes:,} nodes"
    return f"{(limits.movetime_ms or 0) / 1000:g} seconds"
