"""Estimate a rating from matches against engines whose ratings are known, such as those of a public
list.

    python -m benchmarks.list_rating glaurung=2793 gnuchess=2661

FOLDER=RATING is the folder of a match (`aino-train match --out FOLDER`) and its second engine's
rating; the rating of the first engine is estimated, which is the same in all matches, with the same
options and time control. A list's ratings hold for its own time control and machines: the interval
knows only the chance of the games, and that a difference on the list may be a larger or smaller one
here.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import new_parser, report
from engine.errors import AinoError, ConfigError
from selfplay.matches.archive import SETTINGS_FILE, GameRow, read_game_rows
from selfplay.matches.rating import fit_rung
from selfplay.matches.statistics import complete_pairs


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__)
    parser.add_argument(
        "matches",
        nargs="+",
        metavar="FOLDER=RATING",
        help="a match, and its second engine's rating",
    )
    options = parser.parse_args(arguments)
    pairs = defaultdict[int, list[float]](list)
    rows: list[dict[str, object]] = []
    rated = ""
    seen = dict[tuple[str, ...], Path]()
    try:
        for word in options.matches:
            folder, rating = parsed(word)
            games = read_game_rows(folder)
            rated = same_engine(folder, games, rated)
            note_games(folder, games, seen)
            points = pair_points(folder, games)
            pairs[rating] += points
            rows.append(
                {
                    "match": folder.name,
                    "rating": str(rating),
                    "games": 2 * len(points),
                    "points": sum(points),
                }
            )
    except AinoError as error:
        parser.error(str(error))
    fit = fit_rung(pairs, list(pairs))
    estimate = f"{fit.elo:.0f} [{fit.low:.0f}, {fit.high:.0f}]"
    number, total = (sum(row[name] for row in rows) for name in ("games", "points"))  # type: ignore[misc]
    report(
        [*rows, {"match": "estimate", "rating": estimate, "games": number, "points": total}],
        options.json,
    )
    return 0


def parsed(word: str) -> tuple[Path, int]:
    """Folder and rating. Raises ConfigError for another form."""
    folder, _, rating = word.rpartition("=")
    if not folder or not rating.isdecimal():
        raise ConfigError(f"expected FOLDER=RATING, got {word!r}")
    return Path(folder), int(rating)


def same_engine(folder: Path, games: dict[int, GameRow], rated: str) -> str:
    """Return what describes the first engine and its time control. Raises ConfigError if `rated`,
    unless empty, is another.

    Also raises ConfigError where one of both engines changes from game to game, as in a ladder.
    """
    names = {(row.white, row.black)[:: 1 if row.number % 2 == 0 else -1] for row in games.values()}
    if len(names) > 1:
        raise ConfigError(
            f"{folder}: not a match between two engines: {', '.join(sorted(set().union(*names)))}"
        )
    try:
        settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        first = settings["first"]
        told = json.dumps(
            {**first, "control": first["control"] or settings["control"]}, sort_keys=True
        )
    except FileNotFoundError:
        told = next(iter(names))[0] if names else ""
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{folder / SETTINGS_FILE}: not the settings of a match: {error!r}"
        ) from error
    if rated and told != rated:
        raise ConfigError(
            f"{folder}: another first engine than in the matches before: {told}, not {rated}"
        )
    return told


def note_games(folder: Path, games: dict[int, GameRow], seen: dict[tuple[str, ...], Path]) -> None:
    """Add the folder and its games to `seen`. Raises ConfigError for a folder given twice, or a
    copy of one.
    """
    played = (
        (row.start_fen, row.uci, str(row.slowest_ms), str(row.thoughts))
        for row in games.values()
        if row.thoughts
    )
    for key in {(str(folder.resolve()),), *played}:
        if key in seen:
            raise ConfigError(
                f"{folder}: its games are those of {seen[key]}, too, and would count twice"
            )
        seen[key] = folder


def pair_points(folder: Path, games: dict[int, GameRow]) -> list[float]:
    """Return the first engine's points in each complete pair of games, 0 to 2.

    Raises ConfigError where there are none.
    """
    points = complete_pairs({number: row.first_points for number, row in games.items()})
    if not points:
        raise ConfigError(f"{folder}: no pair of games is complete")
    return list(points.values())


if __name__ == "__main__":
    sys.exit(main())
