"""A web board in this process, on a thread of its own, whose engine answers by a script and reviews
for real.
"""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager

import chess.pgn
import pytest

from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from engine.search.result import SearchResult
from tests.browser.devtools import WAIT_S
from uci.game.timed_game import Setup
from uci.web.board_session import Services
from uci.web.dispatch import Dispatcher
from uci.web.engine_service import EngineService
from uci.web.server import WebServer

SMALL = EngineOptions(evaluator="material", threads=1, hash_mib=16)
SCHOLARS_MATE = ("e7e5", "b8c6", "g8f6")  # Black's answers to e4, Qh5 and Bc4
FREE = {"setup": Setup(chess.Board(), human=None)}  # a board on which nobody plays


class ScriptedEngine(Engine):
    """Plays the moves of a script while they are legal, and searches otherwise."""

    def __init__(self, script=(), options=SMALL):
        super().__init__(options)
        self.script = [chess.Move.from_uci(text) for text in script]

    def search(self, limits, on_info=None, job=None):
        move = next((move for move in self.script if self.board.is_legal(move)), None)
        # a hint has a second
        if move is None or self.options.analyse_mode or limits.movetime_ms == 1000:
            return super().search(limits, on_info, job)
        return SearchResult(move, None, [], [], 0, 0)


@contextmanager
def web_board(folder, setup=None, load=ScriptedEngine):
    """A server that runs until the block ends; games are saved in `folder`/games.pgn."""
    begun = Future()

    async def serve():
        ended = asyncio.Event()
        engine = EngineService(load)
        limits = Limits(nodes=100)
        services = Services(engine, load, folder, folder / "games.pgn", review_limits=limits)
        server = WebServer(lambda tell: Dispatcher(services, setup or Setup(), tell))
        begun.set_result((server, asyncio.get_running_loop(), ended))
        await ended.wait()
        server.board.session.close()
        await server.close()
        await engine.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="web board", daemon=True)
    thread.start()
    server, loop, ended = begun.result(WAIT_S)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(WAIT_S)
        assert not thread.is_alive(), "the server did not end"


def on_boards(*made_of):
    """Runs a test that takes `tab` on each of these boards, made as in `open_board`."""
    return pytest.mark.parametrize("tab", made_of, indirect=True)


@contextmanager
def open_board(chromium, folder, width=1280, height=800, dark=False, **made_of):
    """A tab with a board of its own, made as in `web_board`; its page must not fail."""
    with web_board(folder, **made_of) as server:
        tab = chromium.open(server.url, width, height, dark)
        tab.wait_for("state")
        yield tab
        assert not tab.failures
        tab.close()
