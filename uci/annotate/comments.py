"""A review written into its game: comments, evaluations, NAGs and better lines, as PGN has them."""

import re

import chess
import chess.engine
import chess.pgn

from engine.board.notation import board_after
from engine.board.pgn.annotations import (
    glyphs_of,
    is_of_review,
    review_mark,
    with_review,
    without_review,
)
from engine.search.limits import Limits
from uci import __version__
from uci.annotate.compared_lines import SHOWN_PLIES, told_line
from uci.annotate.looks import deeper
from uci.annotate.material import Moves
from uci.annotate.move_marks import BAD, BRILLIANT
from uci.annotate.move_review import GameReview, MoveReview
from uci.annotate.people import EASY_TO_MISS, WITHIN_REACH
from uci.annotate.reasons import point_of, reason_of
from uci.common.evaluation import Evaluation
from uci.language import _, later, letters_shown, several, shown_moves

PGN_RESULTS = ("1-0", "0-1", "1/2-1/2", "*")
_EVALUATIONS = "evals"  # a review's mark where the evaluations in the game are its own
_STILL_WELL = 0.5  # winning chances of a side that missed something and did not go wrong
_JUDGEMENT_NAGS = {1, 2, 3, 4, 5, 6}  # "!" to "?!"; at most one of them stands behind a move


@letters_shown(is_own=False)
def add_comments(review: GameReview, how: str = "") -> chess.pgn.Game:
    """Write a review into its own game, beside the comments and variations that are there, and
    return it.

    An earlier review is replaced. Evaluations of another program are kept; Aino's are written where
    there are none. `how` says who judged, and how thoroughly.
    """
    game = review.game
    forget_review(game)
    own = f"Aino {__version__}"
    if re.fullmatch(r"Aino \d\S*", game.headers.get("Annotator", own)):  # and not Aino Kukk
        game.headers["Annotator"] = own
    sides = {chess.WHITE: later("White: {summary}."), chess.BLACK: later("Black: {summary}.")}
    summary = " ".join(_(sides[side], summary=review.summary(side)) for side in review.sides)
    nodes = list(game.mainline())
    summary = " ".join(filter(None, [summary, review.reach, turning_sentence(review)]))
    if how:
        summary += f" {_capital(how)}."
    is_evaluated = any(node.eval() for node in nodes)
    game.comment = with_review(game.comment, summary, "" if is_evaluated else _EVALUATIONS)
    for move, node in zip(review.moves, nodes, strict=False):
        if not is_evaluated and (score := _pov_score(move.after)) is not None:
            node.set_eval(score)
        _comment_move(move, node)
    return game


def turning_sentence(review: GameReview) -> str:
    """Return the move that turned the game and why; "" where no
    mistake did, and where the review was stopped.
    """
    move = review.turning_move
    if move is None:
        return ""
    if why := reason_of(move).text:
        return _("Turning point: {move} {reason}.", move=move.title, reason=why)
    before, after = _percent(move)
    text = later("Turning point: {move}; winning chances drop from {before}% to {after}%.")
    return _(text, move=move.title, before=before, after=after)


def _percent(move: MoveReview) -> tuple[str, str]:
    """Return the mover's winning chances before and after a move."""
    before, after = move.chances
    return f"{100 * before:.0f}", f"{100 * after:.0f}"


def forget_review(game: chess.pgn.Game) -> None:
    """Take an earlier review out of a game, and give its author's marks back."""
    game.comment, mark = without_review(game.comment)
    for node in game.mainline():
        if mark == _EVALUATIONS:
            node.set_eval(None)
        node.nags = set(glyphs_of(node))
        node.comment = without_review(node.comment)[0]
    for node in (game, *game.mainline()):
        node.variations = [
            variation for variation in node.variations if not is_of_review(variation)
        ]


def mend_result(game: chess.pgn.Game) -> None:
    """Replace an invalid result, which makes a PGN unreadable, by the result of the last
    position.
    """
    if game.headers.get("Result") not in PGN_RESULTS:
        game.headers["Result"] = game.end().board().result()


def _comment_move(move: MoveReview, node: chess.pgn.ChildNode) -> None:
    if move.mark is None:
        return
    replaced = node.nags & _JUDGEMENT_NAGS
    node.nags = (node.nags - replaced) | {move.mark.nag}
    marks = " ".join(map(str, [move.mark.nag, *sorted(replaced)]))
    node.comment = with_review(node.comment, move_comment(move), marks)
    if (
        move.best_line
        and not move.is_best
        and move.loss > 0
        and not node.parent.has_variation(move.best_line[0])
    ):
        _add_line(node.parent, move.best_line)
    is_answered_better = (
        node.next() is not None and move.reply_line and not node.has_variation(move.reply_line[0])
    )
    if move.loss > 0 and is_answered_better:
        _add_line(node, move.reply_line)


