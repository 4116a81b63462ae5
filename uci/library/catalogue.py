"""What is known of each game of a folder, in memory: lists, progress and the explorer are made of
it. Nothing here touches a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import chess

from engine.board.notation import board_after
from engine.board.pgn.annotations import game_name, is_told
from engine.errors import DataError
from engine.files.text import printable, searchable
from uci.annotate.mistake_kinds import Mistake
from uci.common.players import level_in
from uci.game.game_file import ANALYSES
from uci.language import _
from uci.library.explorer import KEPT_PLIES, Continuation, Explorer
from uci.library.game_files import FoundGame
from uci.library.game_query import GameQuery, day_of

PAGE = 50  # games in one part of a list
_MOST_FILES = 50  # to choose from for the explorer
_MOST_NAMES = 5  # that may be one's own
_SEARCHED = ("Event", "Site", "Round", "Result", "ECO", "WhiteElo", "BlackElo")
_SHOWN = ("key", "white", "black", "result", "opening", "ending", "plies", "mine")
# What a list may be sorted by, and what stands last in each.
_COLUMNS = ("date", "white", "black", "result", "opening", "plies", "accuracy")
_UNKNOWN = (None, "", "?")
_DAY = 10  # characters of a date; the time of day follows where it is known


@dataclass(slots=True)
class Copy:
    """Where a game stands: a file's name below the folder, and what `FoundGame` tells."""

    file: str
    begin: int
    end: int
    digest: str


@dataclass(slots=True)
class Game:
    """A game, however many copies there are of it."""

    key: str
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
    age: tuple[int, int]  # when its file was changed, and its place there
    mine: str | None = None  # "white" or "black" where that player has one of one's own names
    copies: list[Copy] = field(default_factory=list)

    @property
    def day(self) -> str:
        """The date without the time of day."""
        return self.date[:_DAY]

    @property
    def fullest(self) -> Copy:
        """The copy with most in it."""
        return min(self.copies, key=lambda copy: (copy.begin - copy.end, copy.file, copy.begin))


@dataclass(frozen=True)
class ReviewFacts:
    """What is known of a review, by side: the accuracy, mistakes in each phase, and each mistake."""

    accuracy: Mapping[str, float | None]
    mistakes: Mapping[str, list[int]]
    lapses: Mapping[str, list[Mistake]]


