"""The one who touches a folder of one's own games: it is asked, and answers on a thread of its
own.
"""

import contextvars
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import AinoError
from uci.library.games_folder import GamesFolder

Answer = TypeVar("Answer")
_Work = Callable[[GamesFolder], object]


class GamesWorker:
    """Does one thing after the other with a folder of games. `on_error` hears what failed, on that
    thread.
    """

    def __init__(self, folder: Path, on_error: Callable[[str], None]) -> None:
        self.folder = folder
        self._games: GamesFolder | None = None
        self._on_error = on_error
        self._thread = ThreadPoolExecutor(1, "my games")
        self.is_closed = False

    def do(self, work: _Work) -> Future[None]:
        """Let `work` have the games. If it returns steps, others have their turn between two of
        them.
        """
        return self._submit(self._do, work)

    def call(self, work: Callable[[GamesFolder], Answer]) -> Future[Answer]:
        """Let `work` have the games for another thread, which gets what it returns or raises."""
        return self._submit(lambda: work(self._opened()))

    def close(self, last: Callable[[], None] = lambda: None) -> None:
        """Answer no more; what was asked for is still done, long work stops. `last` is called at
        the end.
        """
        if self.is_closed:
            return
        self.is_closed = True
        self._thread.submit(last)
        self._thread.shutdown(wait=False)

    def _submit(self, act: Callable[..., Answer], *given: object) -> Future[Answer]:
        # In the language of who asks.
        return self._thread.submit(contextvars.copy_context().run, act, *given)

    def _opened(self) -> GamesFolder:
        if self._games is None:
            self._games = GamesFolder(self.folder)
        return self._games

    def _do(self, work: _Work) -> None:
        try:
            steps = work(self._opened())
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            self._on_error(failure(error))
            return
        if isinstance(steps, Generator):
            self._submit(self._go_on, steps)

    def _go_on(self, steps: Any) -> None:
        """Do a step, and the next one when all that waits has been done."""
        if self.is_closed:
            steps.close()
            return
        try:
            next(steps)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            self._on_error(failure(error))
            return
        self._submit(self._go_on, steps)


def failure(error: Exception) -> str:
    """Return a sentence on what went wrong."""
    if isinstance(error, AinoError | OSError):
        return str(error)
    return f"{type(error).__name__}: {error}"
