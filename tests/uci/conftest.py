"""Visits to the web board, in whose event loops tests run that are coroutines."""

import asyncio
import inspect

import pytest

from tests.uci.library.own_games import listed, text_of
from tests.uci.web.web_visit import Visit
from uci.language import show_own_letters, speak


@pytest.fixture(autouse=True)
def english():
    """Begin in English, whatever the test before spoke."""
    speak("en")
    show_own_letters(False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    test = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    visit = pyfuncitem.funcargs.get("visit")
    run = visit.loop.run if visit else asyncio.run
    run(test)
    return True


@pytest.fixture
def visit(request, tmp_path):
    """A fresh server; a test may give what else it is made of as the fixture's parameter."""

    async def begun():
        return Visit(tmp_path, **getattr(request, "param", {}))

    with asyncio.Runner() as loop:
        visit = loop.run(begun())
        visit.loop = loop
        try:
            yield visit
        finally:
            loop.run(visit.close())


@pytest.fixture
def tab(visit):
    """The visit's first tab."""
    return visit.loop.run(visit.tab())


@pytest.fixture
def no_shipped_puzzles(monkeypatch):
    monkeypatch.setattr("uci.library.puzzle_stock.read_set", lambda: iter(()))


@pytest.fixture
def games(tmp_path):
    """Three games of one's own, read."""
    (tmp_path / "mine.pgn").write_text(text_of())
    return listed(tmp_path)
