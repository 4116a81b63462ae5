"""Runs the board in the browser from its first page to the end of the program."""

import asyncio
import datetime
import io
import random
import threading
import webbrowser
from functools import partial
from pathlib import Path

from rich.console import Console

from engine.cli.command_line import handling_signals
from engine.cli.console import can_show, say
from engine.options import EngineOptions
from uci.common.waiting import ready_engine
from uci.game.game_file import default_path, games_folder
from uci.game.timed_game import Setup
from uci.language import _
from uci.web.board_session import Services
from uci.web.dispatch import Dispatcher
from uci.web.engine_service import EngineService
from uci.web.server import WebServer


async def serve_board(
    console: Console,
    options: EngineOptions,
    setup: Setup,
    pgn: Path | None,
    open_browser: bool,
    host: str,
    port: int,
) -> None:
    """Serve the board until Ctrl-C, SIGTERM or a closed terminal. Unfinished games are saved, too.

    The engine is made while the page is already open. Raises AinoErrors if it cannot.
    """
    load = partial(ready_engine, console, options)
    engine = EngineService(load)
    path = pgn or default_path(datetime.datetime.now())
    services = Services(
        engine, load, games_folder(), path, line_count=options.multi_pv, rng=random.Random()
    )
    server = WebServer(
        lambda tell: Dispatcher(services, setup, tell),
        lambda: say(
            console,
            _("The page is closed, and the game waits. To continue, open {url}", url=server.url),
        ),
        host,
        port,
    )
    _tell_address(console, server, path)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        with handling_signals(
            "SIGINT SIGHUP SIGTERM", lambda *_: loop.call_soon_threadsafe(ended.set)
        ):
            if open_browser:  # in a thread, because some browsers return when they are closed
                threading.Thread(
                    target=webbrowser.open, args=(server.url_once(),), daemon=True
                ).start()
            await _until(ended, engine)
    finally:
        where = server.board.close()
        await server.close()
        await engine.close()
        if where is not None:
            say(console, where)


def _tell_address(console: Console, server: WebServer, path: Path) -> None:
    """Say where the board is, who can open it, and where its games are saved."""
    who = _("Only this machine can open it.")
    if server.is_open:
        who = _("Anyone with this address can open it, from any machine.")
    say(console, _("Aino's board: {url}", url=server.url))
    say(console, f"{who} " + _("Games are saved in {path}. Ctrl-C here ends Aino.", path=path))
    if server.is_open:
        _draw_code(console, server.url)


async def _until(ended: asyncio.Event, engine: EngineService) -> None:
    """Make the engine while one waits for the end. Raises AinoErrors if it cannot be made."""
    waiting = asyncio.ensure_future(ended.wait())
    loading = asyncio.ensure_future(engine.prepare())
    await asyncio.wait([waiting, loading], return_when=asyncio.FIRST_COMPLETED)
    if loading.done():
        loading.result()
    await waiting


def _draw_code(console: Console, url: str) -> None:
    """Draw the address as a QR code for a phone's camera, in a terminal, where segno is
    installed.
    """
    try:
        import segno
    except ImportError:
        return
    picture = io.StringIO()
    segno.make(url, micro=False).terminal(picture, border=2, compact=True)
    if console.is_terminal and can_show(console, picture.getvalue()):
        say(console, picture.getvalue())
