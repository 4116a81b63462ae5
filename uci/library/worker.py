"""The one who touches a folder of one's own games: it is asked, and answers on a thread of its own."""

from __future__ import annotations

import contextvars
import sqlite3
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import AinoError
from uci.library.index import GameIndex

Answer = TypeVar("Answer")
Steps = Generator[object, None, None]  # of long work: others are answered between two of them
_Work = Callable[[GameIndex], object]
_Question = tuple["Future[None]", _Work]


class GamesWorker:
    """Does one thing after the other with the index of a folder. `on_error` hears what failed, on
    that thread.
    """

    def __init__(self, folder: Path, on_error: Callable[[str], None]) -> None:
        self.folder = folder
        self._on_error = on_error
        self._index: GameIndex | None = None
        self._thread = ThreadPoolExecutor(1, "my games")
        self._asked: dict[str, tuple[object, list[_Question]]] = {}  # the latest of each kind
        self._lock = threading.Lock()
        self._running: _Work | None = None
        self.is_closed = False

    def ask(self, kind: str, about: object, answer: _Work) -> None:
        """Let `answer` have the index; what waits or works for another question of this kind is
        given up.
        """
        before, asked = self._asked.get(kind, (about, []))
        asked = [
            one for one in asked if not (one[0].done() or (before != about and self._give_up(*one)))
        ]
        self._asked[kind] = about, [*asked, (self.do(answer), answer)]

    def do(self, work: _Work) -> Future[None]:
        """Let `work` have the index; it is never given up. If it returns `Steps`, these are done
        bit by bit.
        """
        return self._thread.submit(
            contextvars.copy_context().run, self._do, work
        )  # in the language of who asks

    def call(self, work: Callable[[GameIndex], Answer]) -> Future[Answer]:
        """Let `work` have the index for another thread, which gets what it returns or raises."""
        return self._thread.submit(contextvars.copy_context().run, lambda: work(self._current()))

    def close(self, last: Callable[[], None] = lambda: None) -> None:
        """Answer no more; changes are still made, long work stops. `last` is called at the end."""
        for _, asked in self._asked.values():
            for one in asked:
                self._give_up(*one)
        self.is_closed = True
        self._thread.submit(self._end, last)
        self._thread.shutdown(wait=False)

    def _end(self, last: Callable[[], None]) -> None:
        last()
        if self._index is not None:
            self._index.close()

    def _give_up(self, question: Future[None], answer: _Work) -> bool:
        if not question.cancel():
            with self._lock:  # so that what comes after it is not interrupted in its place
                if self._running is answer and self._index is not None:
                    self._index.interrupt()
        return True

    def _current(self) -> GameIndex:
        if self._index is None or not self._index.is_current:
            self._index = GameIndex(self.folder)
        return self._index

    def _do(self, work: _Work, steps: Any = None) -> None:
        with self._lock:
            self._running = work
        try:
            if steps is None:
                steps = work(self._current())
                if not isinstance(steps, Generator):
                    return
            elif next(steps, self) is self:
                return
            if self.is_closed:
                steps.close()
            else:
                self._thread.submit(contextvars.copy_context().run, self._do, work, steps)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
                self._on_error(failure(error))
        finally:
            with self._lock:
                self._running = None


def failure(error: Exception) -> str:
    """Return a sentence on what went wrong."""
    return (
        str(error)
        if isinstance(error, AinoError | OSError | sqlite3.Error)
        else f"{type(error).__name__}: {error}"
    )
