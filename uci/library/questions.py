"""Questions to the index of a folder, answered on a thread of their own: a large library may take seconds for one."""

from __future__ import annotations

import contextvars
import sqlite3
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import NamedTuple

from engine.errors import AinoError
from uci.library.index import GameIndex


class _Question(NamedTuple):
    kind: str
    about: Hashable
    answer: Callable[[GameIndex], None]
    context: contextvars.Context  # such as the language of who asks

    def is_outdated_by(self, kind: str, about: Hashable) -> bool:
        return self.kind == kind and self.about != about


class IndexQuestions:
    """Answers one after the other. `on_error` hears why one could not be answered, on that thread."""

    def __init__(self, folder: Path, on_error: Callable[[str], None]) -> None:
        self._folder, self._on_error = folder, on_error
        self._index: GameIndex | None = None
        self._open: list[_Question] = []  # the first one is at work
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="questions", daemon=True)

    def ask(self, kind: str, about: Hashable, answer: Callable[[GameIndex], None]) -> None:
        """Let `answer` have the index; what waits or works for another question of this kind is given up."""
        with self._news:
            if self._open and self._open[0].is_outdated_by(kind, about) and self._index is not None:
                self._index.interrupt()
            self._open[1:] = [one for one in self._open[1:] if not one.is_outdated_by(kind, about)]
            self._open.append(_Question(kind, about, answer, contextvars.copy_context()))
            if self._thread.ident is None:
                self._thread.start()
            self._news.notify()

    def _work(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._open)
                question = self._open[0]
            try:
                if self._index is None or not self._index.is_current:
                    self._index = GameIndex(self._folder)
                question.context.run(question.answer, self._index)
            except (AinoError, OSError, sqlite3.Error) as error:
                if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
                    question.context.run(self._on_error, str(error))
            with self._news:
                del self._open[0]
