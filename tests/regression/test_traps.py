"""Single decisions that a careless player gets wrong: stalemate, zugzwang, promotion, the fifty-move rule."""

import tomllib
from pathlib import Path
from typing import Any

import chess
import pytest

TRAPS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("traps.toml").read_text(encoding="utf-8"))["trap"]
each_trap = pytest.mark.parametrize("trap", TRAPS, ids=[entry["name"] for entry in TRAPS])


@each_trap
def test_the_trap_is_seen(search_material, seen, trap):
    board = chess.Board(trap["fen"])
    wanted = [seen(board, board.parse_san(san))[1] for san in trap.get("play", ())]
    refused = [seen(board, board.parse_san(san))[1] for san in trap.get("avoid", ())]
    assert wanted or refused
    board = seen(board, chess.Move.null())[0]
    move = search_material(board, trap["nodes"]).best_move
    assert move not in refused
    assert not wanted or move in wanted
