"""The web board's server: who is served what, which messages it takes, and how browsers name it."""

import inspect
import json
import socket
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from engine.errors import ConfigError, DataError
from tests.uci.web.web_visit import Visit, sans, with_board
from uci.web.dispatch import REQUESTS
from uci.web.request_forms import LONGEST, LONGEST_MESSAGE, read_request
from uci.web.server import BoardSocket


async def test_page_is_served_to_who_knows_the_token(visit):
    page = await visit.get(f"/{visit.server.token}/")
    assert page.code == 200
    text = page.body.decode()
    assert "<title>Aino</title>" in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert text.count(f'nonce="{nonce}"') == 1
    assert page.headers["X-Frame-Options"] == "DENY"
    again = await visit.get(f"/{visit.server.token}/")
    assert again.headers["Content-Security-Policy"] != policy


@pytest.mark.parametrize(("code", "language"), [("de", "de"), ("fr", "fr"), ("", ""), ("x;y", "")])
async def test_a_page_comes_in_the_language_just_chosen(visit, code, language):
    """The page set the cookie itself and reloaded: on a busy machine the reload came first, in the
    old language.
    """
    headers = {"Cookie": "aino-language=fr", "Accept-Language": "de"}
    page = await visit.get(f"/{visit.server.token}/?language={quote(code)}", **headers)
    assert f'<html lang="{language or "de"}"' in page.body.decode()
    assert page.headers["Set-Cookie"].startswith(
        (f"aino-language={language};", f'aino-language="{language}";')
    )
    page = await visit.get(f"/{visit.server.token}/", **headers)
    assert '<html lang="fr"' in page.body.decode()
    assert "Set-Cookie" not in page.headers


async def test_nothing_else_is_served(visit):
    paths = """/ /wrong/ /wrong/game.pgn /favicon.ico /../etc/passwd /TOKEN/other /once/ /once/x
        /once/socket"""
    for path in paths.split():
        answer = await visit.get(path.replace("TOKEN", visit.server.token))
        assert answer.code == 404
        assert visit.server.token not in answer.body.decode()


def path_of(url):
    return "/" + url.split("/", 3)[3]


async def test_the_browser_is_led_to_the_page_by_an_address_without_the_token(visit):
    """All users of a machine could read the token among the browser's arguments."""
    once = visit.server.url_once()
    assert visit.server.token not in once
    page = await visit.get(path_of(once))
    assert page.code == 200
    assert page.effective_url == visit.server.url


@pytest.mark.parametrize("spend", ["use", "wait some minutes", "make another"])
async def test_that_address_dies(visit, spend):
    once = path_of(visit.server.url_once())
    if spend == "use":
        await visit.get(once)
    elif spend == "make another":
        visit.server.url_once()
    else:
        visit.server._once_until -= 301
    again = await visit.get(once)
    assert again.code == 404
    assert visit.server.token not in again.body.decode()


@pytest.mark.parametrize(
    "look", [{"method": "HEAD"}, {"Host": "evil.example:80"}], ids=["head", "host"]
)
async def test_a_look_at_that_address_does_not_spend_it(visit, look):
    once = path_of(visit.server.url_once())
    await visit.get(once, **look)
    assert (await visit.get(once)).code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", ""])
async def test_socket_is_closed_to_other_origins(visit, origin):
    with pytest.raises(Exception, match="403"):
        await visit.tab(Origin=origin)
    assert not visit.server.tabs


async def test_a_message_that_is_too_long_closes_its_socket(tab):
    await tab.state()
    await tab.socket.write_message("x" * (LONGEST_MESSAGE + 1))
    while await tab.read() is not None:
        pass


async def test_a_page_may_open_its_connection_again(visit):
    for _ in range(10):  # none has ended yet when the next begins
        assert (await (await visit.tab("one")).until(lambda message: True)).get("steps")


async def test_tabs_that_are_too_many_are_turned_away(visit, tab):
    await tab.state()
    tabs = [await visit.tab() for _ in range(9)]
    assert await tabs[-1].read() is None
    assert tabs[-1].socket.close_code == 4000
    assert (await tabs[1].until(lambda message: True))["do"] == "busy"


async def code_for(visit, host):
    return (await visit.get(f"/{visit.server.token}/", Host=f"{host}:{visit.server.port}")).code


async def test_other_machines_are_not_served(visit):
    assert visit.server.url.startswith("http://127.0.0.1:")
    assert not visit.server.is_open
    assert await code_for(visit, "192.168.1.7") == 403


@with_board({"host": "0.0.0.0"})
async def test_other_machines_are_served_where_that_is_asked_for(visit, tmp_path):
    assert visit.server.is_open
    assert "0.0.0.0" not in visit.server.url
    hosts = "127.0.0.1 192.168.1.7 localhost evil.example 1.2.3.4.evil.example"
    codes = [await code_for(visit, host) for host in hosts.split()]
    assert codes == [200] * 3 + [403] * 2
    with pytest.raises(ConfigError, match=f"port {visit.server.port}"):
        Visit(tmp_path, host="0.0.0.0", port=visit.server.port)


