"""Won endings are converted against the best defence that the tables know, and lost ones are not given up early."""

from collections.abc import Iterator
from pathlib import Path

import chess
import chess.syzygy
import pytest

from engine import Engine
from engine.evaluation import MaterialEvaluator
from engine.options import EngineOptions
from engine.search.limits import Limits
from tests.boards import random_positions

MATERIAL = ("KQk", "KRk", "KPk", pytest.param("KQkr", marks=pytest.mark.slow), "KRPk")
NODES = 24  # too few to find the way without tables


@pytest.fixture(scope="module")
def folder(test_data) -> Path:
    return test_data / "syzygy"


@pytest.fixture(scope="module")
def tables(folder) -> Iterator[chess.syzygy.Tablebase]:
    with chess.syzygy.open_tablebase(str(folder)) as opened:
        yield opened


@pytest.fixture(scope="module")
def player(folder) -> Iterator[Engine]:
    options = EngineOptions(hash_mib=8, threads=1, syzygy_path=str(folder))
    with Engine(options, MaterialEvaluator()) as engine:
        yield engine


def longest_win(material: str, tables: chess.syzygy.Tablebase) -> chess.Board:
    """The longest win among random positions with these pieces, White to move."""
    return max((board for board in random_positions(material, 150, seed=1) if board.turn), key=tables.probe_dtz)


def best_defence(board: chess.Board, tables: chess.syzygy.Tablebase) -> chess.Move:
    """The move after which the winner needs most plies; one that draws, if the winner let it."""
    plies = {}
    for move in list(board.legal_moves):
        board.push(move)
        plies[move] = tables.probe_dtz(board) if not board.is_insufficient_material() else -1
        board.pop()
    draws = [move for move, distance in plies.items() if distance <= 0]
    return draws[0] if draws else max(plies, key=lambda move: plies[move])


def play_out(player: Engine, board: chess.Board, tables: chess.syzygy.Tablebase) -> bool:
    """Let the engine, with White, play against the best defence; whether it mates."""
    player.new_game()
    while not (board.is_game_over() or board.halfmove_clock >= 100 or board.is_repetition(3)):
        board.push(engine_move(player, board) if board.turn == chess.WHITE else best_defence(board, tables))
    return board.is_checkmate()


def engine_move(player: Engine, board: chess.Board) -> chess.Move:
    player.set_position(board)
    return player.search(Limits(nodes=NODES)).best_move


@pytest.mark.parametrize("material", MATERIAL)
def test_a_won_ending_is_won_against_the_best_defence(player, tables, material):
    board = longest_win(material, tables)
    start = board.fen()
    assert play_out(player, board, tables), f"{start} ended with {board.fen()}"


def test_a_win_with_the_clock_nearly_run_out_is_brought_home(player, tables):
    board = longest_win("KBNk", tables)
    board.halfmove_clock = 99 - tables.probe_dtz(board)
    assert play_out(player, board, tables)
