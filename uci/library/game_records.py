"""The records of a folder's games: what is known of a file, of a game in it, and of its review, and
how equal games become one row. Nothing here touches a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.board.pgn.annotations import game_name, is_told
from engine.files.text import searchable
from uci.annotate.mistake_kinds import Mistake
from uci.game.game_file import ANALYSES, TextPlace
from uci.library.explorer import KEPT_PLIES
from uci.library.game_files import FoundGame, place_key
from uci.library.game_query import day_of

_SEARCHED = ("Event", "Site", "Round", "Result", "ECO", "WhiteElo", "BlackElo")
_DAY = 10  # characters of a date; the time of day follows where it is known


@dataclass(eq=False)
class GamesFile:
    """A file of the folder, by its name below that, and its games, in order."""

    name: str
    changed: int = 0  # its time, nanoseconds since 1970
    games: list[Game] = field(default_factory=list)

    @property
    def has_analyses(self) -> bool:
        """Whether it is one of analyses, which nobody played."""
        return self.name.startswith(f"{ANALYSES}/")


@dataclass(slots=True, eq=False)
class Game:
    """A game at a place of a file."""

    key: str  # of the place
    file: GamesFile
    place: TextPlace
    # What equal games share; an analysis is equal to none.
    equality: str
    line: str  # what it shares with all games of the same start and moves
    date: str  # to be sorted
    white: str
    black: str  # "" of a chapter of a study, which White's name stands for
    result: str
    opening: str
    ending: str
    plies: int
    moves: bytes | None  # at most KEPT_PLIES, as `FoundGame` has them; None from another start
    words: str  # that it is found by
    chapter: str = ""  # its name in a study
    mine: str | None = None  # "white" or "black" where that player has one of one's own names

    @property
    def day(self) -> str:
        """The date without the time of day."""
        return self.date[:_DAY]

    @property
    def age(self) -> tuple[int, int]:
        """When its file was changed, and its place there."""
        return self.file.changed, self.place.begin


Fold = tuple[Game, int]  # the one of equal games that was changed last, and how many there are


@dataclass(frozen=True)
class ReviewFacts:
    """What is known of a review, by side: the accuracy, mistakes in each phase, and each mistake."""

    accuracy: Mapping[str, float | None]
    mistakes: Mapping[str, list[int]]
    lapses: Mapping[str, list[Mistake]]


def folded(games: Iterable[Game], unfolded: str = "") -> list[Fold]:
    """Return one of equal games, the one that was changed last, in the order of the first of each,
    with how many are equal; all of those that share what is `unfolded`.
    """
    rows = list[Fold]()
    for equality, equal in by_equality(games).items():
        shown = equal if equality == unfolded else equal[:1]
        rows += [(game, len(equal)) for game in shown]
    return rows


def by_equality(games: Iterable[Game]) -> dict[str, list[Game]]:
    """Return games by what equal ones share, those that were changed last first."""
    groups = dict[str, list[Game]]()
    for game in games:
        groups.setdefault(game.equality, []).append(game)
    for equal in groups.values():
        equal.sort(key=lambda game: game.age, reverse=True)
    return groups


def moved_place(place: TextPlace, shift: int) -> TextPlace:
    """Return the place of a text in front of which a file has grown by `shift` bytes."""
    return TextPlace(place.begin + shift, place.end + shift, place.digest)


def game_of(found_game: FoundGame, opening: str, file: GamesFile) -> Game:
    """Return the record of a game that was found in a file, without the key of its place."""
    place = found_game.place
    tags = {name: text for name, text in found_game.tags.items() if is_told(text)}
    opening = tags.get("Opening") or opening
    day = day_of(tags.get("UTCDate", "")) or day_of(tags.get("Date", ""))
    date = day
    if len(day) == _DAY and "UTCTime" in tags:
        date += f" {tags['UTCTime']}"
    white, black = tags.get("White", "?"), tags.get("Black", "?")
    if white == black == "?":  # a chapter of a study
        white = game_name(tags)
        black = ""
    equality = found_game.equality
    ending = tags.get("Termination", "")
    if file.has_analyses:
        equality = place_key(file.name, place.digest, place.begin)
        if black:  # an analysis of named players has a title, and no end
            ending = ending or tags.get("Event", "")
    words = [day, day.replace(".", "-"), white, black, opening]  # the list shows days with dashes
    words += [tags.get(name, "") for name in _SEARCHED]
    return Game(
        key="",
        file=file,
        place=place,
        equality=equality,
        line=found_game.line,
        date=date,
        white=white,
        black=black,
        result=tags.get("Result", "*"),
        opening=opening,
        ending=ending,
        plies=len(found_game.moves) // 2,
        moves=None if found_game.start else _begin(found_game.moves),
        words=searchable(" ".join(words)),
        chapter=tags.get("ChapterName", ""),
    )


def _begin(moves: bytes) -> bytes:
    """Return what the explorer keeps of a game: its moves up to a pass."""
    codes = memoryview(moves[: 2 * KEPT_PLIES]).cast("H").tolist()
    return moves[: 2 * (*codes, 0).index(0)]
