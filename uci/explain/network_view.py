"""What the network was shown, and what it made of each piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import chess
import numpy as np
from markupsafe import Markup

from engine.network.planes import CASTLING_PLANE, FIFTY_MOVE_PLANE, HISTORY
from engine.pages.board import board_svg

_KINDS = ("pawns", "knights", "bishops", "rooks", "queen", "king")
_CASTLING = ("our queenside", "our kingside", "their queenside", "their kingside")
_STANDINGS = {  # attacked, defended
    (True, False): "attacked and not defended",
    (True, True): "attacked and defended",
    (False, True): "defended",
    (False, False): "neither attacked nor defended",
}
_FULL_HEAT = 0.4  # expected points that get the strongest colour


@dataclass(frozen=True)
class NetworkView:
    """The network's view of a position as pictures and words."""

    weights: Markup  # the board, pieces coloured by what they are worth to the side to move
    heaviest: list[str]  # the pieces that matter most, in words
    planes: list[tuple[str, Markup]]  # the piece planes of the position itself
    facts: list[str]
    history: list[Markup]  # earlier positions in the input, latest first
    features: list[tuple[str, str]]  # of the sparse family: how pieces stand, and which


def show_weights(board: chess.Board, weights: Mapping[chess.Square, float]) -> tuple[Markup, list[str]]:
    """The heat board and the five heaviest pieces, from White's weights to the mover's view."""
    sign = 1.0 if board.turn == chess.WHITE else -1.0
    heat = {square: sign * value / _FULL_HEAT for square, value in weights.items()}
    heaviest = sorted(weights, key=lambda square: -abs(weights[square]))[:5]
    words = []
    for square in heaviest:
        piece = board.piece_at(square)
        assert piece is not None
        name = f"{chess.COLOR_NAMES[piece.color]} {chess.piece_name(piece.piece_type)} {chess.square_name(square)}"
        words.append(f"{name} {sign * weights[square]:+.0%}".replace("+-", "-"))
    picture = board_svg(board, perspective=board.turn, heat=heat, label="What each piece is worth to the network")
    return picture, words


def show_planes(masks: np.ndarray) -> tuple[list[tuple[str, Markup]], list[str]]:
    """The 12 piece planes of the position as small pictures, and the other planes in words. masks uint64 [112]."""
    planes = [
        (f"{whose} {kind}", _plane(int(masks[6 * side + number])))
        for side, whose in enumerate(("our", "their"))
        for number, kind in enumerate(_KINDS)
    ]
    rights = [name for number, name in enumerate(_CASTLING) if masks[CASTLING_PLANE + number]]
    known = sum(bool(masks[13 * t : 13 * t + 12].any()) for t in range(HISTORY))
    facts = [
        f"Castling: {', '.join(rights) or 'none'}.",
        f"Plies without capture or pawn move: {int(masks[FIFTY_MOVE_PLANE])}.",
        "This position has occurred before." if masks[12] else "This position is new.",
        f"Filled positions of the history: {known} of {HISTORY}.",
    ]
    return planes, facts


def _plane(word: int) -> Markup:
    """One plane as 8x8 cells; bit 0 is a1, seen from the side to move."""
    cells = "".join(
        f'<rect class="on" x="{square % 8}" y="{7 - square // 8}" width="1" height="1"/>'
        for square in chess.SquareSet(word)
    )
    lines = "".join(f"M{n} 0V8M0 {n}H8" for n in range(1, 8))
    return Markup(  # numbers
        '<svg viewBox="0 0 8 8" aria-hidden="true"><rect class="off" width="8" height="8"/>'
        f'{cells}<path class="grid" d="{lines}"/></svg>'
    )


def show_history(board: chess.Board) -> list[Markup]:
    """Earlier positions that are part of the input, latest first."""
    past = board.copy()
    pictures: list[Markup] = []
    while past.move_stack and len(pictures) < HISTORY - 1:
        past.pop()
        pictures.append(board_svg(past, perspective=board.turn, label=f"{len(pictures) + 1} plies before"))
    return pictures


def show_features(board: chess.Board) -> list[tuple[str, str]]:
    """How the sparse family sees the pieces: each is one of four features by who attacks and who defends it."""
    groups: dict[tuple[bool, bool], list[str]] = {key: [] for key in _STANDINGS}
    for square, piece in sorted(board.piece_map().items()):
        standing = board.is_attacked_by(not piece.color, square), board.is_attacked_by(piece.color, square)
        groups[standing].append(f"{piece.unicode_symbol()} {chess.square_name(square)}")
    return [(name, ", ".join(groups[key]) or "none") for key, name in _STANDINGS.items()]
