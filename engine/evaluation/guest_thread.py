"""The thread that runs a user's code, which may fail, hang or end the process."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Any, TypeVar

from engine.errors import AinoError, EvaluatorError
from engine.native.uptime import uptime_s

# Seconds that an answer may be late once nobody needs it, besides the time of the slowest answer
# before it. Set by hand.
PATIENCE_S = 3.0
# Seconds in which a user's class must be made. Set by hand.
LONGEST_START_S = 120.0
_POLL_S = 0.05

Answer = TypeVar("Answer")
_Order = tuple[Callable[[], Any], Future[Any]]


class Guest:
    """Runs one piece of a user's code after the other on one thread, which never keeps the process
    alive.

    Attributes:
        is_over: says whether the search that waits for an answer is over; set by each search.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_over: Callable[[], bool] = lambda: False
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._slowest_s = 0.0

    def ask(self, work: Callable[[], Answer]) -> Answer:
        """Return what `work` returns. Raises AinoErrors as they are and all else that it raises as
        EvaluatorError; and EvaluatorError when the answer is late, and later than the slowest one
        before it.
        """
        answer = self._order(work)
        begun = uptime_s()
        over_since = None
        while not wait([answer], _POLL_S).done:
            now = uptime_s()
            if over_since is None and self.is_over():
                over_since = now
            if over_since is not None and now - over_since >= PATIENCE_S + self._slowest_s:
                answer.cancel()
                raise EvaluatorError(
                    f"evaluator {self.name} has not answered for {now - begun:.0f} s"
                )
        self._slowest_s = max(self._slowest_s, uptime_s() - begun)
        return answer.result()

    def make(self, work: Callable[[], Answer]) -> Answer:
        """`ask` for an object that must be made in time, and end the thread if it is not made.

        How long that takes says nothing about later answers.
        """
        begun = uptime_s()
        self.is_over = lambda: uptime_s() - begun >= LONGEST_START_S
        try:
            return self.ask(work)
        except BaseException:
            self.end()
            raise
        finally:
            self.is_over = lambda: False
            self._slowest_s = 0.0

    def close(self, work: Callable[[], object]) -> None:
        """Run a last piece of code, wait for it a little, and end the thread."""
        wait([self._order(work)], PATIENCE_S)
        self.end()

    def end(self) -> None:
        """Let the thread end once it has done what it was asked for."""
        self._orders.put(None)
        self._orders = SimpleQueue()  # A later thread does not read what is meant for this one.
        self._thread = None

    def _order(self, work: Callable[[], Answer]) -> Future[Answer]:
        answer: Future[Answer] = Future()
        if self._thread is None:
            self._thread = threading.Thread(
                target=_serve, args=(self._orders, self.name), name="own", daemon=True
            )
            self._thread.start()
        self._orders.put((work, answer))
        return answer


def _serve(orders: SimpleQueue[_Order | None], name: str) -> None:
    while (order := orders.get()) is not None:
        _carry_out(*order, name)
        del order  # Nothing of a search stays alive while the thread waits.


def _carry_out(work: Callable[[], Any], answer: Future[Any], name: str) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(work())
    except AinoError as error:
        answer.set_exception(error)
    except BaseException as error:  # noqa: BLE001 - also sys.exit and Ctrl-C of a user's code
        failure = EvaluatorError(f"evaluator {name}: {type(error).__name__}: {error}")
        failure.__cause__ = error
        answer.set_exception(failure)
