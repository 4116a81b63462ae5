"""What the games of a match that began as endings say: each engine's score with the side to move,
by kind of ending.

    python -m benchmarks.ending_scores won

The folder is that of `aino-train match --openings endings-won --first-to-move --out won`; intervals
are 95%, Wilson's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import chess

from benchmarks.measuring import existing, new_parser, report
from selfplay.matches.archive import GameRow, read_game_rows
from selfplay.matches.statistics import wilson

PIECE_BANDS = {
    "4 to 6 pieces": range(7),
    "7 to 9": range(7, 10),
    "10 to 12": range(10, 13),
    "13 to 16": range(13, 17),
}
# Pieces beside kings and pawns; else "mixed".
ENDING_KINDS = {"pawn": "P", "rook": "R", "minor": "NB", "queen": "Q"}
ALL = "all"


@dataclass(frozen=True)
class EndingScore:
    """How an engine fared with the side to move in endings of one group."""

    engine: str
    group: str
    won: int
    drawn: int
    lost: int

    @property
    def games(self) -> int:
        return self.won + self.drawn + self.lost

    @property
    def score(self) -> float:
        """Points divided by games, 0..1."""
        return (self.won + self.drawn / 2) / self.games


def groups_of(fen: str) -> tuple[str, ...]:
    """Return the groups of an ending: all, by number of pieces, and by type; none for more than 16
    pieces.
    """
    letters = [letter for letter in fen.split()[0].upper() if letter.isalpha()]
    by_number = [name for name, numbers in PIECE_BANDS.items() if len(letters) in numbers]
    pieces = set(letters) - {"K", "P"}
    kinds = [
        name
        for name, allowed in ENDING_KINDS.items()
        if pieces <= set(allowed) and (pieces or name == "pawn")
    ]
    return (ALL, by_number[0], kinds[0] if kinds else "mixed") if by_number else ()


def ending_scores(rows: Iterable[GameRow]) -> list[EndingScore]:
    """Return the scores of every engine and group with games, engines in order of their names."""
    points: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        white_moves = chess.Board(row.start_fen, chess960=row.chess960).turn == chess.WHITE
        engine = row.white if white_moves else row.black
        result = {"1/2-1/2": 0.5, "1-0": float(white_moves), "0-1": float(not white_moves)}[
            row.result
        ]
        for group in groups_of(row.start_fen):
            points.setdefault((engine, group), []).append(result)
    order = [ALL, *PIECE_BANDS, *ENDING_KINDS, "mixed"]
    return [
        EndingScore(engine, group, found.count(1.0), found.count(0.5), found.count(0.0))
        for (engine, group), found in sorted(
            points.items(), key=lambda item: (item[0][0], order.index(item[0][1]))
        )
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__)
    parser.add_argument("match", type=existing, help="the folder of a match")
    options = parser.parse_args(arguments)
    rows = []
    for one in ending_scores(read_game_rows(options.match).values()):
        low, high = wilson(one.score, one.games)
        numbers = {
            "games": one.games,
            "won": one.won,
            "drawn": one.drawn,
            "lost": one.lost,
            "score": one.score,
        }
        rows.append(
            {
                "with the side to move": one.engine,
                "endings": one.group,
                **numbers,
                "low": low,
                "high": high,
            }
        )
    report(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