def _add_line(node: chess.pgn.GameNode, line: Moves) -> None:
    shown = line[:SHOWN_PLIES]
    node.add_line(shown, starting_comment=review_mark(len(shown)))


def move_comment(move: MoveReview, with_answer: bool = True) -> str:
    """Why a judged move is bad, what it costs, and, with the answer, what was better.

    A move without a reason has a line instead: what it allows or, for a side that still stands
    well, what it missed.

    `Blunder: loses a rook to a fork of king and rook by the knight on c7. Your winning chances drop
    from 64% to 33%. Better was Qe2.` For an only move, what the others cost: `The only good move:
    any other lowers your winning chances by 18% or more.`
    """
    if move.mark is None:
        return ""
    if move.mark not in BAD:
        return " ".join(filter(None, [_praise(move), _finders(move)]))
    before, after = _percent(move)
    why = reason_of(move).text
    if not why and move.reply_line and move.chances[1] < _STILL_WELL:
        why = _("allows {line}", line=told_line(move.answered, move.reply_line))
    sentences = []
    if why:
        sentences.append(f"{why}.")
    if before != after:
        sentences.append(
            _("your winning chances drop from {before}% to {after}%.", before=before, after=after)
        )
    if with_answer and move.best_line and not move.is_best:
        sentences.append(_("Better was {move}.", move=_answer(move, with_line=not why)))
    if finders := _finders(move, with_answer):
        sentences.append(finders)
    sentences[1:] = map(_capital, sentences[1:])
    return _("{kind}: {text}", kind=_capital(_(move.mark.name)), text=" ".join(sentences))


def _answer(move: MoveReview, with_line: bool) -> str:
    """Return the better move, and what follows it where that is wanted and known."""
    better, *rest = move.best_line
    answer = shown_moves(move.board.san(better))
    if not (rest and with_line):
        return answer
    line = told_line(board_after(move.board, better), rest)
    return _("{move}, with {line}", move=answer, line=line)


def _praise(move: MoveReview) -> str:
    if move.mark == BRILLIANT:
        text = _("Brilliant: a sacrifice that is hard to see, and the best move.")
        return f"{text} {point_of(move)}"
    text = later("The only good move: any other lowers your winning chances by {points}% or more.")
    return _(text, points=f"{100 * move.gap:.0f}")


def _finders(move: MoveReview, with_answer: bool = True) -> str:
    """Return how many players find the better move, and how many play this one; "" where nothing
    tells it.

    `7 of 100 players around 1400 find Rxc3, 62 play Bxh6: easy to miss.`
    """
    people = move.people
    if people is None:
        return ""
    values = {"rating": people.players, "better": _better_name(move, with_answer)}
    text = several(
        "{count} of 100 players around {rating} finds {better}",
        "{count} of 100 players around {rating} find {better}",
        round(100 * people.find),
        **values,
    )
    if move.mark in BAD:
        played = shown_moves(move.san)
        count = round(100 * people.play)
        if count == 0:
            text += _(", nobody plays {move}", move=played)
        else:
            text += several(", {count} plays {move}", ", {count} play {move}", count, move=played)
    if round(people.find, 2) < EASY_TO_MISS:
        return _("{told}: easy to miss.", told=text)
    if round(people.find, 2) > WITHIN_REACH:
        return _("{told}: most would have seen it.", told=text)
    return f"{text}."


def _better_name(move: MoveReview, with_answer: bool) -> str:
    """Return what is found: `Rxc3`, or words that do not give it away."""
    if move.mark not in BAD:
        return shown_moves(move.san)
    if not (with_answer and move.best_line):
        return _("a better move")
    name = shown_moves(move.board.san(move.best_line[0]))
    if move.also_good:
        return _("{move} or another good move", move=name)
    return name


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _pov_score(evaluation: Evaluation) -> chess.engine.PovScore | None:
    """None where mate is on the board."""
    if evaluation.mate == 0:
        return None
    score: chess.engine.Score = chess.engine.Cp(evaluation.score_cp)
    if evaluation.mate is not None:
        score = chess.engine.Mate(evaluation.mate)
    return chess.engine.PovScore(score, chess.WHITE)


def how_reviewed(evaluator: str, limits: Limits) -> str:
    """Who judged, and how thoroughly; `limits` are those of the first look."""
    return _(
        "reviewed by Aino {version} ({evaluator}) with {limits} a position; each mark is confirmed with {deeper}",
        version=__version__, evaluator=evaluator, limits=_limits_text(limits), deeper=_limits_text(deeper(limits)),
    )  # fmt: skip


def _limits_text(limits: Limits) -> str:
    if limits.nodes is not None:
        return several("{count} node", "{count} nodes", limits.nodes)
    return _("{seconds} seconds", seconds=f"{(limits.movetime_ms or 0) / 1000:g}")
