"""The debugging command `eval`: what the evaluator says about a position, before any search."""

from __future__ import annotations

import chess

from engine.player import Engine
from engine.search.limits import Limits

__all__ = ["describe_evaluation"]

_MOVES_SHOWN = 8


def describe_evaluation(engine: Engine, board: chess.Board) -> list[str]:
    """Lines with value and likeliest moves, seen by the side to move. Forgets the engine's tree."""
    if not any(board.legal_moves):
        return [f"game over: {board.result()}"]
    engine.new_game()
    engine.set_position(board)
    result = engine.search(Limits(nodes=1))
    engine.new_game()
    win, draw, loss = result.infos[0].wdl
    likely = sorted(result.children, key=lambda child: -child.prior)[:_MOVES_SHOWN]
    priors = ", ".join(f"{board.san(child.move)} {100 * child.prior:.1f}%" for child in likely)
    return [
        f"evaluator {engine.evaluator.name}: {result.infos[0].score_cp / 100:+.2f}, "
        f"win {win / 10:.1f}%, draw {draw / 10:.1f}%, loss {loss / 10:.1f}%",
        f"priors: {priors}",
    ]