class Catalogue:
    """The games of a folder, for one thread."""

    def __init__(self) -> None:
        self._reviews: dict[str, ReviewFacts] = {}  # by the lines of the games
        self._games: dict[str, Game] = {}
        self._files: dict[str, dict[str, Game]] = {}  # the games of each file, by their keys
        self._own = frozenset[str]()
        self._changes = 0
        # What the latest list and the latest explorer were made of, with them.
        self._listed: tuple[object, list[Game]] | None = None
        self._explored: tuple[object, list[Game], Explorer] | None = None

    # ---- what stands in the files ----------------------------------------------------------------

    def add(self, file: str, changed: int, found: Iterable[tuple[FoundGame, str]]) -> None:
        """Take up games of a file that was changed at a time, each with its opening's name."""
        here = self._files.setdefault(file, {})
        for one, opening in found:
            key = one.key
            if key not in self._games:
                self._games[key] = _game_of(
                    key, one, opening, (changed, one.place), _is_of_analyses(file)
                )
                self._find_side(self._games[key])
            game = here[key] = self._games[key]
            game.copies.append(Copy(file, one.place, one.end, one.digest))
        self._changes += 1

    def forget(self, file: str) -> None:
        """Forget a file, and the games that stand in no other one."""
        for game in self._files.pop(file, {}).values():
            game.copies = [copy for copy in game.copies if copy.file != file]
            if not game.copies:
                del self._games[game.key]
        self._changes += 1

    def put(self, key: str, copy: Copy, length: int, digest: str) -> None:
        """Note that another text, of so many bytes, stands in the place of a copy of a game, or
        none; what follows it in the file moves.
        """
        game, here = self._games[key], self._files[copy.file]
        shift = copy.begin + length - copy.end
        for other in (other for one in here.values() for other in one.copies):
            if other.file == copy.file and other.begin > copy.begin:
                other.begin += shift
                other.end += shift
        copy.end += shift
        copy.digest = digest
        if not length:
            game.copies.remove(copy)
            if not any(other.file == copy.file for other in game.copies):
                del here[key]
        if not game.copies:
            del self._games[key]
        self._changes += 1

    def has_file(self, file: str) -> bool:
        """Whether a file has been read."""
        return file in self._files

    def is_elsewhere(self, file: str) -> bool:
        """Whether all games of a file stand in others, too, in the same words."""
        return all(
            any(other.file != file and other.digest == copy.digest for other in game.copies)
            for game in self._files[file].values()
            for copy in game.copies
            if copy.file == file
        )

    def note_review(self, line: str, facts: ReviewFacts | None) -> None:
        """Note what is known of the review of a line; None is none."""
        self._reviews.pop(line, None)
        if facts is not None:
            self._reviews[line] = facts
        self._changes += 1

    # ---- one game --------------------------------------------------------------------------------

    def game(self, key: str) -> Game:
        """Return the game of a key, or one that has this line. Raises DataError."""
        found = next(self._of_line(key), None)
        if found is None:
            raise DataError(_("that game is not in the list any more"))
        return found

    def copy(self, key: str, text: str) -> Copy:
        """Return the copy of a game whose text has a digest, or with "" the fullest. Raises
        DataError.
        """
        game = self.game(key)
        if not text:
            return game.fullest
        for copy in game.copies:
            if copy.digest == text:
                return copy
        raise DataError(_("that game is not in the list any more"))

    def side(self, key: str) -> chess.Color | None:
        """One's own side in a game, or in any game of a line."""
        return next((game.mine == "white" for game in self._of_line(key) if game.mine), None)

    def has_line(self, line: str) -> bool:
        """Whether there is a game of a line."""
        return any(self._of_line(line))

    def _of_line(self, line: str) -> Iterator[Game]:
        """Yield the game of a key, or all games of a line."""
        return (game for game in self._games.values() if line in (game.line, game.key))

    # ---- one's own names -------------------------------------------------------------------------

    def set_own(self, names: Iterable[str]) -> None:
        """Find one's own side in all games by names without capitals."""
        own = frozenset(names)
        if own == self._own:
            return
        self._own = own
        for game in self._games.values():
            self._find_side(game)
        self._changes += 1

    def _find_side(self, game: Game) -> None:
        game.mine = None
        if game.white.casefold() in self._own:
            game.mine = "white"
        elif game.black.casefold() in self._own:
            game.mine = "black"

    def likely_names(self, file: str = "") -> list[str]:
        """Return who played most games without an own name: of a file, if it has no other games, or
        of all.
        """
        games = (self._files.get(file, {}) if file else self._games).values()
        if file and any(game.mine for game in games):
            return []
        named = (game for game in games if game.black and not game.mine)
        players = [name for game in named for name in (game.white, game.black) if name != "?"]
        spelled = {name.casefold(): name for name in sorted(players, reverse=True)}
        counts = Counter(map(str.casefold, players))
        likely = sorted(counts, key=lambda name: (-counts[name], spelled[name]))
        return [spelled[name] for name in likely[:_MOST_NAMES]]

    def spelled(self, name: str) -> str:
        """Return a name as a game spells it."""
        folded = name.casefold()
        for game in self._games.values():
            for player in (game.white, game.black):
                if player.casefold() == folded:
                    return player
        return name

    # ---- what it tells ---------------------------------------------------------------------------

    def find(self, wanted: GameQuery, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Return a part of the games, latest first, and how many there are in all.

        With each come its file, the digest of its text there, and how many copies of the game there
        are.
        """
        about = self._changes, wanted
        if self._listed is None or self._listed[0] != about:
            self._listed = about, self._sorted(self._chosen(wanted), wanted.order)
        games = self._listed[1]
        return [self._row(game) for game in games[offset : offset + PAGE]], len(games)

    def keys(self, wanted: GameQuery) -> list[str]:
        """Return the keys of all games that a list shows, in its order."""
        return [game.key for game in self._sorted(self._chosen(wanted), wanted.order)]

    def _row(self, game: Game) -> dict[str, Any]:
        copy = game.fullest
        accuracy = self._accuracy(game)
        shown = {name: getattr(game, name) for name in _SHOWN}
        told = {f"accuracy_{side}": accuracy.get(side) for side in ("white", "black")}
        file = printable(copy.file)
        return shown | told | {
            "date": game.day, "file": file, "text": copy.digest, "copies": len(game.copies)}  # fmt: skip

    def _accuracy(self, game: Game) -> Mapping[str, float | None]:
        facts = self._reviews.get(game.line)
        return facts.accuracy if facts else {}

    def _chosen(self, wanted: GameQuery) -> list[Game]:
        """Return the games that are wanted, in no order."""
        if wanted.line:
            moves = map(chess.Move.from_uci, wanted.line.split())
            games = self._reaching(board_after(chess.Board(), *moves), wanted)
        elif wanted.file:
            games = [*self._files.get(wanted.file, {}).values()]
        else:
            games = [*self._games.values()]
        for word in searchable(wanted.text).split():
            games = [game for game in games if word in game.words]
        if wanted.result == ANALYSES:
            return [game for game in games if _is_analysis(game)]
        return [game for game in games if wanted.takes(game.mine, game.result)]

    def _sorted(self, games: list[Game], order: str) -> list[Game]:
        """Sort games, the latest first or by a column of the list; what is not known stands
        last.
        """
        games.sort(key=lambda game: (game.date, game.age), reverse=True)
        column = order.removeprefix("-")
        if column not in _COLUMNS:
            return games
        values = {game.key: self._value(game, column) for game in games}
        known = [game for game in games if values[game.key] not in _UNKNOWN]
        unknown = [game for game in games if values[game.key] in _UNKNOWN]
        known.sort(key=lambda game: values[game.key], reverse=order.startswith("-"))
        return known + unknown

    def _value(self, game: Game, column: str) -> Any:
        if column == "accuracy":
            return self._mean_accuracy(game)
        value = getattr(game, column)
        return searchable(value) if column in ("white", "black", "opening") else value

    def _mean_accuracy(self, game: Game) -> float | None:
        accuracy = self._accuracy(game)
        if game.mine:
            return accuracy.get(game.mine)
        known = [value for value in accuracy.values() if value is not None]
        return sum(known) / 2 if len(known) == 2 else None

    def reviewed(self) -> list[tuple[Game, ReviewFacts]]:
        """Return the games with a review, oldest first, with what is known of it."""
        games = reversed(self._sorted([*self._games.values()], ""))
        return [(game, self._reviews[game.line]) for game in games if game.line in self._reviews]

    def unfinished(self) -> dict[str, Any] | None:
        """Return the latest game against Aino that is not over, as the list shows it."""
        return self._latest(
            lambda game: game.result == "*" and any(map(level_in, (game.white, game.black)))
        )

    def last_unreviewed(self) -> dict[str, Any] | None:
        """Return the latest of one's own games that is over and has no review."""
        return self._latest(
            lambda game: (
                game.mine is not None and game.result != "*" and game.line not in self._reviews
            )
        )

    def _latest(self, is_wanted: Callable[[Game], bool]) -> dict[str, Any] | None:
        games = self._sorted([game for game in self._games.values() if is_wanted(game)], "")
        return self._row(games[0]) if games else None

    def unreviewed(self) -> list[str]:
        """Return the lines of one's own games that have no review, latest first."""
        games = self._sorted([game for game in self._games.values() if game.mine], "")
        lines = (game.line for game in games if game.plies and game.line not in self._reviews)
        return [*dict.fromkeys(lines)]

    def explore(self, board: chess.Board, side: str = "", file: str = "") -> list[Continuation]:
        """Return what was played in a position: in all games, those of an own side (white, black),
        or a file's.
        """
        return self._explorer(GameQuery(side=side, file=file))[1].explore(board)

    def _reaching(self, board: chess.Board, wanted: GameQuery) -> list[Game]:
        games, explorer = self._explorer(wanted)
        return [games[number] for number in explorer.games(board)]

    def _explorer(self, wanted: GameQuery) -> tuple[list[Game], Explorer]:
        """Return the games of a side or a file that is wanted, or all but analyses, which nobody
        played, and their explorer.
        """
        about = self._changes, wanted.side, wanted.file
        if self._explored is None or self._explored[0] != about:
            chosen = self._chosen(GameQuery(side=wanted.side, file=wanted.file))
            if not wanted.file:
                chosen = [game for game in chosen if not _is_analysis(game)]
            games = [game for game in chosen if game.moves is not None]
            explorer = Explorer([(game.moves or b"", game.result) for game in games])
            self._explored = about, games, explorer
        return self._explored[1:]

    def files(self) -> list[str]:
        """Return the names of the files with several games, the largest first, for the explorer."""
        several = [
            file
            for file, games in self._files.items()
            if len(games) > 1 and printable(file) == file
        ]
        return sorted(several, key=lambda file: -len(self._files[file]))[:_MOST_FILES]


def _is_analysis(game: Game) -> bool:
    return all(_is_of_analyses(copy.file) for copy in game.copies)


def _is_of_analyses(file: str) -> bool:
    return file.startswith(f"{ANALYSES}/")


def _game_of(
    key: str, found: FoundGame, opening: str, age: tuple[int, int], is_analysis: bool
) -> Game:
    tags = {name: text for name, text in found.tags.items() if is_told(text)}
    opening = tags.get("Opening") or opening
    day = day_of(tags.get("UTCDate", "")) or day_of(tags.get("Date", ""))
    time = f" {tags['UTCTime']}" if len(day) == _DAY and "UTCTime" in tags else ""
    white, black = tags.get("White", "?"), tags.get("Black", "?")
    if white == black == "?":  # a chapter of a study
        white = game_name(tags)
        black = ""
    # An analysis of named players has a title, and no end.
    title = tags.get("Event", "") if is_analysis and black else ""
    told = [day, day.replace(".", "-"), white, black, opening]  # the list shows days with dashes
    told += [tags.get(name, "") for name in _SEARCHED]
    return Game(
        key,
        found.line,
        day + time,
        white,
        black,
        tags.get("Result", "*"),
        opening,
        tags.get("Termination") or title,
        len(found.moves) // 2,
        None if found.start else _begin(found.moves),
        searchable(" ".join(told)),
        age,
    )


def _begin(moves: bytes) -> bytes:
    """Return what the explorer keeps of a game: its moves up to a pass."""
    kept = moves[: 2 * KEPT_PLIES]
    codes = memoryview(kept).cast("H").tolist()
    return kept[: 2 * codes.index(0)] if 0 in codes else kept
