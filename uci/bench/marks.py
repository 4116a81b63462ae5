"""The marks of `aino annotate` against a stronger engine: how many are right, and how many it misses.

    aino annotate games.pgn --out marked
    python -m uci.bench.marks marked.pgn --judge stockfish --depth 18

Any number of annotated files of the same games may be named, for instance those of two versions. A move's true loss is
what its position's score falls by in the judge's searches before and after it, in expected points by the curve of
Lichess (https://lichess.org/page/accuracy); the best move loses nothing. The limits of ??, ? and ?! are those of
`annotate`. "!" is right on the judge's best move where its best other move loses as much as a blunder and the game is
open; captures count in precision, not in recall, since `annotate` does not look for them. To save time the judge first
looks at depth 12, and deeper only at moves that carry a mark or may deserve one; with --marked-only it looks at marked
moves alone, which tells how many marks are right and not how many are missing. The intervals are Wilson's, 95%. The
judge's answers are kept in a file, so that no search is done twice.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import chess
import chess.engine
import chess.pgn

from engine.measuring import Progress, Row, new_parser, report
from uci.annotate.accuracy import win_percent
from uci.annotate.judge import BLUNDER, GREAT, INACCURACY, MISTAKE, is_only_move, least_loss
from uci.bench.referee import MATE_CP, Referee

QUICK_DEPTH = 12
QUICK_LOSS, QUICK_GAP = 0.025, 0.1  # expected points; below both in a quick look, an unmarked move needs no deep one
Z_95 = 1.959964
BAD = (BLUNDER, MISTAKE, INACCURACY)
RECALL_COLUMNS = ("due", "recall")  # of the table; they need a verdict on every move
NAGS = {judgement.nag: judgement for judgement in (*BAD, GREAT)}


class Truth(NamedTuple):
    """The judge's verdict on a move."""

    loss: float  # expected points
    is_only_move: bool
    is_capture: bool


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a row for each kind of mark in each file."""
    parser = new_parser(__doc__)
    parser.add_argument("games", type=Path, nargs="+", help="compare these annotated PGN files of the same games")
    text = "judge with this UCI engine's command (default %(default)s)"
    parser.add_argument("--judge", default="stockfish", help=text)
    text = "let the judge search this many plies (default %(default)s)"
    parser.add_argument("--depth", type=int, default=18, help=text)
    parser.add_argument("--count", type=int, metavar="N", help="use only the first N games")
    text = "judge only moves with a mark, and leave out recall: much faster for whole games"
    parser.add_argument("--marked-only", action="store_true", help=text)
    text = "keep the judge's answers here (default GAMES.judged.jsonl)"
    parser.add_argument("--memory", type=Path, metavar="FILE", help=text)
    options = parser.parse_args(arguments)
    first, *others = (list(read_games(path))[: options.count] for path in options.games)
    if any(
        [list(game.mainline_moves()) for game in other] != [list(game.mainline_moves()) for game in first]
        for other in others
    ):
        sys.exit("the files hold different games")
    memory = options.memory or options.games[0].with_suffix(".judged.jsonl")
    referee = Referee(options.judge, chess.engine.Limit(depth=options.depth), memory)
    try:
        judge, progress = Judge(referee), Progress("games judged", len(first))
        truths: list[Truth] = []
        for number, versions in enumerate(zip(first, *others, strict=True), 1):
            is_marked = [any(nags) for nags in zip(*(marks_of([game]) for game in versions), strict=True)]
            truths.extend(judge.truths(versions[0], is_marked, options.marked_only))
            progress.update(number)
    finally:
        referee.close()
    print(f"{len(first)} games, {len(truths):,} moves")
    files = zip(options.games, (first, *others), strict=True)
    found = [row for path, games in files for row in rows(path.name, marks_of(games), truths)]
    if options.marked_only:
        found = [{key: value for key, value in row.items() if key not in RECALL_COLUMNS} for row in found]
    report(found, options.json)


def read_games(path: Path) -> Iterator[chess.pgn.Game]:
    """The games of a PGN file."""
    with path.open(encoding="utf-8", errors="replace") as file:
        while (game := chess.pgn.read_game(file)) is not None:
            yield game


def moves_of(game: chess.pgn.Game) -> list[chess.Move]:
    """The main line."""
    return list(game.mainline_moves())


def marks_of(games: Sequence[chess.pgn.Game]) -> list[int]:
    """The NAG of every move of the main lines, 0 for a move without one of ours."""
    return [next(iter(node.nags & NAGS.keys()), 0) for game in games for node in game.mainline()]


# ---- the judge ------------------------------------------------------------------------------------------------------


class Judge:
    """Finds out what moves cost: a quick look at every move, a deep one where that or a mark gives reason to."""

    def __init__(self, referee: Referee) -> None:
        self._referee = referee
        self._quick = chess.engine.Limit(depth=QUICK_DEPTH)

    def truths(self, game: chess.pgn.Game, is_marked: Sequence[bool], marked_only: bool = False) -> Iterator[Truth]:
        """The verdict on every move of the main line; with `marked_only`, an unmarked move is taken for a good one."""
        board = game.board()
        for move, marked in zip(game.mainline_moves(), is_marked, strict=True):
            loss, only = 0.0, False
            if marked or (not marked_only and self._is_doubtful(board, move)):
                loss = self._loss(board, move)
                only = loss == 0.0 and is_only_move(self._gap(board, move), expected(self._score(board)))
            yield Truth(loss, only, board.is_capture(move))
            board.push(move)

    def _is_doubtful(self, board: chess.Board, move: chess.Move) -> bool:
        """Whether a quick look finds that a move may deserve a mark."""
        if self._loss(board, move, self._quick) >= QUICK_LOSS:
            return True
        return self._gap(board, move, self._quick) >= QUICK_GAP

    def _loss(self, board: chess.Board, move: chess.Move, limit: chess.engine.Limit | None = None) -> float:
        best = self._referee.look(board, limit=limit)
        after = board.copy(stack=False)
        after.push(move)
        return 0.0 if move == best.move else max(0.0, expected(best.score_cp) - expected(-self._score(after, limit)))

    def _gap(self, board: chess.Board, move: chess.Move, limit: chess.engine.Limit | None = None) -> float:
        """Expected points between a best move and the best other one; 0 where there is no other."""
        others = [other for other in board.legal_moves if other != move]
        if not others:
            return 0.0
        score_cp = self._referee.look(board, others, limit).score_cp
        return expected(self._score(board, limit)) - expected(score_cp)

    def _score(self, board: chess.Board, limit: chess.engine.Limit | None = None) -> int:
        """Centipawns for the side to move, also where the game is over."""
        if board.is_game_over():
            return -MATE_CP if board.is_checkmate() else 0
        return self._referee.look(board, limit=limit).score_cp


def expected(score_cp: int) -> float:
    """Expected points, 0..1, of a score."""
    return win_percent(score_cp) / 100.0


# ---- the table ------------------------------------------------------------------------------------------------------


def rows(name: str, marks: Sequence[int], truths: Sequence[Truth]) -> list[Row]:
    """A row for every kind of mark: of the given ones, how many are right; of those due, how many are given."""
    found: list[Row] = []
    moves = list(zip(marks, truths, strict=True))
    for kind in BAD:
        least = least_loss(kind)
        severe = {judgement.nag for judgement in BAD if least_loss(judgement) >= least}
        label = kind.symbol if kind == BLUNDER else f"{kind.symbol} or worse"
        found.append(_row(name, label, [(mark in severe, truth.loss >= least) for mark, truth in moves]))
    quiet = [(mark == GREAT.nag, truth) for mark, truth in moves if not truth.is_capture or mark == GREAT.nag]
    return [*found, _row(name, "!", [(is_marked, truth.is_only_move) for is_marked, truth in quiet])]


def _row(name: str, label: str, moves: Sequence[tuple[bool, bool]]) -> Row:
    """The row of one kind of mark, from whether each move has it and whether it deserves it."""
    given = [due for has, due in moves if has]
    due = [has for has, due in moves if due]
    return {
        "file": name,
        "mark": label,
        "given": len(given),
        "right": sum(given),
        "precision": share_text(sum(given), len(given)),
        "due": len(due),
        "recall": share_text(sum(due), len(due)),
    }


def share_text(count: int, total: int) -> str:
    """A share with its 95% interval by Wilson, `92% [78, 97]`."""
    if not total:
        return "-"
    share, spread = count / total, Z_95**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = Z_95 / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return f"{share:.0%} [{max(0.0, middle - half):.0%}, {min(1.0, middle + half):.0%}]"


if __name__ == "__main__":
    main()
