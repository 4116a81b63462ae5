"""The web board's table: rules, clocks, variations, PGN; and what requests cost, which grows as the
game does.
"""

import pkgutil
import threading
from functools import partial
from unittest.mock import Mock

import chess.pgn
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.board.pgn.game_reader import read_games
from engine.errors import MoveError
from engine.pages.board import legal_moves
from tests.boards import board_after, moves_in
from tests.uci.play.terminal_game import Time
from uci.annotate.game_page import game_section
from uci.annotate.move_review import GameReview, MoveReview
from uci.common.evaluation import Evaluation
from uci.game.clock import GameClock, GameTime
from uci.game.ends import end_by_resigning
from uci.game.timed_game import Setup
from uci.web.board_game import BoardGame
from uci.web.new_games import loaded_game
from uci.web.saver import Saver, record_of
from uci.web.snapshot import snapshot

CASTLING = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"


def timed(increment=0):
    """A game of a minute, and the time that its clock reads."""
    time = Time()
    return time, BoardGame(Setup(clock=GameClock(GameTime(60, increment), time)))


def play(table, *moves):
    for text in moves:
        table.play(table.board.parse_san(text))


def test_flag_falls_while_nobody_moves():
    time, table = timed(2)
    play(table, "e4", "e5")
    time.seconds = 59.9
    assert not table.fall_of_flag()
    time.seconds = 60.1
    assert table.fall_of_flag()
    assert table.end.result == "0-1"
    assert table.end.reason == "White lost on time"


def test_a_move_after_the_fall_of_the_flag_is_not_played():
    time, table = timed()
    play(table, "e4", "e5")
    time.seconds = 61
    play(table, "Nf3")
    assert table.plies == 2
    assert table.end is not None


@pytest.mark.parametrize("stop", ["wait", "analyse"])
def test_clocks_wait_with_the_game(stop):
    time, table = timed(2)
    play(table, "e4", "e5")
    time.seconds = 10
    getattr(table, stop)(True)
    assert not table.is_running
    time.seconds = 100
    getattr(table, stop)(False)
    assert table.clock.left(chess.WHITE) == 50
    assert table.clock.running == chess.WHITE


def test_taking_back_gives_the_time_back():
    time, table = timed()
    play(table, "e4", "e5")
    time.seconds = 20
    play(table, "Nf3", "Nc6")
    assert table.take_back()
    assert [move.uci() for move in table.board.move_stack] == ["e2e4", "e7e5"]
    assert table.clock.left(chess.WHITE) == 60
    assert table.clock.running == chess.WHITE


@pytest.mark.parametrize("resigns", [False, True])
def test_the_end_of_a_game_can_be_taken_back(resigns):
    table = BoardGame(Setup())
    play(table, "f3", "e5", "g4", *([] if resigns else ["Qh4#"]))
    if resigns:
        table.finish(end_by_resigning(chess.WHITE))
    assert table.end is not None
    assert table.take_back()
    assert table.end is None
    assert table.plies == 2


def test_the_moves_of_a_loaded_game_are_taken_back():
    table = BoardGame(Setup(board_after("e4 e5 Nf3 Nc6")))
    assert [table.take_back() for _ in range(3)] == [True, True, False]
    assert table.plies == 0
    assert table.first_ply == 0


def analysed(*texts):
    """A game against Aino that is analysed, from its end."""
    table = BoardGame(Setup())
    play(table, *texts)
    table.analyse(True)
    return table


def go(table, number, text):
    """Looks at a node and plays moves there."""
    table.study.look(table.study.node(number))
    table.study.explore(moves_in(text))


def pgn(table):
    return str(record_of(table)).split("\n\n", 1)[1].replace("\n", " ")


