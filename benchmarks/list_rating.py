"""Estimate a rating from matches against engines whose ratings are known, such as those of a public list.

    python -m benchmarks.list_rating glaurung=2793 gnuchess=2661

FOLDER=RATING is the folder of a match (`aino-train match --out FOLDER`) and its second engine's rating; the rating of
the first engine is estimated. A list's ratings hold for its own time control and machines: the interval knows
only the chance of the games, and that a difference on the list may be a larger or smaller one here.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import new_parser, report
from engine.errors import AinoError, ConfigError
from selfplay.matches.archive import read_games
from selfplay.matches.rating import fit_rung
from selfplay.matches.statistics import complete_pairs


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__)
    parser.add_argument("matches", nargs="+", metavar="FOLDER=RATING", help="a match, and its second engine's rating")
    options = parser.parse_args(arguments)
    pairs = defaultdict[int, list[float]](list)
    rows: list[dict[str, object]] = []
    try:
        for word in options.matches:
            folder, rating = parsed(word)
            points = pair_points(folder)
            pairs[rating] += points
            rows.append({"match": folder.name, "rating": str(rating), "games": 2 * len(points), "points": sum(points)})
    except AinoError as error:
        parser.error(str(error))
    fit = fit_rung(pairs, list(pairs))
    estimate = f"{fit.elo:.0f} [{fit.low:.0f}, {fit.high:.0f}]"
    games, total = (sum(row[name] for row in rows) for name in ("games", "points"))  # type: ignore[misc]
    report([*rows, {"match": "estimate", "rating": estimate, "games": games, "points": total}], options.json)
    return 0


def parsed(word: str) -> tuple[Path, int]:
    """Folder and rating. Raises ConfigError for another form."""
    folder, _, rating = word.rpartition("=")
    if not folder or not rating.isdecimal():
        raise ConfigError(f"expected FOLDER=RATING, got {word!r}")
    return Path(folder), int(rating)


def pair_points(folder: Path) -> list[float]:
    """The first engine's points in each complete pair of games, 0 to 2.

    Raises ConfigError where there are none, and RunError where the games are damaged.
    """
    points = complete_pairs({number: row.first_points for number, row in read_games(folder).items()})
    if not points:
        raise ConfigError(f"{folder}: no pair of games is complete")
    return list(points.values())


if __name__ == "__main__":
    sys.exit(main())
