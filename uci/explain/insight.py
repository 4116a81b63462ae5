"""Shows what a search does not: threats, captures that gain, and the value at first sight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import chess
import numpy as np

from engine.board.convert import encode_move, row_from_board
from engine.board.notation import board_after
from engine.evaluation.leaf_batches import leaves_of
from engine.evaluation.protocol import input_format_of
from engine.search.limits import Limits
from engine.search.result import centipawns, cp_scale_of, per_mille
from engine.tactics.see import see
from uci.common.evaluation import Evaluation

if TYPE_CHECKING:
    from engine.evaluation.protocol import Evaluator
    from engine.player import Engine

_WINS_SHOWN = 6


@dataclass(frozen=True)
class Threat:
    """What the opponent would play if the side to move passed: the line, and its value for the side
    that passed.
    """

    board: chess.Board  # after passing
    line: list[chess.Move]
    evaluation: Evaluation


def find_threat(engine: Engine, board: chess.Board, nodes: int) -> Threat | None:
    """Search the position with the other side to move; None if the side to move is in check and so
    cannot pass.
    """
    passed = board_after(board, chess.Move.null())
    if board.is_check() or not any(passed.legal_moves):
        return None
    engine.new_game()
    engine.set_position(passed)
    result = engine.start(Limits(nodes=nodes)).result()
    engine.new_game()
    return Threat(passed, result.infos[0].pv, Evaluation.of_info(result.infos[0]).reversed())


def wins(board: chess.Board) -> list[str]:
    """Return captures and promotions of the side to move that win material, with what they gain in
    pawns, best first: `Nxe5 (+1.0)`.
    """
    row = row_from_board(board)
    gains = {}  # in centipawns
    for move in board.legal_moves:
        if board.is_capture(move) or move.promotion:
            gains[board.san(move)] = int(see(row, np.uint16(encode_move(board, move))))
    best_first = sorted(gains, key=lambda san: -gains[san])
    won = [san for san in best_first if gains[san] > 0]
    return [f"{san} (+{gains[san] / 100:.1f})" for san in won[:_WINS_SHOWN]]


def judge_at_sight(evaluator: Evaluator, board: chess.Board) -> Evaluation:
    """Return what an evaluator says about a position that has legal moves, before any search, from
    the side to move.
    """
    leaves = leaves_of([board], input_format_of(evaluator))
    evaluator.evaluate(leaves, 1)
    win, draw, loss = (float(share) for share in leaves.wdl[0])
    return Evaluation(
        centipawns(win - loss, cp_scale_of(evaluator)), None, per_mille(win - loss, draw)
    )
