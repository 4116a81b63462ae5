"""What fails while a thread works on a request holds up no other request."""

import asyncio
from contextlib import closing

from tests.uci.web.web_visit import SessionAlone
from uci.web import board_session, dispatch

SOON_S = 20.0


def fail(*words, **fields):
    raise RuntimeError("it failed")


async def is_looked_at(desk, number):
    async with asyncio.timeout(SOON_S):
        while desk.session.board_game.study.numbers[desk.session.board_game.study.here] != number:
            await asyncio.sleep(0.01)


async def test_a_state_that_cannot_be_told_ends_the_work(tmp_path, monkeypatch):
    """All later requests waited for ever."""
    with closing(SessionAlone(tmp_path)) as desk:
        desk.load(game=9)
        monkeypatch.setattr(board_session, "snapshot", fail)
        async with asyncio.timeout(SOON_S):
            while (await desk.told_of("say"))["text"] != "RuntimeError: it failed":
                pass
        monkeypatch.undo()
        desk.load()
        desk.ask("look", node=1)
        await is_looked_at(desk, 1)


async def test_a_waiting_request_that_fails_holds_up_no_other(tmp_path, monkeypatch):
    """Those behind it were lost."""
    with closing(SessionAlone(tmp_path)) as desk:
        monkeypatch.setitem(dispatch.REQUESTS, "lines", (fail, {}))
        desk.load()
        desk.ask("lines")
        desk.ask("look", node=1)
        await is_looked_at(desk, 1)


async def test_work_that_is_cancelled_lets_others_work(tmp_path):
    """All later requests waited for ever."""
    with closing(SessionAlone(tmp_path)) as desk:
        desk.load()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.sleep(0)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        desk.ask("position", fen="4k3/8/8/8/8/8/8/4K2R w K - 0 1")
        assert desk.session.board_game.board.fen().startswith("4k3")
