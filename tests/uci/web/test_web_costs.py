"""What requests cost: work that grows as the game does, messages of what changed, nothing long in the event loop."""

import json
import threading
from collections.abc import Callable
from typing import Any

import chess
import chess.pgn
import pytest

from engine.board.pgn.game_reader import read_games
from uci.annotate.game_page import game_section
from uci.annotate.review import GameReview, MoveReview
from uci.terminal.verdict import Verdict
from uci.web.beginnings import loaded_game
from uci.web.snapshot import snapshot
from uci.web.table import Table

EVEN = Verdict(0, None, (300, 400, 300))
MOVES = [chess.Move.from_uci(uci) for uci in ("g1f3", "g8f6", "f3g1", "f6g8")]


def nested(count: int) -> str:
    """A game of two plies with variations, each inside the one before."""
    game = chess.pgn.Game()
    node: chess.pgn.GameNode = game
    for ply in range(count):
        move = MOVES[ply % 4]
        node.add_variation(next(other for other in node.board().legal_moves if other != move))
        node = node.add_variation(move)
    return str(game)


def beside(count: int) -> str:
    """A long game with a variation of each move."""
    game = chess.pgn.Game()
    node: chess.pgn.GameNode = game
    for ply in range(count):
        move = MOVES[ply % 4]
        following = node.add_variation(move)
        node.add_variation(next(other for other in node.board().legal_moves if other != move))
        node = following
    return str(game)


def load(text: str) -> None:
    snapshot(Table(loaded_game(text, 1)[0]), is_new=True)


def review_page(text: str) -> None:
    game = next(read_games(text)).game
    board, moves = game.board(), list[MoveReview]()
    for move in game.mainline_moves():
        moves.append(MoveReview(len(moves) + 1, board.copy(stack=False), move, EVEN, EVEN, (move,), 0.0, None))
        board.push(move)
    game_section(GameReview(game, EVEN, moves), 1, "")


@pytest.mark.parametrize("make", [nested, beside])
@pytest.mark.parametrize("act", [load, review_page])
def test_twice_as_many_variations_are_twice_the_work(act, make, monkeypatch):
    """50 nested variations took 0.8 s, 80 took 3.2 s: each move's board was made from the start of the game."""
    counts = []
    push = chess.Board.push

    def counting(board: chess.Board, move: chess.Move) -> None:
        counts[-1] += 1
        push(board, move)

    texts = [make(30), make(60)]
    monkeypatch.setattr(chess.Board, "push", counting)
    for text in texts:
        counts.append(0)
        act(text)
    assert counts[1] < 2.3 * counts[0], counts


@pytest.mark.parametrize("make", [nested, beside])
def test_a_step_is_told_in_few_bytes_however_many_variations_there_are(make: Callable[[int], str]) -> None:
    """The state sent at each arrow key held the whole game, 0.9 MB of a large one."""
    table = Table(loaded_game(make(300), 1)[0])
    assert len(json.dumps(snapshot(table, is_new=True))) > 50_000
    for number in (0, 1, 300):
        table.look(table.tree.node(number))
        assert len(json.dumps(snapshot(table, is_new=False))) < 3000


def test_a_step_moves_the_board_by_one_move(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(loaded_game(beside(400), 1)[0])
    table.look(table.tree.game)
    pushed = list[chess.Move]()
    push = chess.Board.push
    monkeypatch.setattr(chess.Board, "push", lambda board, move: (pushed.append(move), push(board, move))[1])
    for node in [*table.tree.game.mainline()][:10]:
        table.look(node)
    assert len(pushed) == 10
    table.look(table.last)
    assert len(pushed) == 10, "the position at the end is known"


async def test_games_are_read_and_pages_made_on_threads(visit, tab, monkeypatch):
    """A file of 67 KB with 1,167 variations stopped the clocks and all pages for ten seconds."""
    seen: dict[str, bool] = {}

    def watched(place: str) -> None:
        module, _, name = place.rpartition(".")
        real = getattr(__import__(module, fromlist=[name]), name)

        def call(*words: Any, **fields: Any) -> Any:
            seen[place] = threading.current_thread() is not loop
            return real(*words, **fields)

        monkeypatch.setattr(place, call)

    loop = threading.current_thread()
    places = ("uci.web.analysis_mode.loaded_game", "uci.web.server.render", "uci.web.server.game_text",
              "tests.uci.web.web_visit.save_game")  # fmt: skip
    for place in places:
        watched(place)
    await tab.played("e2e4")
    await tab.send("load", text="1. e4 e5 *", game=1)
    await tab.send("look", node=1)  # waits until the game is there
    await tab.state(lambda state: not state["isGame"] and state["here"] == 1)
    assert "1. e4 e5" in (await visit.get(f"/{visit.server.token}/game.pgn")).body.decode()
    assert (await visit.get(f"/{visit.server.token}/")).code == 200
    assert seen == dict.fromkeys(places, True)
