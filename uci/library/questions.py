"""Questions to the index of a folder, answered on a thread of their own: a large library may take seconds for one."""

from __future__ import annotations

import contextvars
import sqlite3
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from engine.errors import AinoError
from uci.library.index import GameIndex


class IndexQuestions:
    """Answers one after the other. `on_error` hears why one could not be answered, on that thread."""

    def __init__(self, folder: Path, on_error: Callable[[str], None]) -> None:
        self._folder, self._on_error = folder, on_error
        self._index: GameIndex | None = None
        self._thread = ThreadPoolExecutor(1, "questions")
        self._asked: dict[str, tuple[Hashable, list[Future[None]]]] = {}  # the latest of each kind

    def ask(self, kind: str, about: Hashable, answer: Callable[[GameIndex], None]) -> None:
        """Let `answer` have the index; what waits or works for another question of this kind is given up."""
        before, asked = self._asked.get(kind, (about, []))
        asked = [one for one in asked if not (one.done() or (before != about and self._give_up(one)))]
        here = contextvars.copy_context()  # such as the language of who asks
        self._asked[kind] = about, [*asked, self._thread.submit(here.run, self._answer, answer)]

    def close(self) -> None:
        """Answer no more."""
        for _, asked in self._asked.values():
            for one in asked:
                self._give_up(one)
        self._thread.shutdown(wait=False)

    def _give_up(self, question: Future[None]) -> bool:
        if not question.cancel() and not question.done() and self._index is not None:
            self._index.interrupt()
        return True

    def _answer(self, answer: Callable[[GameIndex], None]) -> None:
        try:
            if self._index is None or not self._index.is_current:
                self._index = GameIndex(self._folder)
            answer(self._index)
        except (AinoError, OSError, sqlite3.Error) as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
                self._on_error(str(error))
