"""Single decisions that a careless player gets wrong: stalemate, zugzwang, promotion, the fifty-move rule."""

import tomllib
from pathlib import Path
from typing import Any

import chess
import pytest

TRAPS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("traps.toml").read_text(encoding="utf-8"))["trap"]
each_trap = pytest.mark.parametrize("trap", TRAPS, ids=[entry["name"] for entry in TRAPS])


@each_trap
def test_the_data_is_legal_and_written_as_it_is_played(trap):
    board = chess.Board(trap["fen"])
    assert board.is_valid()
    moves = [*trap.get("play", ()), *trap.get("avoid", ())]
    assert moves
    assert all(board.san(board.parse_san(san)) == san for san in moves)
    assert len(set(moves)) < board.legal_moves.count()


@each_trap
def test_the_trap_is_seen(play_material, seen, trap):
    board = chess.Board(trap["fen"])
    wanted = [seen(board, board.parse_san(san))[1] for san in trap.get("play", ())]
    refused = [seen(board, board.parse_san(san))[1] for san in trap.get("avoid", ())]
    board = seen(board, chess.Move.null())[0]
    move = play_material(board, trap["nodes"])
    assert move not in refused
    assert not wanted or move in wanted
