"""Known disasters, from both sides: the victim avoids the blunder, the attacker finds the punishment. No book."""

import tomllib
from pathlib import Path
from typing import Any

import chess
import pytest

from tests.boards import board_after

DISASTERS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("disasters.toml").read_text(encoding="utf-8"))[
    "disaster"
]
each_disaster = pytest.mark.parametrize("disaster", DISASTERS, ids=[entry["name"] for entry in DISASTERS])


def board_before(disaster: dict[str, Any]) -> chess.Board:
    """The position in which the blunder is possible, its game on the move stack."""
    return board_after(disaster["moves"], disaster.get("fen", chess.STARTING_FEN))


@each_disaster
def test_the_victim_avoids_the_blunder(search_material, seen, disaster):
    board = board_before(disaster)
    board, blunder = seen(board, board.parse_san(disaster["blunder"]))
    assert search_material(board, disaster["nodes"]).best_move != blunder


@each_disaster
def test_the_attacker_finds_the_punishment(search_material, seen, disaster):
    board = board_before(disaster)
    board.push_san(disaster["blunder"])
    wins = [seen(board, board.parse_san(san))[1] for san in disaster["wins"]]
    board = seen(board, wins[0])[0]
    assert search_material(board, disaster["nodes"]).best_move in wins
