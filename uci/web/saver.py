"""Saves what a person made on the board: a game in the file that it came from, else in today's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import chess.pgn

from engine.board.notation import board_after
from engine.errors import DataError
from engine.files.atomic import real_path
from engine.native.uptime import uptime_s
from engine.search.job import SearchJob
from uci.game.ends import UNFINISHED
from uci.game.game_file import ANALYSES, SavedGame, game_from_board
from uci.language import _, translated
from uci.library.changes import save_game
from uci.library.worker import failure
from uci.web.board_game import BoardGame

# After a game or an analysis was changed: a machine may lose its power, a program be killed.
_SAVE_S = 3.0
# Of the time that the latest save took, until the next one: a file of `--pgn` may be large.
_PAUSE = 20.0

# Writes what was changed in the game of a key; see `GamesFolder.rewrite`.
Rewrite = Callable[[str, chess.pgn.Game], Future[tuple[str, Path]]]


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


@dataclass
class SaveState:
    """What is known of the file in which a game on the board is.

    Attributes:
        kept: its key in My games, into whose text changes are spliced; "" for none.
        saved: what was saved last, and where, of a game that has a text of its own.
        version: of what was saved last.
        sentence: where it is, or why it could not be saved.
        told_version: the version of which this is told.
    """

    kept: str = ""
    saved: SavedGame | None = None
    version: object = None
    sentence: str = ""
    told_version: object = None


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
        self._latest = SearchJob[str]()
        self._savings = dict[BoardGame, SearchJob[str]]()  # of games that may not be saved yet
        self._saved = WeakKeyDictionary[BoardGame, SaveState]()
        self._took_s = 0.0
        self._soon: asyncio.TimerHandle | None = None

    def begin(self, board_game: BoardGame) -> None:
        """Take note of a game that comes to the board: one of one's own is in its file."""
        state = SaveState(board_game.setup.kept, board_game.setup.saved)
        if state.saved is not None:
            state.version = _version_of(board_game)
        self._saved.setdefault(board_game, state)

    def sentence(self, board_game: BoardGame) -> str:
        """Where a game is as it stands now, or why it could not be saved; "" before it was
        tried.
        """
        saved = self._saved[board_game]
        if board_game.is_running or saved.told_version != _version_of(board_game):
            return ""
        return saved.sentence

    def _is_worth_saving(self, board_game: BoardGame) -> bool:
        """Whether the person made something that is not saved. What is drawn before the first move
        of a game is no reason to save it.
        """
        study = board_game.study
        is_drawn = study.is_drawn and not board_game.is_game
        is_made = board_game.is_played or study.is_edited or is_drawn or board_game.tags.is_renamed
        return is_made and self._saved[board_game].version != _version_of(board_game)

    def soon(self, board_game: BoardGame) -> None:
        """Save a game in a while, unless it changes before: one that has ended, at once."""
        if self._soon is not None:
            self._soon.cancel()
        delay_s = max(_SAVE_S, _PAUSE * self._took_s)
        if board_game.end is not None:
            self.now(board_game)
        else:
            self._soon = asyncio.get_running_loop().call_later(delay_s, self.now, board_game)

    def now(self, board_game: BoardGame) -> SearchJob[str] | None:
        """Save a game as it is now, after what is being saved, and again those whose saves failed;
        None where nothing of it is to be saved.
        """
        unsaved = filter(self._is_worth_saving, {board_game: None, **self._savings})
        self._savings = {game: self._save(game) for game in unsaved}
        return self._savings.get(board_game)

    def _save(self, board_game: BoardGame) -> SearchJob[str]:
        earlier = self._latest
        record = record_of(board_game)
        version = _version_of(board_game)
        saved = self._saved[board_game]

        def save(job: SearchJob[str]) -> str:
            begun = uptime_s()
            earlier.join()
            try:
                sentence = self._write(board_game, record, saved)
            except Exception as error:  # noqa: BLE001 - whatever it is, it has to be tried again
                sentence = failure(error)
            else:
                saved.version = version
            finally:
                self._took_s = uptime_s() - begun
            saved.sentence = sentence
            saved.told_version = version
            return sentence

        saving = SearchJob[str]()
        self._latest = saving
        return saving.start(
            save, lambda sentence: self._told(board_game, sentence, saved.version != version)
        )

    def finish(self, board_game: BoardGame) -> str | None:
        """Save all that is not saved, and wait; return where it is, or why it is nowhere, with its
        text.
        """
        self._latest.join()
        self.now(board_game)
        sentences = list[str]()
        for game, saving in self._savings.items():
            sentences.append(saving.result())
            if self._is_worth_saving(game):
                sentences.append(str(record_of(game)))
        return "\n\n".join(sentences) or None

    def _write(self, board_game: BoardGame, record: chess.pgn.Game, state: SaveState) -> str:
        """Write a game: what was changed goes into the text that it came from. Where that cannot
        be, the game gets a text of its own elsewhere, and the person hears why. Raises DataError.
        """
        file = self._file if board_game.is_played else self._folder / ANALYSES / self._file.name
        try:
            if state.kept:
                state.kept, path = self._rewrite(state.kept, record).result()
                return _("The game is saved in {path}", path=path)
            if state.saved is not None and state.saved.path != file:
                return _save_in(state.saved.path, record, state)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was written is not lost
            reason = translated(error.args[0] if isinstance(error, DataError) else failure(error))
            board_game.tags.name_origin()
            record.headers["Source"] = board_game.setup.origin
            state.saved = None
            sentence = _(
                "{saved}. The file that it is from stays as it is: {reason}",
                saved=_save_in(file, record, state),
                reason=reason,
            )
            state.kept = ""
            self._say(sentence)
            return sentence
        return _save_in(file, record, state)


def _save_in(file: Path, game: chess.pgn.Game, state: SaveState) -> str:
    """Save a game in a file, in the place of what was saved before; return where it is. Raises
    DataError.
    """
    try:
        state.saved = save_game(game, file, state.saved)
    except OSError as error:
        raise DataError(
            _("The game cannot be saved in {path}: {error}", path=file, error=error.strerror)
        ) from error
    return _("The game is saved in {path}", path=real_path(file))