def test_a_game_has_any_number_of_variations():
    """The second one deleted the first, without a word."""
    table = analysed("e4", "e5", "Nf3", "Nc6")
    go(table, 0, "e2e4")
    assert table.study.numbers[table.study.here] == 1
    assert table.study.changes == 4, "the game's own moves"
    go(table, 1, "c7c5 g1f3")
    go(table, 1, "e7e6")
    go(table, 0, "d2d4 d7d5")
    go(table, 5, "b1c3")
    assert table.study.shown.fen().startswith("rnbqkbnr/pp1ppppp/8/2p5/4P3/2N5/PPPP1PPP/R1BQKBNR b")
    assert table.plies == 4
    assert (
        pgn(table)
        == "1. e4 ( 1. d4 d5 ) 1... e5 ( 1... c5 2. Nf3 ( 2. Nc3 ) ) ( 1... e6 ) 2. Nf3 Nc6 *"
    )


def test_what_is_tried_behind_the_end_of_a_game_is_no_part_of_it():
    table = analysed("f3", "e5", "g4")
    go(table, 3, "d7d5")
    assert pgn(table) == "1. f3 e5 2. g4 ( 2. g4 d5 ) *"
    table.analyse(False)
    play(table, "Qh4#")
    assert pgn(table) == "1. f3 e5 2. g4 Qh4# ( 2... d5 ) 0-1"


def test_taking_back_keeps_what_the_person_made():
    table = analysed("e4", "e5", "Nf3", "Nc6")
    go(table, 1, "c7c5")
    go(table, 3, "d7d6")
    assert not table.take_back(), "the key `u` took moves from a game that was over"
    table.analyse(False)
    assert table.take_back()
    assert table.plies == 2
    play(table, "Bc4", "Nc6")
    assert pgn(table) == "1. e4 e5 ( 1... c5 ) 2. Bc4 ( 2. Nf3 d6 ) 2... Nc6 *"


def test_variations_are_changed():
    table = BoardGame(Setup(human=None))
    study = table.study
    go(table, 0, "e2e4 e7e5")
    go(table, 1, "c7c5 g1f3")
    reply = study.node(3)
    study.comment(reply, "Sharp {and} good")
    study.mark(reply, 5)
    assert pgn(table) == "1. e4 e5 ( 1... c5 $5 { Sharp (and) good } 2. Nf3 ) *"
    study.promote(study.node(4))
    assert [move.uci() for move in study.main_line] == ["e2e4", "c7c5", "g1f3"]
    study.delete(study.node(4))
    assert study.numbers[study.here] == 3, "where the deleted move was played"
    study.mark(reply, 0)
    study.comment(reply, "")
    assert pgn(table) == "1. e4 c5 ( 1... e5 ) *"
    with pytest.raises(MoveError, match="not in the game any more"):
        study.node(4)
    table.analyse(False)
    assert table.is_analysing, "a board for analysis is nothing else"


@pytest.mark.parametrize(("act", "at"), [("delete", 0), ("promote", 1)])
def test_words_before_a_variation_stay_with_its_move_where_it_becomes_the_main_line(act, at):
    """Those of a variation left by a deleted main move went to the move before, when read again."""
    text = "1. e4 e5 2. Nf3 ({before} 2. d4 {after}) 2... Nc6 *"
    table = BoardGame(loaded_game(text, 1)[0])
    node = table.study.root.next().next()
    getattr(table.study, act)(node.variations[at])
    again = BoardGame(loaded_game(str(record_of(table)), 1)[0]).study.root.next().next()
    assert again.comment == ""
    assert again.next().comment == "before after"


@pytest.mark.parametrize("act", ["promote", "delete"])
def test_the_moves_of_a_game_stay_what_they_were(act):
    table = analysed("e4", "e5")
    go(table, 1, "c7c5")
    go(table, 1, "c7c6")
    number = 4 if act == "promote" else 2
    if act == "promote":
        table.study.promote(table.study.node(4))  # before the other variation, behind the game
        assert pgn(table) == "1. e4 e5 ( 1... c6 ) ( 1... c5 ) *"
    with pytest.raises(MoveError, match="moves of the game"):
        getattr(table.study, act)(table.study.node(number))
    assert table.plies == 2


