"""Draw the board as text: coloured squares, chess symbols without colour, or plain ASCII."""

import os
from dataclasses import dataclass

import chess
from rich.console import Console
from rich.style import Style
from rich.text import Text

from engine.board.worth import captured, lead
from engine.cli.console import can_show
from uci.common.evaluation import Evaluation
from uci.language import _, later

# Both dark enough for white pieces and light enough for black ones.
_LIGHT, _DARK = ("#b99a72", "#7f5f45")
_LIGHT_MARKED, _DARK_MARKED = "#a9a948", "#77782c"  # squares of the last move
_IN_CHECK = "#a83232"  # the square of a king in check
_WHITE_PIECE, _BLACK_PIECE = "#ffffff", "#101010"
# A terminal with 16 colours shows the shades above unreadably, so it gets these instead.
_FEW_COLORS = {_LIGHT: "yellow", _DARK: "green", _LIGHT_MARKED: "cyan", _DARK_MARKED: "cyan"}
_FEW_COLORS |= {_IN_CHECK: "red", _WHITE_PIECE: "bright_white", _BLACK_PIECE: "black"}
_BAR_CELLS = 24  # the width of the board's squares
_TOOK = {chess.WHITE: later("White took {pieces}"), chess.BLACK: later("Black took {pieces}")}
_FILLED = {"p": "♟", "n": "♞", "b": "♝", "r": "♜", "q": "♛", "k": "♚"}


@dataclass(frozen=True)
class BoardStyle:
    """The features that the terminal can show."""

    color: bool
    symbols: bool
    few_colors: bool = False  # the terminal has only 16 colours


def choose_style(console: Console, ascii_only: bool = False) -> BoardStyle:
    """Return the best style for a console: symbols if the encoding has them, colour if the terminal
    has it.

    A pipe or a dumb terminal has no colour, and NO_COLOR turns colour off. The fonts of Linux's own
    console (TERM `linux`) have no chess pieces.
    """
    symbols = not ascii_only and os.environ.get("TERM") != "linux" and can_show(console, "♚·█░")
    few = console.color_system in ("standard", "windows")
    return BoardStyle(
        color=console.color_system is not None and not console.no_color,
        symbols=symbols,
        few_colors=few,
    )


def render_board(board: chess.Board, perspective: chess.Color, style: BoardStyle) -> Text:
    """Return the board seen from `perspective`, with coordinates, the last move and a king in check
    marked.
    """
    ranks, files = range(7, -1, -1), range(8)
    if perspective == chess.BLACK:
        ranks, files = files, ranks
    draw = _coloured_square if style.color else _plain_square
    text = Text()
    for rank in ranks:
        text.append(f" {rank + 1} ")
        for file in files:
            text.append_text(draw(board, chess.square(file, rank), style))
        text.append("\n")
    text.append("   " + "".join(f" {chess.FILE_NAMES[file]} " for file in files))
    return text


def _plain_square(board: chess.Board, square: chess.Square, style: BoardStyle) -> Text:
    symbol = _plain_symbol(board.piece_at(square), style)
    if _is_checked(board, square):
        return Text(f"[{symbol}]")
    if _is_marked(board, square):
        return Text(f"({symbol})")
    return Text(f" {symbol} ")


def _plain_symbol(piece: chess.Piece | None, style: BoardStyle) -> str:
    if piece is None:
        return "·" if style.symbols else "."
    if style.symbols:
        return piece.unicode_symbol()
    return piece.symbol()


def _coloured_square(board: chess.Board, square: chess.Square, style: BoardStyle) -> Text:
    piece = board.piece_at(square)
    symbol, ink = " ", _BLACK_PIECE
    if piece is not None:
        symbol = piece.symbol()
        if style.symbols:  # Both sides have filled shapes: outlines vanish on a coloured square.
            symbol = _FILLED[symbol.lower()]
        if piece.color == chess.WHITE:
            ink = _WHITE_PIECE
    dark, light = _DARK, _LIGHT
    if _is_marked(board, square):
        dark, light = _DARK_MARKED, _LIGHT_MARKED
    paper = light if chess.BB_SQUARES[square] & chess.BB_LIGHT_SQUARES else dark
    if _is_checked(board, square):
        paper = _IN_CHECK
    if style.few_colors:
        ink, paper = _FEW_COLORS[ink], _FEW_COLORS[paper]
    return Text(f" {symbol} ", Style(color=ink, bgcolor=paper, bold=True))


def _is_marked(board: chess.Board, square: chess.Square) -> bool:
    """Whether the last move began or ended here. A pass did so nowhere."""
    last = board.peek() if board.move_stack else chess.Move.null()
    return bool(last) and square in (last.from_square, last.to_square)


def _is_checked(board: chess.Board, square: chess.Square) -> bool:
    return square == board.king(board.turn) and board.is_check()


def captured_text(board: chess.Board, style: BoardStyle) -> str:
    """Return what each side has captured, and who is ahead in material: `White took p p n, Black
    took P; White +4`.

    "" before the first capture. Pawns count 1, knights and bishops 3, rooks 5, queens 9.
    """
    pieces_of: dict[chess.Color, list[chess.Piece]] = {chess.WHITE: [], chess.BLACK: []}
    before = board.root()
    for move in board.move_stack:
        if kind := captured(before, move):
            pieces_of[before.turn].append(chess.Piece(kind, not before.turn))
        before.push(move)
    sentences = []
    for side, pieces in pieces_of.items():
        if pieces:
            pieces.sort(key=lambda piece: piece.piece_type)
            names = " ".join(_plain_symbol(piece, style) for piece in pieces)
            sentences.append(_(_TOOK[side], pieces=names))
    if not sentences:
        return ""
    text = ", ".join(sentences)
    ahead = lead(board, chess.WHITE)
    if ahead == 0:
        return text + _("; material is even")
    leader = _(chess.COLOR_NAMES[ahead > 0].title())
    return f"{text}; {leader} +{abs(ahead)}"


def render_bar(evaluation: Evaluation, style: BoardStyle) -> str:
    """White's expected points as a bar, with the score: `White [######------] Black  +0.34`."""
    full, empty = "█░" if style.symbols else "#-"
    cells = round(_BAR_CELLS * evaluation.expected)
    return f"{_('White')} [{full * cells}{empty * (_BAR_CELLS - cells)}] {_('Black')}  {evaluation.text}"
