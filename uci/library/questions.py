"""Questions to the index of a folder, answered on a thread of their own: a large library may take seconds for one."""

from __future__ import annotations

import contextvars
import sqlite3
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from engine.errors import AinoError
from uci.library.index import GameIndex

_Work = Callable[[GameIndex], None]
_Question = tuple[Future[None], _Work]


class IndexQuestions:
    """Answers one after the other, with changes in between. `on_error` hears what failed, on that thread."""

    def __init__(self, folder: Path, on_error: Callable[[str], None]) -> None:
        self._folder, self._on_error = folder, on_error
        self._index: GameIndex | None = None
        self._thread = ThreadPoolExecutor(1, "questions")
        self._asked: dict[str, tuple[Hashable, list[_Question]]] = {}  # the latest of each kind
        self._lock = threading.Lock()
        self._running: _Work | None = None

    def ask(self, kind: str, about: Hashable, answer: _Work) -> None:
        """Let `answer` have the index; what waits or works for another question of this kind is given up."""
        before, asked = self._asked.get(kind, (about, []))
        asked = [one for one in asked if not (one[0].done() or (before != about and self._give_up(*one)))]
        self._asked[kind] = about, [*asked, (self._submit(answer), answer)]

    def do(self, change: _Work) -> None:
        """Let `change` have the index; it is never given up."""
        self._submit(change)

    def close(self) -> None:
        """Answer no more; changes are still made."""
        for _, asked in self._asked.values():
            for one in asked:
                self._give_up(*one)
        self._thread.shutdown(wait=False)

    def _submit(self, work: _Work) -> Future[None]:
        here = contextvars.copy_context()  # such as the language of who asks
        return self._thread.submit(here.run, self._answer, work)

    def _give_up(self, question: Future[None], answer: _Work) -> bool:
        if not question.cancel():
            with self._lock:  # so that what comes after it is not interrupted in its place
                if self._running is answer and self._index is not None:
                    self._index.interrupt()
        return True

    def _answer(self, answer: _Work) -> None:
        with self._lock:
            self._running = answer
        try:
            if self._index is None or not self._index.is_current:
                self._index = GameIndex(self._folder)
            answer(self._index)
        except (AinoError, OSError, sqlite3.Error) as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
                self._on_error(str(error))
        finally:
            with self._lock:
                self._running = None
