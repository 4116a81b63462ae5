"""Saves what a person made on the board: a game in the file that it came from, else in today's."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakKeyDictionary

import chess.pgn

from engine.board.notation import board_after
from engine.errors import DataError
from engine.files.atomic import real_path
from engine.files.text import printable
from engine.native.uptime import uptime_s
from engine.search.job import SearchJob
from uci.game.ends import UNFINISHED
from uci.game.game_file import ANALYSES, ListedGame, SavedGame, game_from_board
from uci.language import _, translated
from uci.library.changes import save_game
from uci.library.worker import failure
from uci.web.board_game import BoardGame

# After a game or an analysis was changed: a machine may lose its power, a program be killed.
_SAVE_S = 3.0
# Of the time that the latest save took, until the next one: a file of `--pgn` may be large.
_PAUSE = 20.0

# Writes what was changed in the game of a key; see `GamesFolder.rewrite`.
Rewrite = Callable[[str, chess.pgn.Game], Future[ListedGame]]


def record_of(board_game: BoardGame) -> chess.pgn.Game:
    """Return a game as PGN, with all variations; the result is "*" while it lasts."""
    study = board_game.study
    if board_game.is_game:
        record = board_game.record(board_game.end or UNFINISHED, "Web game")
    else:
        tags = board_game.tags.of(study.main_line)
        if board_game.setup.source is not None:
            record = chess.pgn.Game(tags)
        else:
            board = board_after(study.root.board(), *study.main_line)
            result = tags.get("Result", UNFINISHED.result)
            record = game_from_board(board, tags, result, board_game.clock_times)
    study.copy_onto(record)
    return record


def _version_of(board_game: BoardGame) -> object:
    """Return what tells a record from an earlier one: the tree, the end, the tags, the clocks."""
    study = board_game.study
    if not board_game.is_game:
        return study.changes, board_game.tags.of(study.main_line)
    clocks = board_game.clock and board_game.clock.headers()
    return study.changes, board_game.end, board_game.names, clocks


@dataclass(frozen=True)
class LastSave:
    """What became of a game on the board when it was saved last.

    Attributes:
        home: the text in which it stands; None before it was written.
        source: the file that it had to leave, as that could not be changed.
        written: the version that stands in its home.
        attempted: the version of which the sentence tells.
        sentence: where the game is, or why it could not be saved.
    """

    home: ListedGame | SavedGame | None
    source: str = ""
    written: object = None
    attempted: object = None
    sentence: str = ""

    @property
    def has_failed(self) -> bool:
        return self.written != self.attempted


class Saver:
    """Saves games of the board on threads, one after the other.

    New games go into `file`, analyses into one of its name in the folder of analyses. `told(game,
    sentence, is_lost)` hears of each save, and `say` why a file was left alone; both on that thread.
    """

    def __init__(
        self,
        folder: Path,
        file: Path,
        rewrite: Rewrite,
        told: Callable[[BoardGame, str, bool], None],
        say: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._file = file
        self._rewrite = rewrite
        self._told = told
        self._say = say
        self._latest = SearchJob[LastSave]()
        self._savings = dict[BoardGame, SearchJob[LastSave]]()  # of games that may not be saved yet
        self._last_saves = WeakKeyDictionary[BoardGame, LastSave]()
        self._took_s = 0.0
        self._soon: asyncio.TimerHandle | None = None

    def begin(self, board_game: BoardGame) -> None:
        """Take note of a game that comes to the board: one of one's own is in its file."""
        if board_game in self._last_saves:
            return
        origin = board_game.setup.origin
        last = LastSave(origin)
        if isinstance(origin, SavedGame):
            last = replace(last, written=_version_of(board_game))
        self._last_saves[board_game] = last

    def sentence(self, board_game: BoardGame) -> str:
        """Where a game is as it stands now, or why it could not be saved; "" before it was
        tried.
        """
        last = self._last_saves[board_game]
        if board_game.is_running or last.attempted != _version_of(board_game):
            return ""
        return last.sentence

    def _is_worth_saving(self, board_game: BoardGame) -> bool:
        """Whether the person made something that is not saved. What is drawn before the first move
        of a game is no reason to save it.
        """
        study = board_game.study
        is_drawn = study.is_drawn and not board_game.is_game
        is_made = board_game.is_played or study.is_edited or is_drawn or board_game.tags.is_renamed
        return is_made and self._last_saves[board_game].written != _version_of(board_game)

    def soon(self, board_game: BoardGame) -> None:
        """Save a game in a while, unless it changes before: one that has ended, at once."""
        if self._soon is not None:
            self._soon.cancel()
        delay_s = max(_SAVE_S, _PAUSE * self._took_s)
        if board_game.end is not None:
            self.now(board_game)
        else:
            self._soon = asyncio.get_running_loop().call_later(delay_s, self.now, board_game)

    def now(self, board_game: BoardGame) -> SearchJob[LastSave] | None:
        """Save a game as it is now, after what is being saved, and again those whose saves failed;
        None where nothing of it is to be saved.
        """
        unsaved = filter(self._is_worth_saving, {board_game: None, **self._savings})
        self._savings = {game: self._save(game) for game in unsaved}
        return self._savings.get(board_game)

    def finish(self, board_game: BoardGame) -> str | None:
        """Save all that is not saved, and wait; return where it is, or why it is nowhere, with its
        text.
        """
        self._latest.join()
        self.now(board_game)
        sentences = list[str]()
        for game, saving in self._savings.items():
            sentences.append(saving.result().sentence)
            if self._is_worth_saving(game):
                sentences.append(str(record_of(game)))
        return "\n\n".join(sentences) or None

    # ---- on a thread -----------------------------------------------------------------------------

    def _save(self, board_game: BoardGame) -> SearchJob[LastSave]:
        """Begin to save a game as it is now, when the one before is saved."""
        earlier = self._latest
        record = record_of(board_game)
        version = _version_of(board_game)
        new_file = self._file
        if not board_game.is_played:
            new_file = self._folder / ANALYSES / self._file.name

        def save(job: SearchJob[LastSave]) -> LastSave:
            begun = uptime_s()
            earlier.join()
            last = self._last_saves[board_game]
            try:
                last = replace(self._write(record, last, new_file), written=version)
            except Exception as error:  # noqa: BLE001 - whatever it is, it has to be tried again
                last = replace(last, sentence=failure(error))
            last = replace(last, attempted=version)
            self._last_saves[board_game] = last
            self._took_s = uptime_s() - begun
            return last

        self._latest = SearchJob[LastSave]()
        return self._latest.start(
            save, lambda last: self._told(board_game, last.sentence, last.has_failed)
        )

    def _write(self, record: chess.pgn.Game, last: LastSave, new_file: Path) -> LastSave:
        """Write a game where it stands, or into a new file. Raises DataError."""
        home = last.home
        if last.source:
            record.headers["Source"] = last.source
        try:
            new_home = self._write_home(record, home, new_file)
        except Exception as error:  # whatever it is, what was written is not lost
            if home is None or (isinstance(home, SavedGame) and home.path == new_file):
                raise
            return self._move_out(record, home.path, new_file, error)
        return replace(last, home=new_home, sentence=_saved_in(new_home.path))

    def _write_home(
        self, record: chess.pgn.Game, home: ListedGame | SavedGame | None, new_file: Path
    ) -> ListedGame | SavedGame:
        """Splice what was changed into the text of a listed game, replace that of a saved one, and
        append a new one.
        """
        if isinstance(home, ListedGame):
            return self._rewrite(home.key, record).result()
        if home is not None:
            new_file = home.path
        return _save_in(new_file, record, home)

    def _move_out(
        self, record: chess.pgn.Game, old_file: Path, new_file: Path, error: Exception
    ) -> LastSave:
        """Give a game whose file cannot be changed a text of its own elsewhere, and say why."""
        source = printable(old_file.relative_to(self._folder).as_posix())
        record.headers["Source"] = source
        new_home = _save_in(new_file, record, None)
        reason = translated(error.args[0] if isinstance(error, DataError) else failure(error))
        sentence = _(
            "{saved}. The file that it is from stays as it is: {reason}",
            saved=_saved_in(new_home.path),
            reason=reason,
        )
        self._say(sentence)
        return LastSave(new_home, source, sentence=sentence)


def _save_in(file: Path, game: chess.pgn.Game, home: SavedGame | None) -> SavedGame:
    """Save a game in a file, in the place of the text that is its home. Raises DataError."""
    try:
        return save_game(game, file, home)
    except OSError as error:
        raise DataError(
            _("The game cannot be saved in {path}: {error}", path=file, error=error.strerror)
        ) from error


def _saved_in(file: Path) -> str:
    return _("The game is saved in {path}", path=real_path(file))
