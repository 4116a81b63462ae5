"""The signatures of the search: one line for each evaluator, the same as long as nothing about a search's tree has
changed.

A signature is the number of nodes and a CRC-32 of the trees, move by move with all visits, of two searches for each of
`SIGNATURE_POSITIONS`: from an empty tree, then after the best move with the subtree kept. One thread and default
options, so that neither the clock nor the user's settings change it. A commit that only moves code leaves all of them
unchanged.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import chess

from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from engine.search.result import Branch


@dataclass(frozen=True)
class Setting:
    """Options of the searches, and nodes of the first of the two at each position; the second gets half."""

    options: EngineOptions
    nodes: int
    uses_blas: bool  # BLAS results, and so the trees, depend on the processor in their last bits


SIGNATURE_SETTINGS: Mapping[str, Setting] = {
    "material": Setting(EngineOptions(evaluator="material", threads=1, hash_mib=16), 1_000, uses_blas=False),
    "sparse": Setting(EngineOptions(evaluator="sparse", threads=1, hash_mib=16), 1_000, uses_blas=False),
    "hybrid": Setting(EngineOptions(evaluator="hybrid", threads=1, hash_mib=16), 200, uses_blas=True),
    "lc0": Setting(EngineOptions(evaluator="network", preset="lc0", threads=1, hash_mib=16), 100, uses_blas=True),
}
# A FEN and the moves after it: openings, middlegames, endings, Chess960, roots with a mate, repetition, a full clock.
SIGNATURE_POSITIONS = (
    (chess.STARTING_FEN, ""),
    (chess.STARTING_FEN, "e2e4 e7e5 g1f3 b8c6 f1b5 a7a6 b5a4 g8f6 e1g1 f8e7"),
    (chess.STARTING_FEN, "d2d4 d7d5 c2c4 e7e6 b1c3 g8f6 c1g5 f8e7 e2e3 e8g8"),
    (chess.STARTING_FEN, "e2e4 c7c5 g1f3 d7d6 d2d4 c5d4 f3d4 g8f6 b1c3 a7a6"),
    (chess.STARTING_FEN, "g1f3 g8f6 f3g1 f6g8 g1f3 g8f6 f3g1"),
    (chess.STARTING_FEN, "f2f3 e7e5"),
    ("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1", ""),
    ("r1bq1rk1/ppp2ppp/2np1n2/2b1p3/2B1P3/2NP1N2/PPP2PPP/R1BQ1RK1 w - - 0 7", ""),
    ("2r3k1/pp3ppp/4p3/3pP3/3P4/1P3N1P/P4PP1/2R3K1 b - - 0 25", ""),
    ("8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1", ""),
    ("rnbqkb1r/pp2pppp/5n2/2pp4/3P1B2/4PN2/PPP2PPP/RN1QKB1R b KQkq - 1 4", ""),
    ("r2q1rk1/pb1nbppp/1p2pn2/2pp4/2PP4/1PN1PN2/PB2BPPP/R2Q1RK1 w - - 2 11", ""),
    ("r1b2rk1/2q1bppp/p2ppn2/1p6/3BPP2/2N2B2/PPP3PP/R2Q1R1K b - - 1 14", ""),
    ("3r2k1/p4ppp/1p2p3/8/2P1q3/P3B2P/1P2QPP1/3R2K1 w - - 0 24", ""),
    ("r4rk1/1bqnbppp/pp1ppn2/8/2P1P3/1PN1BP2/P1N3PP/2RQKB1R w K - 0 13", ""),
    ("2rq1rk1/pp1bppbp/3p1np1/8/2BNP3/2N1BP2/PPPQ2PP/1K1R3R b - - 5 13", ""),
    ("6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1", ""),
    ("r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4", ""),
    ("kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1", ""),
    ("7k/5Q2/8/8/8/8/8/K7 b - - 0 1", ""),
    ("8/8/4k3/8/2p5/2P1K3/8/8 w - - 0 50", ""),
    ("8/8/8/3k4/8/3KP3/8/8 w - - 97 100", ""),
    ("4k3/P6P/8/8/8/8/p6p/4K3 w - - 0 1", ""),
    ("8/5pk1/5p1p/2R5/r5PP/5P2/6K1/8 w - - 0 40", ""),
    ("8/1p3k2/p1p2p2/P1P1pPp1/1P2P1P1/5K2/8/3B1b2 w - - 0 45", ""),
    ("3r1rk1/1p3pbp/p1pqbnp1/4p3/PPP1P3/2N1BN1P/2Q2PP1/R2R2K1 b - - 0 19", ""),
    ("r1bqr1k1/pp1n1pbp/2pp1np1/4p3/2PPP3/2N1BN2/PP2BPPP/R2Q1RK1 w - - 0 10", ""),
    ("rnbq1rk1/ppp1ppbp/3p1np1/8/2PPP3/2N2N2/PP2BPPP/R1BQK2R b KQ - 3 6", ""),
    ("nrbbkqrn/pppppppp/8/8/8/8/PPPPPPPP/NRBBKQRN w GBgb - 0 1", ""),
    ("1r2k2r/pbqp1ppp/1pn1pn2/2b5/2P1P3/2N1BN2/PPQ1BPPP/1R2K2R w HBhb - 4 11", ""),
)


def sign(setting: Setting) -> str:
    """Nodes of searches of all positions with these options, and the checksum of their trees, as `1234 0123abcd`.

    Raises NetFileError where their net cannot be loaded.
    """
    nodes, checksum = 0, 0
    with Engine(setting.options) as engine:
        for fen, moves in SIGNATURE_POSITIONS:
            board = chess.Board(fen, chess960="G" in fen.split()[2] or "H" in fen.split()[2])
            for move in moves.split():
                board.push_uci(move)
            engine.new_game()
            for budget in (setting.nodes, setting.nodes // 2):
                engine.set_position(board)
                result = engine.search(Limits(nodes=budget))
                nodes += result.nodes
                text = f"{result.best_move} {_text(engine.tree(least_visits=1, widest=1_000))}"
                checksum = zlib.crc32(text.encode(), checksum)
                if result.best_move is None:
                    break
                board.push(result.best_move)
    return f"{nodes} {checksum:08x}"


def _text(branches: tuple[Branch, ...]) -> str:
    """Every move of a tree with its visits, in an order that does not depend on how the tree is stored."""
    return " ".join(sorted(f"{branch.move.uci()}={branch.visits}({_text(branch.replies)})" for branch in branches))
