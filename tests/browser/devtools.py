"""A headless Chromium that tests drive as a person would, over its DevTools protocol: mouse, keys,
window.
"""

import asyncio
import contextlib
import json
import subprocess
import time
from urllib.parse import quote
from urllib.request import Request, urlopen

from tornado.websocket import websocket_connect

from tests.new_process import running

WAIT_S = 200.0  # a test that waits longer for the page has failed
_POLL_S = 0.03
_KEY_CODES = {"Enter": 13, "Escape": 27, "Tab": 9, "Home": 36, "End": 35, "ArrowLeft": 37, "ArrowUp": 38,
              "ArrowRight": 39, "ArrowDown": 40, "Delete": 46}  # fmt: skip


class ProtocolError(Exception):
    """The browser cannot carry out a command, as while a page gives way to another."""


@contextlib.contextmanager
def chromium_running(program, profile):
    """A browser that does not outlive its block, whether it starts or not."""
    flags = """--headless=new --no-sandbox --disable-gpu --hide-scrollbars
        --remote-debugging-port=0 --remote-allow-origins=*""".split()
    command = [program, *flags, f"--user-data-dir={profile}", "about:blank"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running(command, **silent) as process, asyncio.Runner() as runner:
        browser = Chromium(_port_of(process, profile), runner)
        yield browser
        for tab in browser.tabs:
            tab.close()
        process.terminate()


def _port_of(process, profile):
    """The port on which a browser that starts listens."""
    port_file = profile / "DevToolsActivePort"
    deadline = time.monotonic() + WAIT_S
    while not port_file.exists() or not port_file.read_text().strip():
        assert process.poll() is None, "the browser ended"
        assert time.monotonic() < deadline, "the browser did not start"
        time.sleep(_POLL_S)
    return int(port_file.read_text().splitlines()[0])


class Chromium:
    """A running browser; `open` gives its tabs."""

    def __init__(self, port, runner):
        self._port = port
        self._runner = runner
        self.tabs = []

    def open(self, url, width=1280, height=800, dark=False):
        """A new tab with a window of that size in CSS pixels. It knows nothing of what another test
        chose.
        """
        request = Request(
            f"http://127.0.0.1:{self._port}/json/new?{quote('about:blank')}", method="PUT"
        )
        with urlopen(request, timeout=WAIT_S) as answer:
            address = json.load(answer)["webSocketDebuggerUrl"]
        tab = Tab(self._runner, address)
        self.tabs.append(tab)
        tab.resize(width, height, dark)
        tab.call("Network.clearBrowserCookies")
        tab.go(url)
        return tab


class Tab:
    """One tab. Places are CSS selectors; `script` runs JavaScript and returns what it is worth."""

    def __init__(self, runner, address):
        self._runner = runner
        self._socket = runner.run(self._connect(address))
        self._number = 0
        self.failures = []  # errors of the page's scripts
        # while the mouse is used: the sum of 1 (Alt), 2 (Ctrl), 4 (Meta) and 8 (Shift)
        self.held_keys = 0
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    @staticmethod
    async def _connect(address):
        return await websocket_connect(address, max_message_size=100 * 2**20)

    def call(self, method, **params):
        """The answer to one command of the protocol."""
        return self._runner.run(self._ask(method, params))

    async def _ask(self, method, params):
        self._number += 1
        await self._socket.write_message(
            json.dumps({"id": self._number, "method": method, "params": params})
        )
        while True:
            async with asyncio.timeout(WAIT_S):
                text = await self._socket.read_message()
            assert text is not None, f"the tab has gone during {method}"
            message = json.loads(text)
            self._note(message)
            if message.get("id") == self._number:
                if "error" in message:
                    raise ProtocolError(f"{method}: {message['error']}")
                return message.get("result", {})

    def _note(self, message):
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.failures.append(details.get("exception", {}).get("description", details["text"]))
        elif message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.failures.append(params["entry"]["text"])

    def go(self, url):
        """Opens an address and waits until it is loaded."""
        self.script("window.isOld = true")
        # else it is the same page, at another place
        if "loaderId" in self.call("Page.navigate", url=url):
            self.wait_for("!window.isOld && document.readyState === 'complete'")

    def resize(self, width, height, dark=False):
        """The window's size, and the colour scheme that the person prefers."""
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def script(self, text, until=""):
        """The value of a JavaScript expression; until: what it leads to, as in `wait_for`."""
        answer = self.call(
            "Runtime.evaluate", expression=text, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, f"{text}: {answer['exceptionDetails']}"
        if until:
            self.wait_for(until)
        return answer["result"].get("value")

    def wait_for(self, condition):
        """Waits until a JavaScript expression is true and returns its value.

        It has to stay true until the test goes on: what passes by itself may have passed between
        two looks.
        """
        deadline = time.monotonic() + WAIT_S
        while True:
            with contextlib.suppress(ProtocolError):
                if value := self.script(f"document.readyState === 'complete' && ({condition})"):
                    return value
            assert time.monotonic() < deadline, f"never true: {condition}; {self.failures}"
            time.sleep(_POLL_S)

    def text(self, place):
        """The text shown at a place."""
        return str(self.script(f"document.querySelector({json.dumps(place)}).innerText"))

    def box(self, place):
        """Where a place is in the window, and its size."""
        return self.script(
            f"document.querySelector({json.dumps(place)}).getBoundingClientRect().toJSON()"
        )

    def middle(self, place):
        """The middle of a place, once it is on the screen: the server may have to answer before a
        dialog opens.
        """
        x, y = self.wait_for(f"""(() => {{
          const place = document.querySelector({json.dumps(place)});
          place.scrollIntoView({{ block: "nearest" }});
          const box = place.getBoundingClientRect();
          return box.width > 0 && [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        return x, y

    def click(self, place, until=""):
        """A click where the mouse reaches the place, in one step with the look: what is above may
        grow.
        """
        self.wait_for(f"""(() => {{
          const place = document.querySelector({json.dumps(place)});
          if (!place || place.disabled) return false;
          place.scrollIntoView({{ block: "nearest" }});
          const box = place.getBoundingClientRect();
          if (!place.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2))) return false;
          place.focus({{ preventScroll: true }});
          place.click();
          return true;
        }})()""")
        if until:
            self.wait_for(until)

    def drag(self, points, button="left"):
        """Presses the mouse at the first point, moves through the others and releases it."""
        self.hold(points[0], button)
        for point in points[1:]:
            self._mouse("mouseMoved", point)
        self.let_go(points[-1], button)

    def hold(self, point, button="left"):
        """Presses the mouse at a point and keeps it down."""
        self._mouse("mouseMoved", point)
        self._mouse("mousePressed", point, button)

    def let_go(self, point, button="left"):
        """Releases the mouse."""
        self._mouse("mouseReleased", point, button)

    def _mouse(self, kind, point, button="none"):
        buttons = 0 if kind == "mouseReleased" else 2 if button == "right" else 1
        self.call("Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], button=button, buttons=buttons,
                  modifiers=self.held_keys, clickCount=0 if kind == "mouseMoved" else 1)  # fmt: skip

    def press(self, key):
        """One key: a character, or a name such as ArrowLeft."""
        code = _KEY_CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        fields = {"key": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self.call("Input.dispatchKeyEvent", type="keyDown", **fields)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text):
        """A text, letter by letter, where the focus is."""
        for letter in text:
            self.press(letter)

    def close(self):
        """Closes the tab; a second time does nothing."""
        if self._socket is not None:
            self._runner.run(self._leave())

    async def _leave(self):
        await self._socket.write_message(json.dumps({"id": 0, "method": "Page.close"}))
        # until the browser closes the connection
        while await self._socket.read_message() is not None:
            pass
        self._socket.close()
        self._socket = None
