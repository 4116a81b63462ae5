"""Wait for the engine: until it is ready, or until its search ends on a thread that Ctrl-C can stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.cli.console import make_console, say, waiting
from engine.cli.live_lines import live_line
from engine.cli.option_forms import changes
from engine.errors import StillCompilingError
from engine.options import EngineOptions
from engine.search.limits import Limits, SearchControl
from engine.search.result import SearchResult
from uci.loading.loader import load_engine, make_engine
from uci.loading.patient import PatientEngine

if TYPE_CHECKING:
    from rich.console import Console

    from engine.player import Engine
    from engine.search.result import OnInfo

_STOP_POLL_S = 0.1  # the waiting main thread checks for Ctrl-C this often


def ready_engine(console: Console, options: EngineOptions, wait: bool = True) -> PatientEngine:
    """A loaded engine, compiled too; without `wait` it returns at once, and the first search waits for the compiler.

    Its messages about options and files go to stderr. The engine plays without a net if the net shipped with Aino is
    broken. Raises AinoErrors for anything broken that the options name.
    """
    problems: list[str] = []
    with waiting(console, "Getting ready"):
        engine = load_engine(options, make_engine, problems.append, changes(EngineOptions(), options))
    for problem in (*problems, *engine.take_problems()):
        say(make_console(stderr=True), problem)
    if wait and not engine.is_prepared:
        with live_line("Compiling, which happens once") as line:
            engine.wait(lambda progress: line.update(progress.share, progress.problem or progress.steps))
    return engine


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a search. `result` is the result of the stopped search."""

    def __init__(self, result: SearchResult) -> None:
        super().__init__()
        self.result = result


def search_interruptibly(
    engine: Engine,
    limits: Limits,
    on_info: OnInfo | None = None,
    tell: Callable[[str], None] | None = None,
    begin: Callable[[], None] = lambda: None,
) -> SearchResult:
    """Searches the engine's position. Ctrl-C stops the search and raises Interrupted with its result.

    Where the engine must wait until it is compiled, `tell` hears how far that is; Ctrl-C raises KeyboardInterrupt then.
    `begin` is called when the search begins.
    """
    outcome: list[SearchResult | Exception] = []
    control = SearchControl()
    done = threading.Event()  # not Thread.join: after an interrupt, it may treat the thread as ended

    def work() -> None:
        try:
            if isinstance(engine, PatientEngine):
                engine.wait(None if tell is None else lambda progress: tell(f"{progress}, only this once"), control)
            begin()
            outcome.append(engine.search(limits, on_info, control))
        except Exception as error:  # noqa: BLE001 - the waiting thread raises it again
            outcome.append(error)
        finally:
            done.set()

    threading.Thread(target=work, name="search", daemon=True).start()
    interrupted = _wait(done, control)
    result = outcome[0]
    if isinstance(result, StillCompilingError):
        raise KeyboardInterrupt
    if isinstance(result, Exception):
        raise result
    if interrupted:
        raise Interrupted(result)
    return result


def _wait(done: threading.Event, control: SearchControl) -> bool:
    """Waits for the search. Returns whether Ctrl-C stopped it."""
    interrupted = False
    while not done.is_set():
        try:
            done.wait(_STOP_POLL_S)
        except KeyboardInterrupt:
            control.stop()
            interrupted = True
    return interrupted
