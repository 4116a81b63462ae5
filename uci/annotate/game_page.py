"""The web page of some reviewed games."""

import chess
import chess.pgn
from markupsafe import Markup

from engine.board.notation import board_after, move_number
from engine.board.pgn.annotations import (
    author_lines,
    drawn_by,
    game_name,
    glyph_text,
    glyphs_of,
    notes_at,
)
from engine.pages.board import Arrow, Facts, board_svg, shown_position, squares_of
from engine.pages.chart import area_path
from uci.annotate.accuracy import PHASE_NAMES
from uci.annotate.comments import move_comment, turning_sentence
from uci.annotate.compared_lines import SHOWN_PLIES
from uci.annotate.material import Moves
from uci.annotate.move_marks import chances_of
from uci.annotate.move_review import GameReview, MoveReview
from uci.common.evaluation import Evaluation
from uci.language import _, shown_moves, translated
from uci.pages.render import render

_Line = list[Facts]  # what is shown of each of its positions


def render_game_page(
    title: str, sections: list[tuple[str, Markup]], how: str, nonce: str = ""
) -> str:
    """Return a whole page. `sections` are names of games and what `game_section` made of them;
    `how` tells the limits.

    A server that allows scripts by a `nonce` gives it.
    """
    return render("annotate.html.j2", title=title, sections=sections, how=how, nonce=nonce)


def game_section(
    review: GameReview,
    number: int,
    pgn: str,
    reader: chess.Color | None = None,
) -> tuple[str, Markup]:
    """Return a game's name and its part of the page; `number` keeps its anchors apart from other
    games'.

    `pgn` is what the page's reader can copy. The board stands as a `reader` who played saw it.
    """
    below = review.side if reader is None else reader
    headers = review.game.headers
    name = game_name(headers)
    text = render(
        "game.html.j2",
        number=number,
        name=name,
        result=headers.get("Result", "*"),
        facts=_facts(headers, name),
        opening=review.opening,
        heads=list(filter(None, (review.reach, turning_sentence(review)))),
        sides=[_side(review, side) for side in review.sides],
        phases=PHASE_NAMES,
        flipped=below == chess.BLACK,
        board=board_svg(
            review.game.board(),
            perspective=below is not chess.BLACK,
            label=_("Start position"),
            translate=translated,
        ),
        moves=list(map(_move, review.moves, review.game.mainline())),
        area=area_path(
            [chances_of(review.start), *(chances_of(move.after) for move in review.moves)]
        ),
        turning_points=[_turning_point(move, len(review.moves)) for move in review.turning_points],
        replay=_replay(review),
        pgn=pgn,
    )
    # A template made the text, so it is already escaped.
    return f"{name}, {headers.get('Result', '*')}", Markup(text)


def _side(review: GameReview, side: chess.Color) -> tuple[str, str, str, list[str]]:
    """Return a side's name, summary, rating, and accuracy in each phase, "–" where it did not
    move.
    """
    phases = []
    for phase in PHASE_NAMES:
        accuracy = review.accuracy(side, phase)
        phases.append("–" if accuracy is None else f"{accuracy:.0f}%")
    name = _(chess.COLOR_NAMES[side].title())
    return name, review.summary(side), review.rating_played(side), phases


def _facts(headers: chess.pgn.Headers, name: str) -> list[str]:
    """Return what is known beside the name: the players of a chapter, the event, the place and the
    date.
    """
    players = f"{headers.get('White', '?')} – {headers.get('Black', '?')}"
    facts = []
    if players.strip("? –"):
        facts.append(players)
    for tag in ("Event", "Site", "Date"):
        if headers.get(tag, "?").strip("?.-"):
            facts.append(headers[tag])
    # `1858` for 1858.??.??
    return [fact.removesuffix(".??").removesuffix(".??") for fact in facts if fact != name]


def _move(move: MoveReview, node: chess.pgn.ChildNode) -> Facts:
    is_numbered = move.mover == chess.WHITE or move.ply == 1
    return {
        "ply": move.ply,
        "number": move.number if is_numbered else "",
        "san": shown_moves(move.san),
        "symbol": move.symbol,
        "kind": _kind(move),
        "praise": move.praise,
        "score": move.after.text,
        "comment": move_comment(move),
        "glyphs": _glyphs(node),
        "noted": bool(notes_at(node) or author_lines(node.parent)),
    }


def _glyphs(node: chess.pgn.GameNode) -> str:
    """Return the author's glyphs on a move."""
    return " ".join(map(glyph_text, glyphs_of(node)))


def _kind(move: MoveReview) -> str:
    """Return the class of a judged move in the style sheet."""
    if move.mark is None:
        return ""
    return move.mark.name.replace(" ", "-")


