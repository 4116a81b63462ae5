"""The engine of a conversation: created when first needed, given changed options before its next task."""

from __future__ import annotations

import _thread
import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from engine.options import EngineOptions, Value
from uci.loading.loader import EngineFactory, change_engine, load_engine
from uci.protocol.writer import Writer

if TYPE_CHECKING:
    from engine.player import Engine

PROGRESS_INTERVAL_S = 2.0  # time between progress messages while the engine loads


class EngineLoader:
    """Keeps one engine. `engine` is None until the first `ready`. Reports problems by `info string`."""

    def __init__(self, writer: Writer, factory: EngineFactory, demanded: Mapping[str, Value]) -> None:
        self.engine: Engine | None = None
        self._writer = writer
        self._factory = factory
        self._demanded = demanded

    def ready(self, options: EngineOptions) -> Engine:
        """The engine with these options, as far as it accepts them (see `engine.options`). Call only between searches.

        Raises DemandRefused.
        """
        hash_before = self.engine.options.hash_mib if self.engine else 0
        if self.engine is None:
            with self._signs_of_life():
                self.engine = load_engine(options, self._factory, self._writer.info, self._demanded)
        elif self.engine.options != options:
            with self._signs_of_life():
                change_engine(self.engine, options, self._writer.info, self._demanded)
        _announce_waiting(self.engine, self._writer)
        if self.engine.options.hash_mib != hash_before:
            self._warn_of_memory(self.engine.options.hash_mib)
        for problem in self.engine.take_problems():
            self._writer.info(problem)
        return self.engine

    def _warn_of_memory(self, hash_mib: int) -> None:
        """Systems grant more memory than the machine has; a search that fills it swaps, or the system kills it."""
        from engine.cli.machine import physical_memory_mib

        memory_mib = physical_memory_mib()
        if memory_mib is not None and hash_mib > memory_mib:
            self._writer.info(f"Hash {hash_mib} is more than the {memory_mib} MiB of memory that this machine has")

    @contextlib.contextmanager
    def _signs_of_life(self) -> Iterator[None]:
        done = threading.Event()

        def tick() -> None:
            seconds = 0.0
            while not done.wait(PROGRESS_INTERVAL_S):
                seconds += PROGRESS_INTERVAL_S
                self._writer.info(f"loading the engine: {seconds:.0f} s")
                if self._writer.closed:  # the GUI has gone, so nobody needs the engine
                    _thread.interrupt_main()

        ticker = threading.Thread(target=tick, name="signs-of-life", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            done.set()
            ticker.join()


def _announce_waiting(engine: Engine, writer: Writer) -> None:
    """Has a search that waits for kernels say so."""
    from uci.loading.patient import PatientEngine

    if isinstance(engine, PatientEngine):
        engine.on_wait = lambda progress: writer.info(str(progress))
