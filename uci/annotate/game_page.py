"""The web page of some reviewed games."""

from __future__ import annotations

import chess
from markupsafe import Markup

from engine.pages.board import Arrow, board_svg
from engine.pages.chart import area_path, place
from uci.annotate.comments import LINE_PLIES, move_comment
from uci.annotate.review import GameReview, MoveReview
from uci.pages.render import render

__all__ = ["game_section", "page"]


def page(title: str, sections: list[tuple[str, Markup]], how: str) -> str:
    """A whole page. `sections` are names of games and what `game_section` made of them; `how` tells the limits."""
    return render("annotate.html.j2", title=title, sections=sections, how=how)


def game_section(review: GameReview, number: int) -> tuple[str, Markup]:
    """A game's name and its part of the page; `number` keeps its anchors apart from other games'."""
    headers = review.game.headers
    name = f"{headers.get('White', '?')} – {headers.get('Black', '?')}"
    text = render(
        "game.html.j2",
        number=number,
        name=name,
        result=headers.get("Result", "*"),
        facts=[headers[key] for key in ("Event", "Site", "Date") if headers.get(key, "?").strip("?.-")],
        opening=review.opening,
        sides=[(chess.COLOR_NAMES[side].title(), review.summary(side)) for side in (chess.WHITE, chess.BLACK)],
        board=board_svg(review.game.end().board(), label="Final position"),
        moves=[_move(move) for move in review.moves],
        area=area_path([review.start.expected, *(move.after.expected for move in review.moves)]),
        dots=[_dot(move, len(review.moves)) for move in review.turning_points],
        turning_points=[_turning_point(move) for move in review.turning_points],
        replay=_replay(review),
    )
    return f"{name}, {headers.get('Result', '*')}", Markup(text)  # a template made the text, so it is already escaped


def _move(move: MoveReview) -> dict[str, object]:
    return {
        "ply": move.ply,
        "number": move.number if move.mover == chess.WHITE or move.ply == 1 else "",
        "san": move.san,
        "symbol": move.judgement.symbol if move.judgement else "",
        "kind": _kind(move),
        "score": move.after.text,
        "comment": move_comment(move),
    }


def _kind(move: MoveReview) -> str:
    """The class of a judged move in the style sheet."""
    return move.judgement.name.replace(" ", "-") if move.judgement else ""


def _dot(move: MoveReview, plies: int) -> dict[str, object]:
    x, y = place(move.ply, move.after.expected, (0, max(1, plies)), (0, 1))
    return {"ply": move.ply, "x": f"{x:.1f}", "y": f"{y:.1f}", "kind": _kind(move)}


def _turning_point(move: MoveReview) -> dict[str, object]:
    arrows = [Arrow(move.move.from_square, move.move.to_square, "played")]
    if move.best_line and not move.is_best:
        arrows.insert(0, Arrow(move.best_line[0].from_square, move.best_line[0].to_square, "better"))
    return {
        "ply": move.ply,
        "title": f"{move.number} {move.san}{move.judgement.symbol if move.judgement else ''}",
        "kind": _kind(move),
        "comment": move_comment(move),
        "line": move.board.variation_san(move.best_line[:LINE_PLIES]),
        "board": board_svg(move.board, perspective=move.mover, arrows=arrows, label=f"Before {move.number} {move.san}"),
    }


def _replay(review: GameReview) -> list[dict[str, object]]:
    """What the script shows for each ply: the pieces, the squares of the last move, a word about it."""
    start = review.game.board()
    steps: list[dict[str, object]] = [
        {"pieces": start.board_fen(), "marked": [], "text": "Start position", "expected": review.start.expected}
    ]
    for move in review.moves:
        after = move.board.copy(stack=False)
        after.push(move.move)
        symbol = move.judgement.symbol if move.judgement else ""
        comment = move_comment(move)
        steps.append(
            {
                "pieces": after.board_fen(),
                "marked": [move.move.from_square, move.move.to_square],
                "text": f"{move.number} {move.san}{symbol} {move.after.text}" + (f". {comment}" if comment else ""),
                "expected": round(move.after.expected, 3),
            }
        )
    return steps
