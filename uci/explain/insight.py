"""Shows what a search does not: threats, the parts of the value, and the pieces that matter most
for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import chess
import numpy as np

from engine.board.convert import encode_move, row_from_board
from engine.board.fen import check_playable
from engine.board.notation import board_after
from engine.errors import FenError
from engine.evaluation import make_evaluator
from engine.evaluation.leaf_batches import leaves_of
from engine.evaluation.protocol import input_format_of
from engine.options import EngineOptions
from engine.search.limits import Limits
from engine.search.result import centipawns, cp_scale_of, per_mille
from engine.tactics.see import see
from uci.common.evaluation import Evaluation

if TYPE_CHECKING:
    from engine.evaluation.protocol import Evaluator
    from engine.player import Engine


@dataclass(frozen=True)
class Threat:
    """What the opponent would play if the side to move passed: the line, and its value for the side
    that passed.
    """

    board: chess.Board  # after passing
    line: list[chess.Move]
    evaluation: Evaluation


@dataclass(frozen=True)
class Part:
    """One contribution to a position's value, from the side to move."""

    name: str
    share: float  # weight of this part in the value, 0..1
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


def wins(board: chess.Board) -> list[tuple[chess.Move, int]]:
    """Return captures and promotions of the side to move that win material, with centipawns, best
    first.
    """
    row = row_from_board(board)
    gains = [
        (move, int(see(row, np.uint16(encode_move(board, move)))))
        for move in board.legal_moves
        if board.is_capture(move) or move.promotion
    ]
    return sorted(((move, gain) for move, gain in gains if gain > 0), key=lambda item: -item[1])


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


def value_parts(options: EngineOptions, evaluator: Evaluator, board: chess.Board) -> list[Part]:
    """Return the parts of the value at first sight, network and material.

    A part with weight 0 is there for comparison.
    """
    share = {"hybrid": options.hybrid_weight, "material": 1.0}.get(evaluator.name, 0.0)
    material = make_evaluator("material")
    parts = [Part("material", share, judge_at_sight(material, board))]
    material.close()
    if share < 1.0:
        heads = options.policy_head, options.value_head
        network = evaluator
        if evaluator.name == "hybrid":
            network = make_evaluator("network", options.weights_file, heads=heads)
        parts.insert(0, Part("network", 1.0 - share, judge_at_sight(network, board)))
        if network is not evaluator:
            network.close()
    return parts


def piece_weights(evaluator: Evaluator, board: chess.Board) -> dict[chess.Square, float]:
    """Return the expected points that White loses when a piece is taken off the board, for each
    piece except the kings.

    Positive for a piece that helps White. Without pieces whose removal would make the position
    impossible.
    """

    def white_expected(position: chess.Board) -> float:
        return judge_at_sight(evaluator, position).seen_by_white(position.turn).expected

    whole = white_expected(board.copy(stack=False))
    weights = {}
    for square in chess.SquareSet(board.occupied & ~board.kings):
        without = board.copy(stack=False)
        without.remove_piece_at(square)
        without.castling_rights = without.clean_castling_rights()
        without.ep_square = None
        try:
            check_playable(without)
        except FenError:
            continue
        if any(without.legal_moves):
            weights[square] = whole - white_expected(without)
    return weights