def _turning_point(move: MoveReview, plies: int) -> Facts:
    """Return what is shown of a move that was marked as bad; its dot on the curve lies so many
    percent from the left and from above.
    """
    arrows = [Arrow(move.move.from_square, move.move.to_square, "played")]
    return {
        "ply": move.ply,
        "title": move.title,
        "kind": _kind(move),
        "left": 100 * move.ply / plies,
        "top": 100 * (1 - chances_of(move.after)),
        "comment": move_comment(move),
        "reply": shown_moves(move.answered.variation_san(move.reply_line[:SHOWN_PLIES])),
        "board": board_svg(
            move.board,
            perspective=move.mover,
            arrows=arrows,
            label=_("Before {move}", move=f"{move.number} {move.san}"),
            translate=translated,
        ),
    }


def _replay(review: GameReview) -> _Line:
    """Return what the script shows for each ply: the position, the squares of the last move, words,
    the evaluation where it is judged, and other lines.

    `replay.js` has the names.
    """
    start = _position(review.game.board(), None, _("Start position")) | _evaluation(review.start)
    steps = map(_step, review.moves, review.game.mainline())
    return [{**start, **_notes(review.game)}, *steps]


def _step(move: MoveReview, node: chess.pgn.ChildNode) -> Facts:
    """Return what is shown after a move."""
    after = move.answered
    text = f"{move.title} {move.after.text}"
    if comment := move_comment(move):
        text += f". {comment}"
    step = {**_position(after, move.move, text), **_notes(node), **_evaluation(move.after)}
    lines = {}
    if move.mark is not None:
        step["glyph"] = [move.symbol, _kind(move)]
        lines = _better_lines(move, after)
        if "Refutation" in lines:
            step["threat"] = squares_of(move.reply_line[:1])
    variations, forks = _variations(node.parent, move.board)
    return {**step, "lines": lines | variations, "forks": forks}


def _better_lines(move: MoveReview, after: chess.Board) -> dict[str, _Line]:
    """Return the better line than a judged move, and with it what answers the move."""
    if move.is_best or not move.best_line:
        return {}
    lines = {"Better": _line(move.board, move.best_line, move.before)}
    if move.reply_line:
        lines["Refutation"] = _line(after, move.reply_line, move.after)
    return lines


def _notes(node: chess.pgn.GameNode) -> Facts:
    """Return the author's glyphs, words and arrows, where there are any."""
    notes = {"glyphs": _glyphs(node), "note": notes_at(node), "drawn": drawn_by(node)}
    return {name: value for name, value in notes.items() if value}


def _variations(
    node: chess.pgn.GameNode, board: chess.Board
) -> tuple[dict[str, _Line], dict[str, tuple[str, int]]]:
    """Return the positions of the author's variations on the main move of a node by name, those
    inside others last.

    They have no evaluation. One that leaves another has only its own moves; the second map has the
    other's name, and the number of moves up to there.
    """
    lines = dict[str, _Line]()
    forks = dict[str, tuple[str, int]]()
    todo = [(first, board, ("", 0)) for first in reversed(author_lines(node))]
    while todo:
        first, before, fork = todo.pop()
        name = "Variation"
        if lines:
            name += f" {len(lines) + 1}"
        if fork[0]:
            forks[name] = fork
        lines[name], inner = [], []
        for step in (first, *first.mainline()):
            text = _move_text(before, step.move, is_first=step is first)
            before = board_after(before, step.move)
            lines[name].append({**_position(before, step.move, text), **_notes(step)})
            here = (name, fork[1] + len(lines[name]))
            inner += [(variation, before, here) for variation in author_lines(step)]
        todo += reversed(inner)
    return lines, forks


def _move_text(board: chess.Board, move: chess.Move, is_first: bool) -> str:
    """Return a move of a line: White's moves have a number, and so has the first one."""
    san = shown_moves(board.san(move))
    if is_first or board.turn == chess.WHITE:
        return f"{move_number(board)} {san}"
    return san


def _position(board: chess.Board, move: chess.Move | None, text: str) -> Facts:
    return {**shown_position(board, move), "text": text}


def _evaluation(evaluation: Evaluation) -> Facts:
    return {"expected": round(chances_of(evaluation), 3), "score": evaluation.text}


def _line(board: chess.Board, moves: Moves, evaluation: Evaluation) -> _Line:
    """Return the positions of a line that begins on a board with an evaluation, which holds for all of
    them.
    """
    board = board.copy(stack=False)
    positions = []
    shown = moves[:SHOWN_PLIES]
    for ply, move in enumerate(shown):
        text = _move_text(board, move, is_first=ply == 0)
        evaluation = evaluation.after_move_of(board.turn)
        board.push(move)
        following = squares_of(shown[ply + 1 : ply + 2])
        positions.append(
            {**_position(board, move, text), **_evaluation(evaluation), "better": following}
        )
    return positions