async def test_each_server_has_a_long_token_of_its_own(visit, tmp_path):
    neighbour = Visit(tmp_path)
    assert len(visit.server.token) >= 32
    assert neighbour.server.token != visit.server.token
    await neighbour.close()


def test_a_long_comment_of_a_file_can_be_corrected():
    """One of over 4,000 letters was shown, and could not be written again."""
    request = {"do": "comment", "node": 1, "text": "x" * 100_000}
    assert read_request(json.dumps(request), REQUESTS)[1]["text"] == request["text"]


@pytest.mark.parametrize("letter", ["x", "\u20ac", "\x01"])
async def test_a_pgn_that_is_too_long_is_refused_in_words(tab, letter):
    """A message that is too long closes the socket, so that every text of the greatest length must
    fit into one.
    """
    await tab.state()
    for length in (LONGEST["pgn"], LONGEST["pgn"] + 1):
        text = ("1. e4 {" + letter * length)[: length - 3] + "} *"
        await tab.socket.write_message(
            json.dumps({"do": "load", "text": text, "game": 1}, ensure_ascii=False)
        )
        if length == LONGEST["pgn"]:
            await tab.without_game()
        else:
            assert "load: bad value of text" in await tab.said()


# One with dots and slashes wrote outside the folder.
NO_KEYS = [
    "../../../../x",
    "",
    "0" * 23,
    "0" * 25,
    "G" * 24,
    f"{'0' * 24}\n",
    5,
    None,
    "\ud800" * 24,
]
REFUSED = {
    "a message in JSON": ["", "[" * 100_000],
    'without a known "do"': ["[]", "{}", "null", "1", '"move"', '{"do": 1}', '{"do": "close"}'],
    "expected the fields": ['{"do": "move"}', '{"do": "hint", "x": 1}', '{"do": "look", "ply": 0}'],
    "bad value of": [
        '{"do": "move", "uci": 1}', '{"do": "move", "uci": "e2e4e5"}', '{"do": "look", "node": true}',
        '{"do": "look", "node": -1}', '{"do": "explore", "moves": "e2e4"}', '{"do": "explore", "moves": [1]}',
        '{"do": "lines", "on": true, "count": 999}', '{"do": "games_review", "key": "../x"}',
        '{"do": "new", "side": "red", "level": "", "clock": "", "fen": "", "chess960": ""}',
        '{"do": "games_delete", "keys": ["../../x"]}', '{"do": "games_delete", "keys": {"' + "0" * 24 + '": ""}}',
        *(json.dumps({"do": "games_continue", "key": key}) for key in NO_KEYS),
    ],
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_messages_of_another_form_are_refused(words):
    for text in REFUSED[words]:
        with pytest.raises(DataError, match=words):
            read_request(text, REQUESTS)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_takes_the_fields_of_its_message(name):
    action, fields = REQUESTS[name]
    signature = inspect.signature(action)
    games = {"games": None} if "games" in signature.parameters else {}  # the worker adds them
    signature.bind(None, **games, **fields)


async def test_a_second_click_on_play_here_does_not_close_the_page(visit, tab):
    await tab.state()
    second = await visit.tab()
    await second.message("busy")
    for _ in range(2):
        await second.socket.write_message('{"do":"take_over"}')
    await second.state()
    await second.send("move", uci="e2e4")
    assert sans(await second.state(lambda state: len(state["steps"]) > 1))[0] == "e4"


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


KNOWN = [
    ("127.0.0.1", "127.0.0.1", True),  # Browsers leave out the port of http.
    ("127.0.0.1", "LocalHost:9000", True),  # of a tunnel, or of a container's host
    ("Aino.local", "aino.local:8080", True),
    ("::1", "[::1]:8080", True),
    ("::", "[fe80::7]:8080", True),
    ("127.0.0.1", "", False),
    ("127.0.0.1", ":80", False),
    ("127.0.0.1", "[::1", False),
    ("127.0.0.1", "127.0.0.1:80:80", False),
    ("127.0.0.1", "127.0.0.1:x; script-src *", False),
]


async def test_a_server_knows_its_names(visit):
    for listens, host, is_own in KNOWN:
        visit.server.host = listens
        assert visit.server.knows(host) == is_own, (listens, host)


@pytest.mark.parametrize(
    ("host", "origin", "same"),
    [
        ("localhost", "http://localhost", True),
        ("LOCALHOST:80", "http://localhost", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("localhost", "http://localhost.foreign.example", False),
        ("localhost", "null", False),
        ("127.0.0.1:8080", "http://127.0.0.1:1", False),
        ("127.0.0.1:8080", "https://127.0.0.1:8080", False),
    ],
)
def test_a_page_of_the_server_may_open_its_socket(host, origin, same):
    socket = SimpleNamespace(request=SimpleNamespace(host=host))
    assert BoardSocket.check_origin(socket, origin) == same


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
@with_board({"host": "::1"}, {"host": "::"})
async def test_a_server_listens_on_addresses_of_ipv6(visit):
    everywhere = visit.server.host == "::"
    assert visit.server.url.startswith(f"http://[::1]:{visit.server.port}/") != everywhere
    assert visit.server.is_open == everywhere
    tab = await visit.tab(Origin=visit.server.url.rpartition("/")[0].rpartition("/")[0])
    assert (await tab.state())["isGame"]
