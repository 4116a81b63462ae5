"""The engine behind a conversation: made when it is first needed, given new options before its next work.

What cannot be loaded is named and left out, and the rest stays as it was: a book, a net or a backend that the engine
refuses costs that one option. A value given on the command line is demanded: there a refusal is an error.
"""

from __future__ import annotations

import _thread
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import AinoError
from engine.options import EMPTY, OPTIONS, EngineOptions, Value
from uci.writer import Writer

if TYPE_CHECKING:
    from engine.player import Engine

__all__ = ["DemandRefused", "EngineFactory", "EngineLoader", "load_engine", "make_engine"]

EngineFactory = Callable[[EngineOptions], "Engine"]

PROGRESS_INTERVAL_S = 2.0  # between signs of life while kernels compile

SMALLEST_HASH_MIB = 1

# How the engine says no to options, and the option at fault where the error names none.
_REFUSALS = (AinoError, MemoryError, OSError)
_UNNAMED_FAULT = "hash_mib"
# By field: what to try in place of a refused value, when the value that was set before it is no way out.
_INSTEAD: dict[str, tuple[Value, ...]] = {
    "hash_mib": (EngineOptions().hash_mib, SMALLEST_HASH_MIB),
    "weights_file": (EngineOptions().weights_file,),
    "evaluator": ("auto", "hybrid", "material"),  # auto takes the shipped sparse net, hybrid the shipped tower
    "backend": ("auto", "numpy"),
    "book_file": ("",),
}
# The field to change when no value is left for the one at fault: `material` needs no net, and the least room.
_LAST_RESORT = "evaluator"


class DemandRefused(AinoError):
    """The engine cannot take a value that the command line named."""


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


class _Fallbacks:
    """What to try next when the engine refuses options. `demanded` holds the values that may not be left out."""

    def __init__(self, demanded: Mapping[str, Value], before: EngineOptions | None = None) -> None:
        self._demanded = demanded
        self._before = before
        self._refused: set[tuple[str, Value]] = set()

    def after(self, error: Exception, options: EngineOptions) -> tuple[EngineOptions, str] | None:
        """The options to try after this refusal, with a message; None where nothing is left.

        Raises DemandRefused.
        """
        fault = getattr(error, "option", "") or _UNNAMED_FAULT
        for field in dict.fromkeys((fault, _LAST_RESORT)):
            value = getattr(options, field)
            if isinstance(error, AinoError) and field in self._demanded and self._demanded[field] == value:
                raise DemandRefused(str(error)) from error
            self._refused.add((field, value))
            for other in self._others(field):
                if (field, other) not in self._refused:
                    kept = self._before is not None and other == getattr(self._before, field)
                    what = f"{_NAMES[field]} {EMPTY if other == '' else other}"
                    message = f"{error}; {'keeping' if kept else 'going on with'} {what}"
                    return replace(options, **{field: other}), message  # type: ignore[arg-type]
        return None

    def _others(self, field: str) -> tuple[Value, ...]:
        before = () if self._before is None else (getattr(self._before, field),)
        return before + _INSTEAD.get(field, ())


_NAMES = {option.field: option.name for option in OPTIONS}


def load_engine(
    options: EngineOptions, factory: EngineFactory, tell: Callable[[str], None], demanded: Mapping[str, Value]
) -> Engine:
    """An engine with these options, without those that it refuses; `tell` gets a sentence for each of these.

    `demanded` are values by field for which a refusal is an error. Raises DemandRefused, and what the factory raises
    where no options are left to try.
    """
    fallbacks = _Fallbacks(demanded)
    while True:
        try:
            return factory(options)
        except _REFUSALS as error:
            attempt = fallbacks.after(error, options)
            if attempt is None:
                raise
            options, message = attempt
        tell(message)


class EngineLoader:
    """Keeps one engine; `engine` is None until it is first asked for. What goes wrong is told by `info string`."""

    def __init__(self, writer: Writer, factory: EngineFactory, demanded: Mapping[str, Value]) -> None:
        self.engine: Engine | None = None
        self._writer = writer
        self._factory = factory
        self._demanded = demanded

    def ready(self, options: EngineOptions) -> Engine:
        """The engine, with these options as far as it accepts them (see `engine.options`). Only between searches.

        Raises DemandRefused.
        """
        hash_before = self.engine.options.hash_mib if self.engine else 0
        if self.engine is None:
            with self._signs_of_life():
                self.engine = load_engine(options, self._factory, self._writer.info, self._demanded)
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

    def _change(self, engine: Engine, options: EngineOptions) -> None:
        """Gives the engine new options, without those that it refuses."""
        fallbacks = _Fallbacks(self._demanded, engine.options)
        while True:
            try:
                engine.set_options(options)
                return
            except _REFUSALS as error:
                attempt = fallbacks.after(error, options)
                if attempt is None:
                    self._writer.info(f"{error}; keeping what was set before")
                    return
                options, message = attempt
            self._writer.info(message)

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
