"""Wait until the engine is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.cli.console import make_console, say, waiting
from engine.cli.live_lines import live_line
from engine.cli.option_forms import changes
from engine.options import EngineOptions
from uci.language import _
from uci.loading.loader import load_engine, make_engine
from uci.loading.patient import PatientEngine

if TYPE_CHECKING:
    from rich.console import Console


def ready_engine(console: Console, options: EngineOptions, wait: bool = True) -> PatientEngine:
    """Return a loaded engine, compiled too; without `wait` it returns at once, and the first search
    waits for the compiler.

    Its messages about options and files go to stderr. The engine plays without a net if the net
    shipped with Aino is broken. Raises AinoErrors for anything broken that the options name.
    """
    problems: list[str] = []
    with waiting(console, _("Getting ready")):
        engine = load_engine(
            options, make_engine, problems.append, changes(EngineOptions(), options)
        )
    for problem in (*problems, *engine.take_problems()):
        say(make_console(stderr=True), problem)
    if wait and not engine.is_prepared:
        with live_line(_("Compiling, which happens once")) as line:
            engine.wait(
                lambda at: line.update(
                    at.share, at.problem or _("{done} of {total}", **at._asdict())
                )
            )
    return engine
