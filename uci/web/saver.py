"""Saves what a person made at a table: a game in the file that it came from, else in today's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import chess.pgn

from engine.errors import DataError
from engine.files.atomic import real_path
from engine.native.uptime import uptime_s
from engine.search.job import SearchJob
from uci.game.game_file import ANALYSES, save_game
from uci.language import _, translated
from uci.library.worker import failure
from uci.web.table import Table

# After a game or an analysis was changed: a machine may lose its power, a program be killed.
_SAVE_S = 3.0
# Of the time that the latest save took, until the next one: a file of `--pgn` may be large.
_PAUSE = 20.0

# Writes a game in the place of the text of a key and a digest; see `GamesFolder.rewrite`.
Rewrite = Callable[[tuple[str, str], chess.pgn.Game], Future[tuple[str, Path]]]


class Saver:
    """Saves tables on threads, one after the other.

    New games go into `file`, analyses into one of its name in the folder of analyses. `told(table,
    where, aloud)` hears of each save, and `say` why a file was left alone; both on that thread.
    """

    def __init__(
        self,
        folder: Path,
        file: Path,
        rewrite: Rewrite,
        told: Callable[[Table, str, bool], None],
        say: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._file = file
        self._rewrite = rewrite
        self._told = told
        self._say = say
        self._latest = SearchJob[str]()
        self._savings = dict[Table, SearchJob[str]]()  # of tables that may not be saved yet
        self._took_s = 0.0
        self._soon: asyncio.TimerHandle | None = None

    def soon(self, table: Table) -> None:
        """Save a table in a while, unless it changes before: a game that has ended, at once."""
        if self._soon is not None:
            self._soon.cancel()
        delay_s = max(_SAVE_S, _PAUSE * self._took_s)
        if table.end is not None:
            self.now(table)
        else:
            self._soon = asyncio.get_running_loop().call_later(delay_s, self.now, table)

    def now(self, table: Table, aloud: bool = False) -> SearchJob[str] | None:
        """Save a table as it is now, after what is being saved, and again those whose saves failed;
        None where nothing of it is to be saved.
        """
        self._savings = {
            one: self._save(one, aloud and one is table)
            for one in {table: None, **self._savings}
            if one.is_worth_saving
        }
        return self._savings.get(table)

    def _save(self, table: Table, aloud: bool) -> SearchJob[str]:
        earlier = self._latest
        record = table.record()
        version = table.version

        def save(job: SearchJob[str]) -> str:
            begun = uptime_s()
            earlier.join()
            try:
                where = self._write(table, record, table.saved)
            except Exception as error:  # noqa: BLE001 - whatever it is, it has to be tried again
                return failure(error)
            finally:
                self._took_s = uptime_s() - begun
            table.saved = record
            table.saved_version = version
            return where

        saving = SearchJob[str]()
        self._latest = saving
        return saving.start(save, lambda where: self._told(table, where, aloud))

    def finish(self, table: Table) -> str | None:
        """Save all that is not saved, and wait; return where it is, or why it is nowhere, with its
        text.
        """
        self._latest.join()
        self.now(table)
        told = [
            f"{saving.result()}\n\n{one.record()}" if one.is_worth_saving else saving.result()
            for one, saving in self._savings.items()
        ]
        return "\n\n".join(told) or None

    def _write(self, table: Table, record: chess.pgn.Game, before: chess.pgn.Game | None) -> str:
        """Write a game: what was changed goes into the text that it came from, or else into another
        file, and the person hears why. Raises DataError.
        """
        if table.setup.analysis is not None:
            return _saved_in(table.setup.analysis, record, before)
        file = self._file if table.is_played else self._folder / ANALYSES / self._file.name
        if table.kept is None:
            return _saved_in(file, record, before)
        try:
            digest, path = self._rewrite(table.kept, record).result()
        except Exception as error:  # noqa: BLE001 - whatever it is, what was written is not lost
            reason = translated(error.args[0] if isinstance(error, DataError) else failure(error))
            saved = _saved_in(file, record, before)
            told = _("{saved}. The file that it is from stays as it is: {reason}",
                     saved=saved, reason=reason)  # fmt: skip
            if reason != table.kept_apart:
                table.kept_apart = reason
                self._say(told)
            return told
        table.kept = (table.kept[0], digest)
        table.kept_apart = ""
        return _("The game is saved in {path}", path=path)


def _saved_in(file: Path, game: chess.pgn.Game, before: chess.pgn.Game | None) -> str:
    """Save a game in a file, in the place of what was saved `before`; return where it is. Raises
    DataError.
    """
    try:
        save_game(game, file, before)
    except OSError as error:
        raise DataError(
            _("The game cannot be saved in {path}: {error}", path=file, error=error.strerror)
        ) from error
    return _("The game is saved in {path}", path=real_path(file))
