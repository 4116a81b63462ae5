"""Aino as python-chess's driver sees it: play, the clock, pondering, analysis, Chess960."""

import time
from collections.abc import Iterator

import chess
import chess.engine
import pytest

from tests.protocol.aino_process import COMMAND, ROOT, START_S
from tests.protocol.conftest import SMALL
from tests.protocol.test_universal import CROWDED


@pytest.fixture(scope="module")
def driver() -> Iterator[chess.engine.SimpleEngine]:
    with chess.engine.SimpleEngine.popen_uci([*COMMAND, *SMALL], timeout=START_S, cwd=ROOT) as engine:
        yield engine


def test_driver_plays_a_game_against_itself(driver: chess.engine.SimpleEngine) -> None:
    board = chess.Board()
    while not board.is_game_over(claim_draw=True) and len(board.move_stack) < 60:
        result = driver.play(board, chess.engine.Limit(nodes=60), info=chess.engine.INFO_SCORE)
        assert result.move is not None
        assert "score" in result.info
        board.push(result.move)
    assert len(board.move_stack) >= 10


def test_driver_plays_on_the_clock_and_ponders(driver: chess.engine.SimpleEngine) -> None:
    board = chess.Board()
    limit = chess.engine.Limit(white_clock=1, black_clock=1, white_inc=0.01, black_inc=0.01)
    for _ in range(6):
        result = driver.play(board, limit, ponder=True)
        board.push(result.move)
        board.push(result.ponder or next(iter(board.legal_moves)))


def test_driver_plays_stockfish_on_the_clock(driver: chess.engine.SimpleEngine, stockfish: str) -> None:
    """The beginning of two games at 6+0.05, colours changed: every move legal, and no clock falls."""
    with chess.engine.SimpleEngine.popen_uci(stockfish, timeout=START_S) as opponent:
        opponent.configure({"UCI_LimitStrength": True, "UCI_Elo": opponent.options["UCI_Elo"].min})
        driver.ping()  # loads the engine before the clock runs
        for aino_color in chess.COLORS:
            board, clock = chess.Board(), {chess.WHITE: 6.0, chess.BLACK: 6.0}
            while not board.is_game_over(claim_draw=True) and len(board.move_stack) < 10:
                side = board.turn
                player = driver if side == aino_color else opponent
                clocks = {"white_clock": clock[chess.WHITE], "black_clock": clock[chess.BLACK]}
                limit = chess.engine.Limit(
                    **clocks, white_inc=0.05, black_inc=0.05, nodes=None if player is driver else 99
                )
                start = time.perf_counter()
                move = player.play(board, limit, game=aino_color).move
                clock[side] += 0.05 - (time.perf_counter() - start)
                assert move is not None
                assert clock[side] > 0 or player is opponent
                board.push(move)


def test_driver_follows_an_analysis_until_it_stops_it(driver: chess.engine.SimpleEngine) -> None:
    board = chess.Board(CROWDED)
    with driver.analysis(board, multipv=2) as analysis:
        seen = next(info for info in analysis if "pv" in info)
    assert board.is_legal(seen["pv"][0])
    assert driver.play(board, chess.engine.Limit(nodes=10)).move is not None
