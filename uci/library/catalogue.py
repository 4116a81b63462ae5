"""What is known of each game of a folder, in memory: lists, progress and the explorer are made of
it. Nothing here touches a file.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from operator import itemgetter
from typing import Any

import chess

from engine.board.notation import board_after
from engine.errors import DataError
from engine.files.text import printable, searchable
from uci.common.players import level_in
from uci.game.game_file import ANALYSES, TextPlace
from uci.language import _
from uci.library.explorer import Continuation, Explorer
from uci.library.game_files import FoundGame, Surroundings, place_key
from uci.library.game_query import GameQuery
from uci.library.game_records import (
    Fold,
    Game,
    GamesFile,
    ReviewFacts,
    by_equality,
    folded,
    game_of,
    moved_place,
)

_Row = dict[str, Any]  # of a list, as plain JSON types
PAGE = 50  # games in one part of a list
_MOST_FILES = 50  # to choose from for the explorer
_MOST_NAMES = 5  # that may be one's own
_SHOWN = ("key", "equality", "white", "black", "result", "opening", "ending", "plies", "mine")
# What a list may be sorted by, and what stands last in each.
_COLUMNS = ("date", "white", "black", "result", "opening", "plies", "accuracy")
_UNKNOWN = (None, "", "?")


class Catalogue:
    """The games of a folder, for one thread."""

    def __init__(self) -> None:
        self._reviews: dict[str, ReviewFacts] = {}  # by the lines of the games
        self._games: dict[str, Game] = {}
        self._lines: dict[str, list[Game]] = {}  # by what they share
        self._files: dict[str, GamesFile] = {}
        self._own = set[str]()
        self._changes = 0
        # What the latest list and the latest explorer were made of, with them.
        self._listed: tuple[object, list[Fold]] | None = None
        self._explored: tuple[object, list[Game], Explorer] | None = None

    # ---- what stands in the files ----------------------------------------------------------------

    def add(self, name: str, changed: int, games: Iterable[tuple[FoundGame, str]]) -> None:
        """Take up games of a file that was changed at a time, each with its opening's name."""
        file = self._files.setdefault(name, GamesFile(name))
        file.changed = changed
        for found_game, opening in games:
            game = game_of(found_game, opening, file)
            self._find_side(game)
            file.games.append(game)
            self._take_up(game)
        self._changes += 1

    def _take_up(self, game: Game) -> None:
        """Give a game the key of its place, of which copies in its file have each their own."""
        number = 0
        while (key := place_key(game.file.name, game.place.digest, number)) in self._games:
            number += 1
        game.key = key
        self._games[key] = game
        self._lines.setdefault(game.line, []).append(game)

    def _drop(self, game: Game) -> None:
        del self._games[game.key]
        same_line = self._lines[game.line]
        same_line.remove(game)
        if not same_line:
            del self._lines[game.line]

    def forget(self, name: str) -> None:
        """Forget a file with its games."""
        if file := self._files.pop(name, None):
            for game in file.games:
                self._drop(game)
        self._changes += 1

    def note_edit(self, game: Game, place: TextPlace, changed: int) -> None:
        """Note that words of a game were changed, at a time: what follows it in its file moves."""
        shift = place.end - game.place.end
        behind = game.file.games.index(game) + 1
        for later_game in game.file.games[behind:]:
            later_game.place = moved_place(later_game.place, shift)
        self._drop(game)
        game.place = place
        self._take_up(game)
        game.file.changed = changed
        self._changes += 1

    def note_deletion(self, file: GamesFile, gone: Set[Game], changed: int) -> None:
        """Note that games of a file were deleted, at a time: what follows them moves."""
        shift = 0
        for game in file.games:
            if game in gone:
                shift -= game.place.end - game.place.begin
                self._drop(game)
            else:
                game.place = moved_place(game.place, shift)
        file.games = [game for game in file.games if game not in gone]
        file.changed = changed
        self._changes += 1

    def has_file(self, name: str) -> bool:
        """Whether a file has been read."""
        return name in self._files

    def is_elsewhere(self, name: str) -> bool:
        """Whether all games of a file stand in others, too, in the same words."""
        elsewhere = {game.place.digest for game in self._games.values() if game.file.name != name}
        return all(game.place.digest in elsewhere for game in self._files[name].games)

    def note_review(self, line: str, facts: ReviewFacts | None) -> None:
        """Note what is known of the review of a line; None is none."""
        self._reviews.pop(line, None)
        if facts is not None:
            self._reviews[line] = facts
        self._changes += 1

    # ---- one game --------------------------------------------------------------------------------

    def game(self, key: str) -> Game:
        """Return the game of a key, or of those of a line the one that was changed last. Raises
        DataError.
        """
        if game := self._games.get(key):
            return game
        if same_line := self._lines.get(key):
            return max(same_line, key=lambda game: game.age)
        raise DataError(_("that game is not in the list any more"))

    def side(self, line: str) -> chess.Color | None:
        """One's own side in any game of a line."""
        for game in self._lines.get(line, ()):
            if game.mine:
                return game.mine == "white"
        return None

    def has_line(self, line: str) -> bool:
        """Whether there is a game of a line."""
        return line in self._lines

    def equal_games(self, games: Iterable[Game]) -> dict[str, list[Game]]:
        """Return all that are equal to some games, by what they share, the one changed last
        first.
        """
        equalities = {game.equality for game in games}
        groups = by_equality(game for game in self._games.values() if game.equality in equalities)
        return {equality: groups.get(equality, []) for equality in equalities}

    def around(self, games: Sequence[Game]) -> Surroundings:
        """Return where the games around some of a file stand, which are given in order; without
        one, up to the file's own begin or end.
        """
        all_games = games[0].file.games
        first = all_games.index(games[0])
        behind = all_games.index(games[-1]) + 1
        begin, end = 0, sys.maxsize
        if first > 0:
            begin = all_games[first - 1].place.begin
        if behind < len(all_games):
            end = all_games[behind].place.end
        return Surroundings(begin, end)

    # ---- one's own names -------------------------------------------------------------------------

    def set_own(self, names: Iterable[str]) -> None:
        """Find one's own side in all games by names without capitals."""
        own = set(names)
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
        games = self._games_in(file)
        if file and any(game.mine for game in games):
            return []
        players = list[str]()
        for game in games:
            if game.black and not game.mine:
                players += (game.white, game.black)
        spelled = {name.casefold(): name for name in sorted(players, reverse=True)}
        counts = Counter(map(str.casefold, players))
        del counts["?"]
        likely = sorted(counts, key=lambda name: (-counts[name], spelled[name]))
        return [spelled[name] for name in likely[:_MOST_NAMES]]

    def _games_in(self, file: str) -> list[Game]:
        """Return the games of a file, none where it is unknown; those of all files for ""."""
        if not file:
            return list(self._games.values())
        if file not in self._files:
            return []
        return list(self._files[file].games)

    def spelled(self, name: str) -> str:
        """Return a name as a game spells it."""
        folded = name.casefold()
        for game in self._games.values():
            for player in (game.white, game.black):
                if player.casefold() == folded:
                    return player
        return name

    # ---- what it tells ---------------------------------------------------------------------------

    def find(self, query: GameQuery, offset: int = 0) -> tuple[list[_Row], int]:
        """Return a part of the rows, latest first, and how many there are in all.

        Equal games are one row, of the one that was changed last, but for those that are unfolded.
        """
        rows = self._folds(query)
        return [self._row(*row) for row in rows[offset : offset + PAGE]], len(rows)

    def keys(self, query: GameQuery) -> list[str]:
        """Return the keys of all games that a list shows, in its order."""
        return [game.key for game, _copies in self._folds(query)]

    def _folds(self, query: GameQuery) -> list[Fold]:
        about = self._changes, query
        if self._listed is None or self._listed[0] != about:
            games = self._sorted(self._chosen(query), query.order)
            self._listed = about, folded(games, query.unfolded)
        return self._listed[1]

    def _row(self, game: Game, copies: int) -> _Row:
        accuracy = self._accuracy(game)
        row = {name: getattr(game, name) for name in _SHOWN}
        return row | {
            "date": game.day,
            "file": printable(game.file.name),
            "copies": copies,
            "accuracy_white": accuracy.get("white"),
            "accuracy_black": accuracy.get("black"),
        }

    def _accuracy(self, game: Game) -> Mapping[str, float | None]:
        if game.line not in self._reviews:
            return {}
        return self._reviews[game.line].accuracy

    def _chosen(self, query: GameQuery) -> list[Game]:
        """Return the games that are wanted, in no order."""
        if query.line:
            moves = map(chess.Move.from_uci, query.line.split())
            explored, explorer = self._explorer(query)
            numbers = explorer.games(board_after(chess.Board(), *moves))
            games = [explored[number] for number in numbers]
        else:
            games = self._games_in(query.file)
        for word in searchable(query.text).split():
            games = [game for game in games if word in game.words]
        if query.result == ANALYSES:
            return [game for game in games if game.file.has_analyses]
        return [game for game in games if query.takes(game.mine, game.result)]

    def _sorted(self, games: list[Game], order: str = "") -> list[Game]:
        """Sort games, the latest first or by a column of the list; what is not known stands
        last.
        """
        games.sort(key=lambda game: (game.date, game.age), reverse=True)
        column = order.removeprefix("-")
        if column not in _COLUMNS:
            return games
        unknown = []
        sortable = []
        for game in games:
            value = self._value(game, column)
            if value in _UNKNOWN:
                unknown.append(game)
            else:
                sortable.append((value, game))
        sortable.sort(key=itemgetter(0), reverse=order.startswith("-"))
        return [game for _value, game in sortable] + unknown

    def _value(self, game: Game, column: str) -> Any:
        if column == "accuracy":
            return self._mean_accuracy(game)
        value = getattr(game, column)
        if column in ("white", "black", "opening"):
            return searchable(value)
        return value

    def _mean_accuracy(self, game: Game) -> float | None:
        accuracy = self._accuracy(game)
        if game.mine:
            return accuracy.get(game.mine)
        white, black = accuracy.get("white"), accuracy.get("black")
        if white is None or black is None:
            return None
        return (white + black) / 2

    def reviewed(self) -> list[tuple[Game, ReviewFacts]]:
        """Return the games with a review, oldest first, with what is known of it."""
        games = reversed(folded(self._sorted(self._games_in(""))))
        return [
            (game, self._reviews[game.line])
            for game, _copies in games
            if game.line in self._reviews
        ]

    def unfinished(self) -> _Row | None:
        """Return the latest game against Aino that is not over, as the list shows it."""
        return self._latest(
            lambda game: game.result == "*" and any(map(level_in, (game.white, game.black)))
        )

    def last_unreviewed(self) -> _Row | None:
        """Return the latest of one's own games that is over and has no review."""
        return self._latest(
            lambda game: (
                game.mine is not None and game.result != "*" and game.line not in self._reviews
            )
        )

    def _latest(self, is_wanted: Callable[[Game], bool]) -> _Row | None:
        games = self._sorted([game for game in self._games.values() if is_wanted(game)])
        if not games:
            return None
        return self._row(*folded(games)[0])

    def unreviewed(self) -> list[str]:
        """Return the lines of one's own games that have no review, latest first."""
        games = self._sorted([game for game in self._games.values() if game.mine])
        lines = (game.line for game in games if game.plies and game.line not in self._reviews)
        return [*dict.fromkeys(lines)]

    def explore(self, board: chess.Board, side: str = "", file: str = "") -> list[Continuation]:
        """Return what was played in a position: in all games, those of an own side (white, black),
        or a file's.
        """
        return self._explorer(GameQuery(side=side, file=file))[1].explore(board)

    def _explorer(self, query: GameQuery) -> tuple[list[Game], Explorer]:
        """Return the games of a side or a file that is wanted, or all but analyses, which nobody
        played, and their explorer.
        """
        about = self._changes, query.side, query.file
        if self._explored is None or self._explored[0] != about:
            chosen = self._chosen(GameQuery(side=query.side, file=query.file))
            if not query.file:
                chosen = [game for game in chosen if not game.file.has_analyses]
            games = [game for game, _copies in folded(chosen) if game.moves is not None]
            explorer = Explorer([(game.moves or b"", game.result) for game in games])
            self._explored = about, games, explorer
        return self._explored[1:]

    def files(self) -> list[str]:
        """Return the names of the files with several games, the largest first, for the explorer."""
        files = sorted(self._files.values(), key=lambda file: -len(file.games))
        names = [file.name for file in files if len(file.games) > 1]
        return [name for name in names if printable(name) == name][:_MOST_FILES]
