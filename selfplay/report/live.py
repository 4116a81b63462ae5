"""The page of a run that goes on: made anew for whoever looks at it, on this machine alone.

What keeps others out: the server listens on 127.0.0.1, the page's address holds a secret token, and the Host header
must be that address, so that no foreign name that resolves to it is served. A page may load nothing from anywhere.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from engine.errors import AinoError

LOOPBACK = "127.0.0.1"
REFRESH_S = 15  # seconds until a browser asks again
WORK_SHARE = 0.1  # of the time at most is spent on making pages
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'"


class LivePage:
    """Keeps a page that `build` makes, and makes another one when it is asked for and the last one is old enough."""

    def __init__(self, build: Callable[[], str]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._text, self._old_at = "", 0.0

    def text(self) -> str:
        """Return the page's HTML. What is wrong with the run, such as that it has not begun, becomes the page."""
        with self._lock:
            if (begun := time.monotonic()) >= self._old_at:
                try:
                    self._text = self._build()
                except AinoError as error:
                    self._text = f"<!DOCTYPE html><title>Aino</title><p>{escape(str(error))}</p>"
                ended = time.monotonic()
                self._old_at = ended + max(REFRESH_S / 2, (ended - begun) / WORK_SHARE)
            return self._text


@contextmanager
def serving(page: LivePage) -> Iterator[str]:
    """Serve the page on a free port for the length of the block, which gets its address."""
    token = secrets.token_urlsafe(16)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host, path = self.headers.get("Host", ""), self.path.encode("ascii", "replace")
            names = {f"{name}:{self.server.server_port}" for name in (LOOPBACK, "localhost")}  # type: ignore[attr-defined]
            found = host.lower() in names and hmac.compare_digest(path, f"/{token}/".encode())
            body = (page.text() if found else "nothing here\n").encode(errors="replace")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", f"text/{'html' if found else 'plain'}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cache-Control", "no-store")
            if found:
                self.send_header("Refresh", str(REFRESH_S))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="live page", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}/{token}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
