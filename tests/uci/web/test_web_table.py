"""The web board's table: rules, clocks, take back, variations, PGN."""

import chess
import chess.pgn
import pytest

from tests.boards import board_after
from tests.uci.play.terminal_game import Time
from uci.game.clock import GameClock, GameTime
from uci.game.ends import end_by_resigning
from uci.game.timed_game import Setup
from uci.web.snapshot import legal_moves, snapshot
from uci.web.table import Table

CASTLING = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"


def timed(increment: int = 0) -> tuple[Time, Table]:
    """A game of a minute, and the time that its clock reads."""
    time = Time()
    return time, Table(Setup(clock=GameClock(GameTime(60, increment), time)))


def play(table: Table, *moves: str) -> None:
    for text in moves:
        table.play(table.board.parse_san(text))


def moves(*texts: str) -> list[chess.Move]:
    return [chess.Move.from_uci(text) for text in texts]


def test_clocks_begin_with_the_first_move_and_gain_the_increment() -> None:
    time, table = timed(2)
    time.seconds = 30
    assert (table.clock.running, table.clock.left(chess.WHITE)) == (None, 60)
    play(table, "e4")
    assert table.clock.running == chess.BLACK
    time.seconds = 40
    play(table, "e5")
    assert (table.clock.left(chess.WHITE), table.clock.left(chess.BLACK)) == (60, 52)
    assert table.clock_times == {1: 60, 2: 52}


def test_flag_falls_while_nobody_moves() -> None:
    time, table = timed(2)
    play(table, "e4", "e5")
    time.seconds = 59.9
    assert not table.fall_of_flag()
    time.seconds = 60.1
    assert table.fall_of_flag()
    assert (table.end.result, table.end.reason) == ("0-1", "White lost on time")
    time, table = timed()
    play(table, "e4", "e5")
    time.seconds = 61
    play(table, "Nf3")
    assert (table.plies, table.end is None) == (2, False), "a move after the fall of the flag is not played"


@pytest.mark.parametrize("stop", ["wait", "analyse"])
def test_clocks_wait_while_nobody_is_there_and_in_analysis(stop: str) -> None:
    time, table = timed(2)
    play(table, "e4", "e5")
    time.seconds = 10
    getattr(table, stop)(True)
    assert not table.is_running
    time.seconds = 100
    getattr(table, stop)(False)
    assert table.clock.left(chess.WHITE) == 50
    assert table.clock.running == chess.WHITE
    time.seconds = 101
    assert table.clock.left(chess.WHITE) == 49


def test_taking_back_undoes_ainos_answer_too_and_gives_the_time_back() -> None:
    time, table = timed()
    play(table, "e4", "e5")
    time.seconds = 20
    play(table, "Nf3", "Nc6")
    assert table.take_back()
    assert [move.uci() for move in table.board.move_stack] == ["e2e4", "e7e5"]
    assert (table.clock.left(chess.WHITE), table.clock.running) == (60, chess.WHITE)


def test_mate_and_resigning_can_be_taken_back() -> None:
    table = Table(Setup())
    play(table, "f3", "e5", "g4", "Qh4#")
    assert table.end is not None
    assert table.take_back()
    assert (table.end, table.plies) == (None, 2)
    table.finish(end_by_resigning(chess.WHITE))
    assert table.take_back()
    assert table.end is None


def test_the_moves_of_a_loaded_game_are_taken_back_as_others_are() -> None:
    table = Table(Setup(board_after("e4 e5 Nf3 Nc6")))
    assert table.take_back()
    assert table.take_back()
    assert (table.plies, table.first_ply) == (0, 0)
    assert not table.take_back()


def test_exploring_steps_along_the_game_and_leaves_it_by_a_variation() -> None:
    table = Table(Setup())
    play(table, "e4", "e5", "Nf3", "Nc6")
    table.analyse(True)
    table.look(False, 0)
    table.explore(moves("e2e4"))
    assert (table.place, table.variation) == ((False, 1), None)
    table.explore(moves("c7c5", "g1f3"))
    assert table.place == (True, 3)
    assert (table.variation.fork, table.variation.moves) == (1, moves("c7c5", "g1f3"))
    table.look(True, 2)
    table.explore(moves("b1c3"))
    assert table.variation.moves == moves("c7c5", "b1c3")
    assert table.shown.fen().startswith("rnbqkbnr/pp1ppppp/8/2p5/4P3/2N5/PPPP1PPP/R1BQKBNR b")
    assert table.plies == 4
    table.drop_variation()
    assert table.place == (False, 1)


def test_a_board_for_analysis_grows_by_the_moves_made_on_it() -> None:
    table = Table(Setup(human=None))
    table.explore(moves("e2e4", "e7e5"))
    assert (table.plies, table.variation) == (2, None)
    assert table.is_analysing
    table.analyse(False)
    assert table.is_analysing
    table.look(True, 9)
    assert table.place == (False, 2), "what is looked at stays inside the line"


def test_the_record_has_players_result_clock_and_variation() -> None:
    table = Table(Setup(clock=GameClock(GameTime(60, 1), Time())))
    play(table, "f3", "e5", "g4", "Qh4#")
    table.analyse(True)
    table.look(False, 2)
    table.explore(moves("e2e4"))
    text = str(table.record())
    assert '[White "You"]' in text
    assert '[Black "Aino (full strength)"]' in text
    assert '[Result "0-1"]' in text
    assert '[TimeControl "60+1"]' in text
    assert "( 2. e4 )" in text


def test_a_loaded_game_keeps_its_headers() -> None:
    table = Table(Setup(human=None, headers={"White": "A", "Black": "B", "Result": "1/2-1/2"}))
    assert table.record().headers["White"] == "A"
    assert table.record().headers["Result"] == "1/2-1/2"


def test_castling_is_offered_onto_the_rook_and_beside_it() -> None:
    found = legal_moves(chess.Board(CASTLING))
    assert {target for source, target, uci in found if uci == "e1g1"} == {chess.G1, chess.H1}
    chess960 = chess.Board(CASTLING, chess960=True)
    assert {target for source, target, uci in legal_moves(chess960) if uci == "e1h1"} == {chess.G1, chess.H1}


def test_snapshot_has_the_moves_of_the_game_and_of_the_variation() -> None:
    table = Table(Setup())
    play(table, "e4", "e5", "Nf3")
    table.analyse(True)
    table.look(False, 2)
    table.explore(moves("f1c4", "g8f6"))
    found = snapshot(table)
    assert [step["san"] for step in found["steps"][1:]] == ["e4", "e5", "Nf3"]
    assert found["variation"]["fork"] == 2
    named = [(step["number"], step["san"], step["marked"]) for step in found["variation"]["steps"]]
    assert named == [("2.", "Bc4", [chess.F1, chess.C4]), ("2...", "Nf6", [chess.G8, chess.F6])]


def test_snapshot_offers_moves_only_to_who_may_move() -> None:
    table = Table(Setup(human=chess.BLACK))
    assert snapshot(table)["legal"] == []
    assert snapshot(table)["thinking"]
    play(table, "e4")
    assert len(snapshot(table)["legal"]) == 20
