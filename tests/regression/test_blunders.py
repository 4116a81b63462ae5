"""Moves that no careful player makes: known disasters from both sides, the Fool's Mate, and single traps. No book."""

import tomllib
from pathlib import Path
from typing import Any

import chess
import pytest

from tests.boards import board_after


def entries(name: str) -> list[Any]:
    """The tables of a file beside this one, as parameters named after them."""
    tables = tomllib.loads(Path(__file__).with_name(f"{name}s.toml").read_text(encoding="utf-8"))[name]
    return [pytest.param(table, id=table["name"]) for table in tables]


def board_before(disaster: dict[str, Any]) -> chess.Board:
    """The position in which the blunder is possible, its game on the move stack."""
    return board_after(disaster["moves"], disaster.get("fen", chess.STARTING_FEN))


@pytest.mark.parametrize("disaster", entries("disaster"))
def test_the_victim_avoids_the_blunder(search_material, seen, disaster):
    board = board_before(disaster)
    board, blunder = seen(board, board.parse_san(disaster["blunder"]))
    assert search_material(board, disaster["nodes"]).best_move != blunder


@pytest.mark.parametrize("disaster", entries("disaster"))
def test_the_attacker_finds_the_punishment(search_material, seen, disaster):
    board = board_before(disaster)
    board.push_san(disaster["blunder"])
    wins = [seen(board, board.parse_san(san))[1] for san in disaster["wins"]]
    board = seen(board, wins[0])[0]
    assert search_material(board, disaster["nodes"]).best_move in wins


@pytest.mark.parametrize("trap", entries("trap"))
def test_the_trap_is_seen(search_material, seen, trap):
    board = chess.Board(trap["fen"])
    wanted = [seen(board, board.parse_san(san))[1] for san in trap.get("play", ())]
    refused = [seen(board, board.parse_san(san))[1] for san in trap.get("avoid", ())]
    assert wanted or refused
    board = seen(board, chess.Move.null())[0]
    move = search_material(board, trap["nodes"]).best_move
    assert move not in refused
    assert not wanted or move in wanted


# The first engine of this lineage lost to it in four moves. `test_safety` has evaluators that love the blunder.
@pytest.mark.parametrize("nodes", [100, 400])
@pytest.mark.parametrize(("moves", "blunder"), [("f3 e5", "g4"), ("g4 e5", "f3")])
def test_no_evaluator_lets_the_fools_mate_happen_and_each_gives_it(search, seen, moves, blunder, nodes):
    board = board_after(moves)
    before, refused = seen(board, board.parse_san(blunder))
    assert search(before, nodes).best_move != refused
    board.push_san(blunder)
    after, mate = seen(board, board.parse_san("Qh4#"))
    assert search(after, nodes).best_move == mate
