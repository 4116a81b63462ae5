"""What one's own reviewed games tell together: accuracy over time, and mistakes by opening,
colour and motif. Short games, in which openings alone decide, do not count.
"""

from collections.abc import Callable, Iterable, Iterator
from statistics import fmean
from typing import Any

from uci.annotate.mistake_kinds import Mistake
from uci.library.game_records import Game, ReviewFacts

COUNTED_MOVES = 15
_Row = dict[str, Any]  # for the page, as plain JSON types
_SCORES = {"1-0": {"white": 1.0, "black": 0.0}, "0-1": {"white": 0.0, "black": 1.0}}
_MOST_OPENINGS = 12

Reviewed = tuple[Game, ReviewFacts]
CountedMistake = tuple[Reviewed, Mistake | None]  # None of the game itself
# What a row counts, by a name: the rows that a mistake in a game belongs to.
_GROUPS: dict[str, Callable[[Game, Mistake | None], str]] = {
    "opening": lambda game, lapse: game.opening.split(":")[0].split(",")[0],
    "side": lambda game, lapse: game.mine or "",
    "motif": lambda game, lapse: lapse.kind if lapse else "",
}


def counted_games(reviewed: Iterable[Reviewed]) -> list[Reviewed]:
    """Return those of one's own games that are long enough."""
    least = 2 * COUNTED_MOVES
    return [(game, facts) for game, facts in reviewed if game.mine and game.plies >= least]


def points(reviewed: Iterable[Reviewed]) -> list[_Row]:
    """Return each game's date, accuracy, and mistakes in opening, middlegame, endgame."""
    points_of_games = list[_Row]()
    for game, facts in reviewed:
        side = str(game.mine)
        accuracy, mistakes = facts.accuracy[side], facts.mistakes[side]
        points_of_games.append({"date": game.day, "accuracy": accuracy, "mistakes": mistakes})
    return points_of_games


def rows(reviewed: list[Reviewed]) -> list[_Row]:
    """Return the rows of all groups, each with the number of its games and of its mistakes, and but
    for motifs with the share of points and the mean accuracy.
    """
    all_rows = list[_Row]()
    for by in _GROUPS:
        groups = dict[str, list[CountedMistake]]()
        for reviewed_game, lapse, name in _mistakes(reviewed, by):
            groups.setdefault(name, []).append((reviewed_game, lapse))
        rows_of_group = [_row(by, name, counted) for name, counted in groups.items() if name]
        rows_of_group.sort(key=lambda row: (-row["games"], -row["mistakes"]))
        all_rows += rows_of_group[:_MOST_OPENINGS]
    return all_rows


def positions(reviewed: list[Reviewed], by: str, name: str) -> list[_Row]:
    """Return where the mistakes of a row are, those of the latest games first."""
    places = list[_Row]()
    for (game, _facts), lapse, row_name in _mistakes(reviewed[::-1], by):
        if lapse is not None and row_name == name:
            place = {
                "key": game.key,
                "ply": lapse.ply,
                "white": game.white,
                "black": game.black,
                "date": game.day,
                "kind": lapse.kind,
            }
            places.append(place)
    return places


def _mistakes(reviewed: list[Reviewed], by: str) -> Iterator[tuple[Reviewed, Mistake | None, str]]:
    """Yield games, and their mistakes one by one, each with the name of its row."""
    group = _GROUPS.get(by, _GROUPS["motif"])
    for game, facts in reviewed:
        own_lapses = facts.lapses.get(str(game.mine), [])
        for lapse in (None, *own_lapses):
            yield (game, facts), lapse, group(game, lapse)


def _row(by: str, name: str, counted: list[CountedMistake]) -> _Row:
    lapses = [lapse for _reviewed, lapse in counted if lapse is not None]
    games = {reviewed[0].key: reviewed for reviewed, _lapse in counted}.values()
    row: _Row = {
        "by": by,
        "name": name,
        "games": len(games),
        "mistakes": len(lapses),
        "missed": sum(lapse.missed for lapse in lapses),
    }
    if by != "motif":
        row["points"] = fmean(_points(game) for game, _facts in games)
        row["accuracy"] = None
        accuracies = [facts.accuracy[str(game.mine)] for game, facts in games]
        if measured := [accuracy for accuracy in accuracies if accuracy is not None]:
            row["accuracy"] = fmean(measured)
    return row


def _points(game: Game) -> float:
    """Return what the game brought: 1, 0, or a half for a draw and for a game without a result."""
    return _SCORES.get(game.result, {}).get(str(game.mine), 0.5)
