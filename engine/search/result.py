"""What comes out of a search: lines while it runs, the move and the root's children when it ends,
the searched tree.

Plain data and the units of its scores; `report` reads them from the tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import chess
import numpy as np

from engine.evaluation.scores import ATAN_SCALE, CP_SCALE

if TYPE_CHECKING:
    from engine.search.tree.root import RootPosition


@dataclass(frozen=True)
class SearchInfo:
    """One line of analysis, from the side to move."""

    depth: int  # Mean plies of the descents.
    seldepth: int  # Plies of the deepest line.
    time_ms: int
    nodes: int
    nps: int
    hashfull: int  # Part of the tree in use, per mille.
    multipv: int  # Rank of the line, from 1.
    score_cp: int
    score_mate: int | None  # Full moves to a proven mate, negative when being mated.
    wdl: tuple[int, int, int]  # Win, draw and loss per mille; they add up to 1000.
    pv: list[chess.Move]
    tbhits: int = 0  # Number of positions answered by endgame tables.
    # The root move visited most since the last lines; first line only.
    current_move: chess.Move | None = None
    current_number: int = 0  # Rank of `current_move`, from 1.

    def line(self, plies: int) -> list[chess.Move]:
        """Return the first plies of the line, or all of it where it ends in a mate."""
        return self.pv[:plies] if self.score_mate is None else self.pv


# It hears a complete set of lines, best line first.
OnInfo = Callable[[Sequence[SearchInfo]], object]


@dataclass(frozen=True)
class RootMove:
    """A root move's statistics, from the side to move."""

    move: chess.Move
    visits: int  # N
    prior: float  # P
    q: float  # Mean value in [-1, 1], or first-play urgency while unvisited.
    draw: float  # Mean draw probability, or the root's own while unvisited.
    mate: int | None  # Full moves to a proven mate, negative when the mover is mated.
    policy_index: int = 0  # Index among the 1858 policy moves.
    u: float = 0.0  # U, the exploration bonus.
    s: float = 0.0  # S = Q + U + M, by which the search compares moves.
    v: float = 0.0  # V, the evaluator's own value of the move in [-1, 1]; 0 while unvisited.
    moves_left: float = 0.0  # plies the game is expected to last
    wdl: tuple[int, int, int] = (0, 1000, 0)  # Win, draw and loss per mille.
    pv: tuple[chess.Move, ...] = ()  # The line of play that begins with the move.
    score_cp: int = 0  # Q in centipawns on the evaluator's scale.
    hint: float = 0.0  # Change of P by the butterfly history and by a hint.


@dataclass(frozen=True)
class SearchResult:
    """The end of a search, which a notebook shows as a board and a table. `best_move` is None only
    without any.
    """

    best_move: chess.Move | None
    ponder_move: chess.Move | None
    infos: list[SearchInfo]  # The last complete set of lines, best line first.
    children: list[RootMove]  # All root moves, best first.
    nodes: int
    time_ms: int
    root: RootPosition | None = None  # None where nothing was searched.
    board: chess.Board | None = None  # The position.

    def rows(self) -> list[dict[str, Any]]:
        """Return the root moves, best first, as rows of plain values:
        `pandas.DataFrame(result.rows())`.
        """
        return [_plain(child) for child in self.children]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values: moves in UCI notation, the position as FEN."""
        return _plain(self)

    def _repr_html_(self) -> str:
        """Return the position with the best move as an arrow, and the lines."""
        if self.board is None:
            return f"<p>{escape(str(self))}</p>"
        from chess import svg

        board, best = self.board, self.best_move
        arrows = [svg.Arrow(best.from_square, best.to_square)] if best else []
        lines = "".join(
            f"<tr><td>{_score(info)}</td><td>{' / '.join(f'{share / 10:.0f}' for share in info.wdl)}</td>"
            f'<td style="text-align:left">{board.variation_san(info.pv)}</td></tr>'
            for info in self.infos
        )
        head = "<tr><th>Score</th><th>Win / draw / loss in %</th><th>Line</th></tr>"
        picture = svg.board(board, orientation=board.turn, arrows=arrows, size=320)
        return (
            f"{picture}<table>{head}{lines}</table><p>{self.nodes:,} nodes, {self.time_ms:,} ms</p>"
        )


def _score(info: SearchInfo) -> str:
    if info.score_mate is None:
        return f"{info.score_cp / 100:+.2f}"
    return f"#{info.score_mate}"


def _plain(value: Any) -> Any:
    """Plain JSON values of results: dataclasses by their fields, moves as UCI, boards as FEN."""
    if isinstance(value, chess.Move):
        return value.uci()
    if isinstance(value, chess.Board):
        return value.fen()
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if is_dataclass(value):
        return {name: _plain(part) for name, part in vars(value).items()}
    return value


@dataclass(frozen=True)
class Branch:
    """A searched move, seen by the side that plays it, and the replies worth showing, most visited
    first.
    """

    move: chess.Move
    visits: int  # N
    prior: float  # P
    q: float  # mean value in [-1, 1]
    replies: tuple[Branch, ...]


def cp_scale_of(evaluator: object) -> float:
    """At how many centipawns an evaluator's Q is 0.5: its `cp_scale`, or Lc0's where it has none,
    as nets do.
    """
    return float(getattr(evaluator, "cp_scale", CP_SCALE))


def centipawns(q: float | np.ndarray, cp_scale: float = CP_SCALE) -> Any:
    """Q in [-1, 1], one or an array of them, as centipawns, of which `cp_scale` make a Q of 0.5."""
    return np.rint(cp_scale * np.tan(ATAN_SCALE * np.asarray(q))).astype(np.int64).tolist()


def win_minus_loss(score_cp: float, cp_scale: float = CP_SCALE) -> float:
    """Q of a score in centipawns: the inverse of `centipawns`."""
    return math.atan(score_cp / cp_scale) / ATAN_SCALE


def mate_moves(plies: int) -> int:
    """Plies to mate as UCI's full moves: positive when mating, negative when being mated, which
    takes an even number of plies.
    """
    moves = (plies + 1) // 2
    return moves if plies % 2 else -moves


def per_mille(q: float | np.ndarray, draw: float | np.ndarray) -> Any:
    """(win, draw, loss) per mille from Q and the draw probability, or lists of each from arrays of
    these.
    """
    q = np.asarray(q)
    draw = np.minimum(np.maximum(draw, 0.0), 1.0 - np.abs(q))
    drawn = np.rint(1000 * draw).astype(np.int64)
    win = np.minimum(np.rint(1000 * (1.0 - draw + q) / 2).astype(np.int64), 1000 - drawn)
    return win.tolist(), drawn.tolist(), (1000 - drawn - win).tolist()
