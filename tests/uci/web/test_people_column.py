"""What players of a rating would play, beside the lines of the engine."""

import chess

from engine.errors import NetFileError
from tests.boards import board_after
from tests.uci.web.web_visit import with_board
from uci.game.timed_game import Setup

OPENING = board_after("e4 e5 Nf3")


@with_board({"setup": Setup(OPENING, None)})
async def test_the_likeliest_moves_come_first(tab):
    await tab.state()
    await tab.send("people", rating=1400)
    answer = await tab.message("people")
    shares = [move["share"] for move in answer["moves"]]
    assert answer["fen"] == OPENING.fen()
    assert answer["moves"][0]["san"] == "Nc6"
    assert shares == sorted(shares, reverse=True)
    assert 0.8 < sum(shares) <= 1.0
    await tab.send("people", rating=1900)
    assert (await tab.message("people"))["moves"] != answer["moves"]


@with_board({"setup": Setup(chess.Board(), None)})
async def test_a_board_without_the_network_says_so(tab, monkeypatch):
    def missing():
        raise NetFileError("people.dit", "a file", "nothing")

    monkeypatch.setattr("uci.web.analysis_requests._people", missing)
    await tab.send("people", rating=1400)
    assert "people.dit" in await tab.said()
