"""Learning from the mistakes of a reviewed game: a better move is looked for on the board before it."""

from dataclasses import replace

import chess
import pytest

from engine.board.pgn.game_reader import read_games
from engine.search.limits import Limits
from tests.boards import moves_in
from uci.annotate.move_marks import BLUNDER
from uci.annotate.move_review import GameReview, MoveReview
from uci.annotate.people import PeopleShares
from uci.common.evaluation import Evaluation
from uci.game.timed_game import Setup
from uci.library.reviews import KeptReview
from uci.web.board_game import BoardGame

GAME = "1. e4 e5 2. Bc4 Nc6 3. Qh5 Nf6 4. Qxf7# 1-0"
EVEN = Evaluation(0, None, (300, 400, 300))
MATED = Evaluation(0, 1, (1000, 0, 0))


def reviewed_table(seen_by):
    """A game in which Black's last move is a blunder; Qe7 was better."""
    game = next(read_games(GAME)).game
    moves = []
    for node in game.mainline():
        move = MoveReview(node.ply(), node.parent.board(), node.move, EVEN, EVEN, (node.move,))
        moves.append(move)
    best, reply = moves_in("d8e7 h5f7")
    moves[5] = replace(moves[5], after=MATED, best_line=(best,), mark=BLUNDER, reply_line=(reply,))
    table = BoardGame(Setup(game.end().board(), None, source=game, seen_by=seen_by))
    return table, KeptReview(GameReview(game, EVEN, moves), "fake", Limits(nodes=1), seen_by)


@pytest.fixture
def lesson(visit, tab):
    """Begins to learn, and returns what sends a request and waits for what is said of it."""

    async def begin():
        await tab.state()
        visit.session.put(*reviewed_table(chess.BLACK))
        await ask("learn", here=False)

    async def ask(request, right=lambda lesson: True, **fields):
        await tab.send(request, **fields)
        return (await tab.state(lambda state: state["lesson"] and right(state["lesson"])))["lesson"]

    visit.loop.run(begin())
    return ask


def is_told(lesson):
    return lesson["says"] != ""


async def test_a_move_is_accepted_by_its_own_loss(visit, lesson):
    """Only the moves of the review's list were, and every other one was "not Aino's move"."""
    visit.engine.wdl = (310, 400, 290)
    shown = await lesson("move", is_told, uci="g7g6")
    assert shown["says"].startswith("Also good, it loses little. Qe7 is Aino's choice.")
    assert shown["over"]


async def test_a_try_gets_its_refutation_and_is_no_variation(visit, lesson):
    visit.engine.wdl = (900, 50, 50)
    changes = visit.session.board_game.study.changes
    shown = await lesson("move", is_told, uci="a7a6")
    assert shown["says"].startswith("3... a6?? Blunder: ")
    assert "winning chances drop from 50% to 17%" in shown["says"]
    assert " follows. Try again." in shown["says"]
    assert shown["squares"][0] == [chess.A7, chess.A6]
    assert not shown["over"]
    assert visit.session.board_game.study.changes == changes


async def test_what_was_played_is_known(visit, lesson):
    """It is not searched: the review has looked at it."""
    visit.engine.fail = True
    shown = await lesson("type", is_told, text="Nf6")
    assert shown["says"].startswith("That is what was played. Blunder: ")
    assert "4. Qxf7# follows." in shown["says"]


async def test_aino_shows_no_lines_while_one_looks(visit, lesson):
    visit.engine.limits.clear()
    await lesson("lines", on=True, count=3)
    assert not visit.engine.limits


async def test_all_is_shown_once_one_looks_elsewhere(tab, lesson):
    await tab.send("look", node=6)
    state = await tab.state(lambda state: state["lesson"] is None)
    assert state["here"] == 6
    await tab.message("lines")


async def test_the_answer_is_shown(lesson):
    shown = await lesson("learn_answer", is_told)
    assert shown["says"].startswith("The answer: Qe7 is better. 3... Nf6: Blunder: ")
    assert shown["over"]
    assert shown["squares"] == [[chess.D8, chess.E7]]


async def test_mistakes_come_in_the_order_of_the_game(visit, tab):
    """The third one of the game came first, because more players would have seen its answer."""
    await tab.state()
    table, kept = reviewed_table(chess.BLACK)
    moves = kept.review.moves
    moves[5] = replace(moves[5], people=PeopleShares(1500, 0.3, 0.4))
    moves[3] = replace(moves[3], mark=BLUNDER, people=PeopleShares(1500, 0.3, 0.01))
    table.study.look(table.study.root)
    visit.session.put(table, kept)
    seen = []
    for _ in range(3):
        await tab.send("learn", here=False)
        shown = (await tab.state_with("lesson"))["lesson"]
        seen.append((shown["node"], shown["asks"].partition(". ")[0]))
    assert seen == [(4, "Mistake 1 of 2"), (6, "Mistake 2 of 2"), (4, "Mistake 1 of 2")]


async def test_a_game_without_a_mistake_teaches_nothing(tab):
    await tab.send("learn", here=False)
    assert "no mistake to learn from" in await tab.said()