@settings(max_examples=30)
@given(st.data())
def test_what_is_looked_at_is_where_its_moves_lead(data):
    """The board goes from place to place by the moves between them."""
    table = BoardGame(Setup(human=None))
    study = table.study

    def any_of(things):
        return data.draw(st.sampled_from(sorted(things, key=str)))

    for _ in range(6):
        node = study.node(any_of(study.news(everything=True)))
        study.look(node)
        assert study.shown == node.board()
        assert study.shown.move_stack == node.board().move_stack
        study.explore([any_of(study.shown.legal_moves)])
        assert study.main_line == [*study.root.mainline_moves()]
    assert str(study.root).partition("\n\n")[2].replace("\n", " ") == pgn(table)


def test_the_page_is_told_what_changed():
    """Each arrow key sent the whole game, 0.9 MB of a large study."""
    table = analysed("e4", "e5", "Nf3")
    state = snapshot(table, is_new=True)
    assert [node.get("san") for node in state["nodes"].values()] == ["", "e4", "e5", "Nf3"]
    table.study.look(table.study.node(2))
    assert snapshot(table, is_new=False)["nodes"] == {}
    table.study.explore(moves_in("f1c4"))
    nodes = snapshot(table, is_new=False)["nodes"]
    assert set(nodes) == {2, 4}
    assert nodes[2]["next"] == [3, 4]
    assert nodes[4]["san"] == "Bc4"
    assert nodes[4]["number"] == "2."
    assert nodes[4]["marked"] == [chess.F1, chess.C4]


def test_moves_are_offered_to_who_may_move():
    table = BoardGame(Setup(human=chess.BLACK))
    state = snapshot(table, is_new=True)
    assert state["legal"] == []
    assert state["thinking"]
    play(table, "e4")
    assert len(snapshot(table, is_new=True)["legal"]) == 20


@pytest.mark.parametrize(("chess960", "castling"), [(False, "e1g1"), (True, "e1h1")])
def test_castling_is_offered_onto_the_rook_as_well_as_beside_it(chess960, castling):
    moves = legal_moves(chess.Board(CASTLING, chess960=chess960))
    assert {target for _source, target, uci in moves if uci == castling} == {chess.G1, chess.H1}


EVEN = Evaluation(0, None, (300, 400, 300))
MOVES = moves_in("g1f3 g8f6 f3g1 f6g8")


def varied(count, goes_on):
    """A game whose every move has a variation; it goes on in the first or the second of the two."""
    node = game = chess.pgn.Game()
    for ply in range(count):
        move = MOVES[ply % 4]
        rival = next(legal for legal in node.board().legal_moves if legal != move)
        for child in (move, rival)[:: -1 if goes_on else 1]:
            node.add_variation(child)
        node = node.variations[goes_on]
    return str(game)


nested, beside = partial(varied, goes_on=1), partial(varied, goes_on=0)


@pytest.mark.parametrize("words", ["startpos", f"position fen {chess.STARTING_FEN}"])
def test_moves_behind_a_pasted_position_are_played(words):
    assert loaded_game(f"{words} moves e2e4 e7e5\n", 1)[0].board == board_after("e4 e5")


def test_a_result_that_the_board_contradicts_is_told():
    fault = loaded_game("1. f3 e5 2. g4 Qh4# 1-0", 1)[2]
    assert fault == "the result is 1-0, but the board shows 0-1"


def load(text):
    snapshot(BoardGame(loaded_game(text, 1)[0]), is_new=True)


def review_page(text):
    game = next(read_games(text)).game
    moves = []
    board = game.board()
    for ply, move in enumerate(game.mainline_moves(), 1):
        moves.append(MoveReview(ply, board.copy(stack=False), move, EVEN, EVEN, (move,)))
        board.push(move)
    game_section(GameReview(game, EVEN, moves), 1, "")


