"""Chess boards as SVG, which refer to one page's piece shapes (`piece_shapes`), and the moves that
a board takes.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import chess
import chess.svg
from markupsafe import Markup

from engine.errors import message

SQUARE = 45  # Side of a square in SVG units; python-chess draws its pieces at this size.
SIDE = 8 * SQUARE
Facts = dict[str, Any]  # what a page's script is told, as plain JSON types
Tell = Callable[[Facts], None]


@dataclass(frozen=True)
class Arrow:
    """An arrow between two squares; `kind` is its class in the style sheet: "played", "better" or
    "threat".
    """

    source: chess.Square
    target: chess.Square
    kind: str


def squares_of(line: Iterable[chess.Move]) -> list[list[chess.Square]]:
    """Return [from, to] of each move."""
    return [[move.from_square, move.to_square] for move in line]


def shown_position(board: chess.Board, move: chess.Move | None) -> Facts:
    """Return what a board shows of a position: its FEN, the squares of the move that led there, and
    that of a king in check.
    """
    return {
        "fen": board.fen(),
        "marked": [move.from_square, move.to_square] if move else [],
        "check": board.king(board.turn) if board.is_check() else None,
    }


def legal_moves(board: chess.Board) -> list[tuple[int, int, str]]:
    """Return (from, to, UCI) of each legal move. Promotions have the squares in common.

    Castling can also be played by moving the king onto its rook, or beside it.
    """
    moves = [(move.from_square, move.to_square, move.uci()) for move in board.legal_moves]
    squares = {(source, target) for source, target, _ in moves}
    # UCI has the rook's square in Chess960, and else the king's.
    files = (2, 6) if board.chess960 else (0, 7)
    for move in board.generate_castling_moves():
        king = move.from_square
        target = chess.square(files[board.is_kingside_castling(move)], chess.square_rank(king))
        if (king, target) not in squares and target != king:
            moves.append((king, target, board.uci(move)))
    return moves


@functools.cache
def piece_shapes() -> Markup:
    """Return the shapes that boards refer to: `#white-king` to `#black-pawn`, and the glow under a
    checked king.
    """
    shapes = "".join(chess.svg.PIECES.values())
    glow = (
        '<radialGradient id="check-glow"><stop offset="0" stop-color="#ff2a1a"/>'
        '<stop offset="0.45" stop-color="#e02015" stop-opacity="0.85"/>'
        '<stop offset="1" stop-color="#a00000" stop-opacity="0"/></radialGradient>'
    )
    # All of this text is fixed.
    return Markup(f'<svg class="shapes" aria-hidden="true"><defs>{glow}{shapes}</defs></svg>')


def board_svg(
    board: chess.Board,
    *,
    perspective: chess.Color = chess.WHITE,
    arrows: Iterable[Arrow] = (),
    label: str,
    translate: Callable[[str], str] = str,
) -> Markup:
    """Return a board seen from `perspective`; screen readers say `label` first.

    `translate` gets what they say of the position.
    """
    text = f"{label}. {translate(describe_board(board))}"
    parts = [
        f'<svg class="board" viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{Markup.escape(text)}">',
        f'<rect class="light" width="{SIDE}" height="{SIDE}"/><path class="dark" d="{_dark_squares()}"/>',
        '<g class="pieces">',
        *(_piece_use(square, piece, perspective) for square, piece in board.piece_map().items()),
        "</g>",
        _coordinates(perspective),
        *(_arrow_path(arrow, perspective) for arrow in arrows),
        "</svg>",
    ]
    return Markup("".join(parts))  # The label, the only outside text, is escaped above.


def describe_board(board: chess.Board) -> str:
    """Describe the position in words: `White: Ke1 Qd1 a2 b2. Black: Ke8. White to move`."""
    sides = []
    for color in (chess.WHITE, chess.BLACK):
        words = []
        for kind in reversed(chess.PIECE_TYPES):
            letter = chess.piece_symbol(kind).upper().removeprefix("P")
            squares = map(chess.square_name, board.pieces(kind, color))
            words += [letter + square for square in sorted(squares)]
        sides.append(
            message(f"{chess.COLOR_NAMES[color].title()}: {{pieces}}", pieces=" ".join(words))
        )
    side = chess.COLOR_NAMES[board.turn].title()
    return message("{white}. {black}. {side} to move", white=sides[0], black=sides[1], side=side)


def _corner(square: chess.Square, perspective: chess.Color) -> tuple[int, int]:
    """(x, y) of a square's upper left corner."""
    if perspective == chess.WHITE:
        square = chess.square_mirror(square)
    else:
        square ^= 7
    return SQUARE * chess.square_file(square), SQUARE * chess.square_rank(square)


@functools.cache
def _dark_squares() -> str:
    return "".join(
        f"M{SQUARE * column} {SQUARE * row}h{SQUARE}v{SQUARE}h-{SQUARE}z"
        for row in range(8)
        for column in range(8)
        if (row + column) % 2
    )


@functools.cache
def _coordinates(perspective: chess.Color) -> str:
    parts = ['<g class="coordinates">']
    for index in range(8):
        place = index if perspective else 7 - index
        below, beside = ("on-dark", "on-light") if index % 2 == 0 else ("on-light", "on-dark")
        x, y = SQUARE * index + SQUARE - 3, SQUARE * index + 12
        parts.append(
            f'<text class="{below}" x="{x}" y="{SIDE - 3}" text-anchor="end">{chess.FILE_NAMES[place]}</text>'
        )
        parts.append(f'<text class="{beside}" x="3" y="{y}">{chess.RANK_NAMES[7 - place]}</text>')
    return "".join(parts) + "</g>"


def _piece_use(square: chess.Square, piece: chess.Piece, perspective: chess.Color) -> str:
    x, y = _corner(square, perspective)
    name = f"{chess.COLOR_NAMES[piece.color]}-{chess.piece_name(piece.piece_type)}"
    return f'<use href="#{name}" x="{x}" y="{y}"/>'


def _arrow_path(arrow: Arrow, perspective: chess.Color) -> str:
    corners = (_corner(square, perspective) for square in (arrow.source, arrow.target))
    (x1, y1), (x2, y2) = ((x + SQUARE / 2, y + SQUARE / 2) for x, y in corners)
    length = max(1.0, ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5)
    # (dx, dy) points along the arrow, (-dy, dx) across it.
    dx, dy = ((x2 - x1) / length, (y2 - y1) / length)
    neck_x, neck_y = x2 - 18 * dx, y2 - 18 * dy
    # One side of the arrow from its tail to its tip: places on the middle line, and how far the
    # edge is from it.
    side = [(x1, y1, 4), (neck_x, neck_y, 4), (neck_x, neck_y, 11), (x2, y2, 0)]
    outline = [*side, *((x, y, -width) for x, y, width in side[-2::-1])]
    points = " ".join(f"{x - width * dy:.1f},{y + width * dx:.1f}" for x, y, width in outline)
    return f'<polygon class="arrow {arrow.kind}" points="{points}"/>'
