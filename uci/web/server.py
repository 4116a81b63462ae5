"""The web server of the board: one page, its socket, the game and the review, for browsers on this
machine by default.

What keeps others out: the server listens on 127.0.0.1, unless another address is asked for; the
page's address holds a secret token, and the browser is started with an address that leads there
once, because all users of a machine can read what programs are started with; the Host header must
be the address that is listened on, or a number where that is every address, so that no foreign name
that resolves to it is served; the socket's Origin must be the server's own; a page may load nothing
from anywhere, and no other page may frame it; all sizes are bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
from collections.abc import Callable
from functools import partial
from typing import IO, Any, Protocol

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from engine.board.pgn.annotations import GLYPHS
from engine.native.uptime import uptime_s
from engine.pages.board import Facts, Tell
from uci.catalogues import spoken_languages
from uci.game.level import SCALE, level_choices
from uci.language import _, show_own_letters, shows_own_letters, speak
from uci.library.game_files import is_key
from uci.pages.render import render
from uci.web.addresses import (
    ADDRESS,
    EVERY_ADDRESS,
    is_number,
    listening_socket,
    name_and_port,
    own_address,
)
from uci.web.games_service import GamesService
from uci.web.request_forms import LONGEST, LONGEST_MESSAGE

_MOST_TABS = 8  # most tabs open at a time; all but one of them wait
_LONGEST_HEADERS = 16_384  # bytes
_LONGEST_BODY = 0  # bytes; nothing is posted but files of games
_LARGEST_FILE = 1 << 36  # bytes
_EMPTY_S = 2.0
_ONCE_S = 300.0  # within which a browser has to start
_PING_S = 15.0  # a browser that vanished without closing its socket is noticed after this time
# Cookies for choices, kept for a year.
_LANGUAGE = "aino-language"
_LETTERS = "aino-letters"
_KEPT_S = 31_536_000
# Of every answer, until its handler says more.
_HEADERS = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_GONE = 4000  # close code of a socket that is one tab too many


class Board(Protocol):
    """What the server needs of the board that it serves; `dispatch.py` has it."""

    @property
    def games(self) -> GamesService: ...
    def arrive(self) -> None: ...
    def leave(self) -> None: ...
    def close(self) -> str | None: ...
    def receive(self, text: str | bytes) -> None: ...
    def game_file(self) -> tuple[str, Callable[[], str]]: ...
    def review_page(self) -> Callable[..., str] | None: ...


class WebServer:
    """Listens from the start, on a free port where none is given; `url` is the page's address.
    Raises ConfigError.

    `on_empty` is called when the last tab has been closed for some seconds, and the game waits.
    """

    def __init__(
        self,
        board_for: Callable[[Tell], Board],
        on_empty: Callable[[], None] = lambda: None,
        host: str = ADDRESS,
        port: int = 0,
    ) -> None:
        self.host = host
        self.token = secrets.token_urlsafe(24)
        # The address that leads to the page once.
        self._once = ""
        self._once_until = 0.0
        self.tabs: list[BoardSocket] = []  # the first one is at the board
        self.board = board_for(self._tell)
        self._on_empty = on_empty
        self._is_closed = False
        routes = [(r"/once/([\w-]+)", OnceHandler), (r"/([\w-]+)/", PageHandler), (r"/([\w-]+)/socket", BoardSocket),
                  (r"/([\w-]+)/review", ReviewHandler), (r"/([\w-]+)/game\.pgn", GameHandler),
                  (r"/([\w-]+)/import", ImportHandler), (r"/([\w-]+)/export", ExportHandler)]  # fmt: skip
        application = Application(
            [(pattern, handler, {"server": self}) for pattern, handler in routes],
            default_handler_class=NothingHere,
            default_handler_args={"server": self},
            log_function=lambda handler: None,
            websocket_max_message_size=LONGEST_MESSAGE,
            websocket_ping_interval=_PING_S,
        )
        listening = listening_socket(host, port)
        self.port = listening.getsockname()[1]
        self._http = HTTPServer(
            application, max_header_size=_LONGEST_HEADERS, max_body_size=_LONGEST_BODY
        )
        self._http.add_socket(listening)

    @property
    def url(self) -> str:
        """The address of the page, with the token."""
        return f"{self._place}/{self.token}/"

    @property
    def _place(self) -> str:
        name = self.host
        if name in EVERY_ADDRESS:
            name = own_address()
        if ":" in name:
            name = f"[{name}]"
        return f"http://{name}:{self.port}"

    def url_once(self) -> str:
        """Return an address that leads to the page once, within some minutes. The one before is
        dead.
        """
        self._once = secrets.token_urlsafe(24)
        self._once_until = uptime_s() + _ONCE_S
        return f"{self._place}/once/{self._once}"

    def spend(self, secret: str) -> bool:
        """Whether this is the secret of `url_once`; from here on it is none."""
        is_right = hmac.compare_digest(secret.encode(), self._once.encode())
        if not is_right or not secret or uptime_s() > self._once_until:
            return False
        self._once = ""
        return True

    @property
    def is_open(self) -> bool:
        """Whether other machines can reach it."""
        return not self.host.startswith("127.") and self.host not in ("localhost", "::1")

    def knows(self, host: str) -> bool:
        """Whether a Host header names this server, at any port, as of a tunnel. A name bound to it
        does not.
        """
        name, port = name_and_port(host)
        return port.isdecimal() and (
            name in (self.host.lower(), ADDRESS, "::1", "localhost")
            or (self.host in EVERY_ADDRESS and is_number(name))
        )

    def _tell(self, message: Facts) -> None:
        """Send a message to the tab that is at the board, if there is one."""
        if self.tabs:
            self.tabs[0].send(message)

    def arrived(self, tab: BoardSocket) -> None:
        """Take a new tab to the board, or tell it that another one is there."""
        # Connections that its page lost unseen.
        lost = [other_tab for other_tab in self.tabs if other_tab.page == tab.page]
        if len(self.tabs) - len(lost) >= _MOST_TABS:
            tab.close(_GONE, "too many tabs")
            return
        if lost:
            self.tabs = [tab if open_tab in lost else open_tab for open_tab in self.tabs]
        else:
            self.tabs = [*self.tabs, tab]
        for lost_tab in lost:
            lost_tab.close()
        if tab is self.tabs[0]:
            self.board.arrive()
        else:
            tab.send({"do": "busy"})

    def left(self, tab: BoardSocket) -> None:
        """Let the next tab take the place of one that was closed, or let the game wait."""
        was_first = tab in self.tabs[:1]
        self.tabs = [open_tab for open_tab in self.tabs if open_tab is not tab]
        if was_first:
            self.board.leave()
            if self.tabs:
                self.board.arrive()
            else:  # a page that is only reloaded comes back at once
                asyncio.get_running_loop().call_later(_EMPTY_S, self._tell_empty)

    def _tell_empty(self) -> None:
        if not self.tabs and not self._is_closed:
            self._on_empty()

    def take_over(self, tab: BoardSocket) -> None:
        """Take a waiting tab to the board; the one that was there waits."""
        if tab in self.tabs[1:]:
            self.tabs[0].send({"do": "busy"})
            self.tabs.sort(key=lambda open_tab: open_tab is not tab)
            self.board.arrive()

    async def close(self) -> None:
        """Close all connections."""
        self._is_closed = True
        self._http.stop()
        while self.tabs:  # Each is away from the board from here on.
            self.tabs.pop().close(1001, "Aino has ended")
        await self._http.close_all_connections()


class _Guarded(RequestHandler):
    """Answers only requests that name this machine and know the token."""

    def initialize(self, server: WebServer) -> None:
        self.server = server

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        if not self.server.knows(self.request.host):
            raise HTTPError(403, reason="Unknown host")
        if not self.is_admitted():
            raise HTTPError(404)
        self.speak()

    def is_admitted(self) -> bool:
        """Whether the address holds the token."""
        token = self.path_args[0] if self.path_args else ""
        return hmac.compare_digest(token.encode(), self.server.token.encode())

    def speak(self) -> None:
        """From here on sentences and letters are those that were chosen on the page, else the
        browser's and SAN's.
        """
        self.chosen = self.get_query_argument("language", self.get_cookie(_LANGUAGE)) or ""
        speak(self.chosen, self.request.headers.get("Accept-Language", ""))
        letters = self.get_query_argument("letters", self.get_cookie(_LETTERS))
        show_own_letters(None if letters is None else letters == "on")

    def check_origin(self, origin: str) -> bool:
        """Whether the Origin of a request is this server."""
        scheme, _, host = origin.partition("://")
        return scheme == "http" and name_and_port(host) == name_and_port(self.request.host)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.finish(
            f"{status_code}: {self._reason}. The board's address is in the terminal in which Aino runs.\n"
        )

    def send_pgn(self, name: str, text: str) -> None:
        """Answer with a PGN that the browser saves under a name."""
        self.set_header("Content-Type", "application/x-chess-pgn; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(text)

    async def show_page(self, page: Callable[..., str]) -> None:
        """Answer with the page for a nonce, whose own script is the only one that runs. A thread
        makes the page.
        """
        nonce = secrets.token_urlsafe(16)
        rules = {
            "default-src": "'none'", "script-src": f"'nonce-{nonce}'", "style-src": "'unsafe-inline'",
            "img-src": "data:", "connect-src": f"'self' ws://{self.request.host}", "frame-ancestors": "'none'",
            "base-uri": "'none'", "form-action": "'none'",
        }  # fmt: skip
        self.set_header(
            "Content-Security-Policy", "; ".join(f"{name} {value}" for name, value in rules.items())
        )
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(await asyncio.to_thread(page, nonce=nonce))


class OnceHandler(_Guarded):
    """The address with which the browser is started."""

    def is_admitted(self) -> bool:
        return True  # `get` asks, so that a look at the head spends nothing

    def get(self, secret: str) -> None:
        """Lead to the page, once."""
        if not self.server.spend(secret):
            raise HTTPError(404, reason="This address worked once")
        self.redirect(f"/{self.server.token}/", status=303)


class NothingHere(_Guarded):
    """Every other address."""

    def prepare(self) -> None:
        super().prepare()
        raise HTTPError(404)


class PageHandler(_Guarded):
    """The board."""

    async def get(self, token: str) -> None:
        """Answer with the page. `?language=CODE` and `?letters=on` choose; a cookie set by a page
        may be late.
        """
        choices = {"language": self.chosen if self.chosen in spoken_languages() else "",
                "letters": "on" if shows_own_letters() else "off"}  # fmt: skip
        for name in choices.keys() & self.request.query_arguments.keys():
            self.set_cookie(f"aino-{name}", choices[name], max_age=_KEPT_S, samesite="Lax")
        shown = {
            "languages": spoken_languages(),
            "chosen": self.chosen,
            "levels": level_choices(),
            "scale": _(SCALE),
            "glyphs": GLYPHS,
            "letters": choices["letters"],
        }
        await self.show_page(partial(render, "web.html.j2", title="Aino", longest=LONGEST, **shown))


class ReviewHandler(_Guarded):
    """The review of the game that has ended."""

    async def get(self, token: str) -> None:
        """Answer with the page; 404 while there is none. `?game=KEY` is the review of one of one's
        own games.
        """
        board = self.server.board
        key = self.get_query_argument("game", "")
        if is_key(key):
            with contextlib.suppress(Exception):  # what another version wrote shows as no review
                await self.show_page(
                    lambda nonce: board.games.kept_review(key).result().page(nonce)
                )
                return
        page = None if key else board.review_page()
        if page is None:
            raise HTTPError(404, reason="No game has been reviewed")
        await self.show_page(page)


class GameHandler(_Guarded):
    """The game as a PGN file to save."""

    async def get(self, token: str) -> None:
        """Answer with the file."""
        name, make_text = self.server.board.game_file()
        self.send_pgn(name, await asyncio.to_thread(make_text))


class ExportHandler(_Guarded):
    """The file that was made of chosen games."""

    async def get(self, token: str) -> None:
        """Answer with the latest one; 404 where there is none."""
        exported = self.server.board.games.exported
        if exported is None:
            raise HTTPError(404, reason="No games were chosen")
        self.send_pgn(exported.name, exported.text)


@stream_request_body
class ImportHandler(_Guarded):
    """Takes in a file of one's own games, of any size."""

    _file: IO[bytes] | None = None
    _problem = ""  # why it could not be written to the disk

    def prepare(self) -> None:
        super().prepare()
        self._games = self.server.board.games
        origin = self.request.headers.get("Origin", "")
        if self.request.method != "POST" or not self.check_origin(origin):
            raise HTTPError(403, reason="Another origin")
        try:
            self._path = self._games.upload_path(self.get_query_argument("name", "games.pgn"))
            self._file = self._path.open("wb", buffering=0)
        except OSError as error:
            self._problem = str(error)
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection)
        connection.set_max_body_size(_LARGEST_FILE)

    def data_received(self, chunk: bytes) -> None:
        try:
            while self._file is not None and chunk and not self._problem:
                chunk = chunk[self._file.write(chunk) :]
        except OSError as error:  # of a disk that is full
            self._problem = str(error)

    def post(self, token: str) -> None:
        """Close the file and let it be read."""
        if self._problem:
            self.on_connection_close()
            self.set_status(507)
            self.finish(self._problem)
            return
        assert self._file is not None
        self._file.close()
        self._games.take_in(self._path)
        self.finish("taken in\n")

    def on_connection_close(self) -> None:
        """Clean up: the page has gone before the file was here."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)


class BoardSocket(_Guarded, WebSocketHandler):
    """The conversation with one tab."""

    def prepare(self) -> None:
        """Refuse a request with another origin than the server's own, or with none: every browser
        sends one.
        """
        super().prepare()
        if not self.check_origin(self.request.headers.get("Origin", "")):
            raise HTTPError(403, reason="Another origin")

    def open(self, *words: str, **fields: str) -> None:
        self.speak()
        # What tells a page from others.
        self.page: object = self.get_query_argument("page", "") or self
        self.set_nodelay(True)
        self.server.arrived(self)

    def on_message(self, message: str | bytes) -> None:
        self.speak()
        if message == '{"do":"take_over"}':
            self.server.take_over(self)
        elif self.server.tabs[:1] == [self]:
            self.server.board.receive(message)

    def on_close(self) -> None:
        self.server.left(self)

    def send(self, message: Facts) -> None:
        """Send a message, unless the tab is gone."""
        with contextlib.suppress(WebSocketClosedError):  # `on_close` follows
            self.write_message(json.dumps(message))