@pytest.mark.parametrize("make", [nested, beside])
@pytest.mark.parametrize("act", [load, review_page])
def test_twice_as_many_variations_are_twice_the_work(act, make, monkeypatch):
    """50 nested variations took 0.8 s, 80 took 3.2 s: each move's board was made from the start of
    the game.
    """
    counts = []
    push = chess.Board.push

    def counting(board, move):
        counts[-1] += 1
        push(board, move)

    texts = [make(20), make(40)]
    monkeypatch.setattr(chess.Board, "push", counting)
    for text in texts:
        counts.append(0)
        act(text)
    assert counts[1] < 2.3 * counts[0], counts


def test_a_step_moves_the_board_by_one_move(monkeypatch):
    table = BoardGame(loaded_game(beside(10), 1)[0])
    table.study.look(table.study.root)
    pushed = []
    push = chess.Board.push
    monkeypatch.setattr(
        chess.Board, "push", lambda board, move: (pushed.append(move), push(board, move))[1]
    )
    for node in [*table.study.root.mainline()][:10]:
        table.study.look(node)
    assert len(pushed) == 10


LONG_WORK = """uci.web.analysis_requests.loaded_game uci.web.server.render uci.web.dispatch.game_text
    uci.web.saver.save_game""".split()


async def test_long_work_is_done_on_threads(visit, tab, monkeypatch):
    """A file of 67 KB with 1,167 variations stopped the clocks and all pages for ten seconds."""
    threads = {}
    for place in LONG_WORK:
        work = pkgutil.resolve_name(place)

        def noted(*words, place=place, real=work, **fields):
            threads[place] = threading.current_thread()
            return real(*words, **fields)

        monkeypatch.setattr(place, noted)
    await tab.played("e2e4")
    await tab.load("1. e4 e5 *")
    await tab.send("look", node=1)  # waits until the game is there
    await tab.state(lambda state: not state["isGame"] and state["here"] == 1)
    assert "1. e4 e5" in (await visit.get(f"/{visit.server.token}/game.pgn")).body.decode()
    assert (await visit.get(f"/{visit.server.token}/")).code == 200
    assert set(threads) == {*LONG_WORK}
    assert threading.current_thread() not in threads.values()


def test_what_is_drawn_on_a_position_is_there_again():
    """It vanished at the next step."""
    table = BoardGame(Setup())
    play(table, "e4", "e5")
    table.study.draw(table.study.last, chess.D8, chess.H4, "red")
    table.study.draw(table.study.last, chess.E5, chess.E5, "green")
    play(table, "Nf3")
    drawn = snapshot(table, is_new=True)["nodes"][2]["drawn"]
    assert sorted(drawn) == [(chess.E5, chess.E5, "green"), (chess.D8, chess.H4, "red")]


def saver_in(folder):
    return Saver(folder, folder / "games.pgn", Mock(), Mock(), Mock())


def test_what_is_drawn_in_a_game_is_saved_with_it(tmp_path):
    saver = saver_in(tmp_path)
    table = BoardGame(Setup())
    saver.begin(table)
    play(table, "e4", "e5")
    saver.finish(table)
    table.study.draw(table.study.last, chess.D8, chess.H4, "yellow")
    saver.finish(table)
    assert "e5 { [%cal Yd8h4] }" in (tmp_path / "games.pgn").read_text()


@pytest.mark.parametrize(
    ("colour", "left"), [("red", []), ("blue", [(chess.D8, chess.H4, "blue")])]
)
def test_an_arrow_drawn_again_goes_or_takes_its_new_colour(colour, left):
    table = BoardGame(Setup())
    for latest in ("red", colour):
        table.study.draw(table.study.root, chess.D8, chess.H4, latest)
    assert table.study.news(True)[0]["drawn"] == left


def test_a_drawing_before_the_first_move_is_no_reason_to_save_a_game(tmp_path):
    saver = saver_in(tmp_path)
    table = BoardGame(Setup())
    saver.begin(table)
    table.study.draw(table.study.root, chess.D8, chess.H4, "red")
    assert saver.finish(table) is None


def test_wiping_leaves_words():
    study = BoardGame(Setup(human=None)).study
    study.comment(study.root, "Words")
    study.draw(study.root, chess.D8, chess.H4, "red")
    study.wipe(study.root)
    assert study.root.comment == "Words"
