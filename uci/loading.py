"""The engine behind a conversation: made when it is first needed, given new options before its next work."""

from __future__ import annotations

import _thread
import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import AinoError
from engine.options import EngineOptions
from uci.writer import Writer

if TYPE_CHECKING:
    from engine.player import Engine

__all__ = ["EngineFactory", "EngineLoader", "make_engine"]

EngineFactory = Callable[[EngineOptions], "Engine"]

PROGRESS_INTERVAL_S = 2.0  # between signs of life while kernels compile

SMALLEST_HASH_MIB = 1

_REFUSALS = (AinoError, MemoryError, OSError)  # how the engine says no to options


def make_engine(options: EngineOptions) -> Engine:
    """The real engine, loaded and compiled, ready to search."""
    from engine import player
    from uci.cold_start import second_compiler
    from uci.compile_lock import compiling_alone

    variant = f"{options.evaluator} {options.weights_file}"
    with compiling_alone(Path(player.__file__), variant) as cold, contextlib.ExitStack() as helpers:
        if cold:
            helpers.enter_context(second_compiler(options))
        engine = player.Engine(options)
        engine.warm_up()
    return engine


class EngineLoader:
    """Keeps one engine; `engine` is None until it is first asked for. What goes wrong is told by `info string`."""

    def __init__(self, writer: Writer, factory: EngineFactory) -> None:
        self.engine: Engine | None = None
        self._writer = writer
        self._factory = factory

    def ready(self, options: EngineOptions) -> Engine:
        """The engine, with these options as far as it accepts them (see `engine.options`). Only between searches."""
        hash_before = self.engine.options.hash_mib if self.engine else 0
        if self.engine is None:
            with self._signs_of_life():
                self.engine = self._load(options)
        elif self.engine.options != options:
            with self._signs_of_life():
                self._change(self.engine, options)
        if self.engine.options.hash_mib != hash_before:
            self._warn_of_memory(self.engine.options.hash_mib)
        for problem in self.engine.take_problems():
            self._writer.info(problem)
        return self.engine

    def _warn_of_memory(self, hash_mib: int) -> None:
        """Systems grant more memory than there is; a search that fills it swaps, or is ended by the system."""
        from engine.machine import physical_memory_mib

        memory_mib = physical_memory_mib()
        if memory_mib is not None and hash_mib > memory_mib:
            self._writer.info(f"Hash {hash_mib} is more than the {memory_mib} MiB of memory that this machine has")

    def _load(self, options: EngineOptions) -> Engine:
        """An engine with these options; where there is no room for it, or no net, with less."""
        small = replace(options, hash_mib=min(options.hash_mib, EngineOptions().hash_mib))
        plain = replace(small, evaluator="material")
        attempts = list(dict.fromkeys((options, small, plain, replace(plain, hash_mib=SMALLEST_HASH_MIB))))
        for attempt, less in itertools.pairwise(attempts):
            try:
                return self._factory(attempt)
            except _REFUSALS as error:
                self._writer.info(f"{error}; going on with Hash {less.hash_mib} and the evaluator {less.evaluator}")
        return self._factory(attempts[-1])

    def _change(self, engine: Engine, new: EngineOptions) -> None:
        """Gives the engine all new options; if it refuses, all but the net; if that fails too, the old ones again."""
        old = engine.options
        same_net = replace(new, evaluator=old.evaluator, weights_file=old.weights_file)
        for options in dict.fromkeys((new, same_net, old)):
            try:
                engine.set_options(options)
            except _REFUSALS as error:
                self._writer.info(f"{error}; keeping what was set before")
            else:
                return

    @contextlib.contextmanager
    def _signs_of_life(self) -> Iterator[None]:
        done = threading.Event()

        def tick() -> None:
            seconds = 0.0
            while not done.wait(PROGRESS_INTERVAL_S):
                seconds += PROGRESS_INTERVAL_S
                self._writer.info(f"compiling kernels, once after an installation or update: {seconds:.0f} s")
                if self._writer.closed:  # the GUI gave up, and nobody will use what is being compiled
                    _thread.interrupt_main()

        ticker = threading.Thread(target=tick, name="signs-of-life", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            done.set()
            ticker.join()
