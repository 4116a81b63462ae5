"""Several processes of this machine that play a phase's games, each its own; lost processes are
replaced.

Processes rather than threads: only kernels run without the interpreter's lock; the rest of a game
needs it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

from engine.cli.command_line import silence_false_warnings
from engine.errors import AinoError
from engine.native.uptime import uptime_s
from engine.options import usable_cpus
from selfplay.interrupt import Stop, Take
from selfplay.run.phase_games import PlayTask, play_numbers, uses_gpu
from selfplay.run.sharing import SharedPlay, WorkerLost, WorkerMessage, play_share, source_hash

ENDING_S = 5.0  # for terminated processes to end


class WorkerPool(SharedPlay):
    """A PlayBackend of `workers` processes; 0 means one for each processor, or one for a GPU. One
    is this process.

    They share nothing but the networks' files and the kernel cache, ignore Ctrl-C, which their
    parent handles, and end with their parent, however it ends.
    """

    def __call__(self, task: PlayTask, numbers: Sequence[int], finish: Take, stop: Stop) -> None:
        if self._count(task) == 1:
            play_numbers(task, numbers, finish, stop, self._tell)
        else:
            super().__call__(task, numbers, finish, stop)

    def _count(self, task: PlayTask) -> int:
        return self._workers or (1 if uses_gpu(task) else usable_cpus())

    def _pool(self, task: PlayTask, numbers: Sequence[int], count: int) -> _Processes:
        return _Processes(task, numbers, count)


class _Processes:
    """The processes, one call each. A process that dies takes the executor and all others with
    it.
    """

    def __init__(self, task: PlayTask, numbers: Sequence[int], count: int) -> None:
        # "spawn": a fork would copy the locks of threads that are not there.
        context = multiprocessing.get_context("spawn")
        self._reader, self._writer = context.Pipe(duplex=False)
        self._taken = context.RawValue("q", 0)
        channel = self._writer, context.Lock(), self._taken
        self._executor = ProcessPoolExecutor(count, context, _begin, channel)
        self._arguments = task, numbers, source_hash()
        self._count = count
        self._calls = dict[int, Future[None]]()
        self._processes = list[BaseProcess]()

    def start(self, worker: int) -> None:
        with _interrupts_held():
            try:
                self._calls[worker] = self._executor.submit(_play, worker, *self._arguments)
            finally:  # some of them may have begun where one cannot
                self._processes = list((self._executor._processes or {}).values())
        if len(self._calls) == self._count:
            self._writer.close()  # so that a message which a dead process began has an end

    def receive(self, timeout_s: float) -> WorkerMessage | None:
        with contextlib.suppress(EOFError, OSError):
            if self._reader.poll(timeout_s):
                return self._reader.recv()
        return None

    def playing(self) -> list[int]:
        playing = []
        for worker, call in self._calls.items():
            if not call.done():
                playing.append(worker)
                continue
            error = call.exception()
            if isinstance(error, AinoError):
                raise error
            if isinstance(error, BrokenProcessPool):
                raise WorkerLost(self._fate()) from error
            if error is not None:
                raise WorkerLost(repr(error)) from error
        return playing

    def _fate(self) -> str:
        """How the process ended that was the first to end; the executor terminates the others."""
        # The executor's own thread waits for them, too, and may be late.
        deadline = uptime_s() + ENDING_S
        while (
            any(process.exitcode is None for process in self._processes) and uptime_s() < deadline
        ):
            time.sleep(0.01)
        for process in self._processes:
            status = process.exitcode
            if status not in (None, 0, -signal.SIGTERM):
                return f"process {process.pid} ended with exit status {status}"
        return "a process was terminated"

    def taken(self) -> int:
        return self._taken.value

    def close(self) -> None:
        for process in self._processes:
            process.kill()
        self._executor.shutdown()
        self._reader.close()
        self._writer.close()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start a process without Ctrl-C, which would end it with a traceback before it can ignore
    it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Otherwise the first start would do this and unblock interrupts again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ---- in the worker's process ---------------------------------------------------------------------

# The pipe to the parent, the lock of all workers, and how many numbers they have taken.
_channel: Any = None


def _begin(*channel: Any) -> None:
    global _channel
    _channel = channel
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    silence_false_warnings()
    threading.Thread(target=_end_with_parent, name="watch", daemon=True).start()


def _play(worker: int, task: PlayTask, numbers: Sequence[int], source: str) -> None:
    pipe, lock, n_taken = _channel

    def take() -> Iterator[int]:
        while True:
            with lock:
                place = n_taken.value
                n_taken.value += 1
            if place >= len(numbers):
                return
            yield numbers[place]

    def send(record: Any) -> None:
        with lock:
            pipe.send((worker, record))

    play_share(task, take(), send, source)


def _end_with_parent() -> None:
    """Workers wait for each other and for their next call, and would not notice that their parent
    is gone.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
