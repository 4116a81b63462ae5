"""Several processes of this machine that play a phase's games, each its own; lost processes are replaced.

Processes rather than threads: only kernels run without the interpreter's lock; the rest of a game needs it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection, resource_tracker

from engine.cli.command_line import silence_false_warnings
from selfplay.run.playing import PlayTask
from selfplay.run.station import Report, Station, source_hash
from selfplay.run.supervision import SupervisedPlay, WorkerLost


class WorkerPool(SupervisedPlay):
    """A PlayBackend of `workers` processes.

    They share nothing but the networks' files and the kernel cache, ignore Ctrl-C, which their parent handles,
    and end with their parent, however it ends.
    """

    def _hirer(self, task: PlayTask) -> Callable[[], _WorkerProcess]:
        return lambda: _WorkerProcess(task)

    def _ready(self, workers: Sequence[_WorkerProcess], timeout_s: float) -> Sequence[_WorkerProcess]:
        answered = connection.wait([worker.connection for worker in workers], timeout_s)
        return [worker for worker in workers if worker.connection in answered]


class _WorkerProcess:
    """The Worker that lives in a process of its own, at the other end of a pipe."""

    def __init__(self, task: PlayTask) -> None:
        # "spawn": a fork would copy the locks of threads that are not there.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = theirs, task, source_hash()
        self._process = context.Process(target=_serve, args=arguments, name="self-play worker", daemon=True)
        with _interrupts_held():
            self._process.start()
        theirs.close()

    def ask(self, numbers: list[int]) -> None:
        try:
            self.connection.send(numbers)
        except OSError as error:
            raise WorkerLost(self._fate()) from error

    def answer(self) -> Report:
        try:
            return self.connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerLost(self._fate()) from error

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()

    def _fate(self) -> str:
        self._process.join(1.0)
        return f"process {self._process.pid} ended with exit status {self._process.exitcode}"


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start a process without Ctrl-C, which would end it with a traceback before it can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # otherwise the first start would do this and unblock interrupts again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ---- in the worker's process --------------------------------------------------------------------------------------


def _serve(pipe: connection.Connection, task: PlayTask, source: str) -> None:
    """Answer the parent until it closes the pipe or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    silence_false_warnings()
    threading.Thread(target=_end_with_parent, name="watch", daemon=True).start()
    station = Station(task, source)
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(station.exchange(pipe.recv()))
    os._exit(0)  # there is nothing to clean up, and the games' thread may be deep in a kernel


def _end_with_parent() -> None:
    """A worker whose games are stuck would not notice a closed pipe."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
