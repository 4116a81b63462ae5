"""The signatures of the search: one line for each evaluator, the same as long as nothing about a
search's tree has changed.

A signature is the number of nodes and a CRC-32 of the trees, move by move with all visits, and of
the roots' values, draws and plies left, of two
searches for each of `signature_positions`: from an empty tree, then after the best move with the
subtree kept. One thread and default options, so that neither the clock nor the user's settings
change it. A commit that only moves code leaves all of them unchanged.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources

import chess

from engine.board.epd import position_lines
from engine.board.pgn.move_words import typed_position
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from engine.search.result import Branch
from engine.search.tree.root import RootPosition


@dataclass(frozen=True)
class Setting:
    """Options of the searches, and nodes of the first of the two at each position; the second gets
    half.
    """

    options: EngineOptions
    nodes: int
    first_nodes: int  # Of the first position: last bits of values show in large trees alone.
    uses_blas: bool  # BLAS results, and so the trees, depend on the processor in their last bits


_ONE_THREAD = EngineOptions(threads=1, hash_mib=16)
SIGNATURE_SETTINGS: Mapping[str, Setting] = {
    "material": Setting(replace(_ONE_THREAD, evaluator="material"), 1_000, 20_000, uses_blas=False),
    "sparse": Setting(replace(_ONE_THREAD, evaluator="sparse"), 1_000, 20_000, uses_blas=False),
    "hybrid": Setting(replace(_ONE_THREAD, evaluator="hybrid"), 200, 200, uses_blas=True),
    "lc0": Setting(
        replace(_ONE_THREAD, evaluator="network", preset="lc0"), 100, 100, uses_blas=True
    ),
}


def signature_positions() -> list[chess.Board]:
    """Return the positions, with the moves that led there."""
    text = resources.files("uci.bench").joinpath("positions.txt").read_text(encoding="utf-8")
    return [typed_position(line) for _, line in position_lines(text)]


def sign(setting: Setting) -> str:
    """Nodes of searches of all positions with these options, and the checksum of their trees, as
    `1234 0123abcd`.

    Raises NetFileError where their net cannot be loaded.
    """
    nodes, checksum = 0, 0
    with Engine(setting.options) as engine:
        for number, start in enumerate(signature_positions()):
            board = start.copy()
            engine.new_game()
            budgets = [setting.nodes, setting.nodes // 2]
            if number == 0:
                budgets[0] = setting.first_nodes
            for budget in budgets:
                engine.set_position(board)
                result = engine.search(Limits(nodes=budget))
                nodes += result.nodes
                tree = _text(engine.tree(least_visits=1, widest=1_000))
                text = f"{result.best_move} {_root(result.root)} {tree}"
                checksum = zlib.crc32(text.encode(), checksum)
                if result.best_move is None:
                    break
                board.push(result.best_move)
    return f"{nodes} {checksum:08x}"


def _root(root: RootPosition | None) -> str:
    """Value and draws of a root, per mille, and the plies left; none where nothing was searched."""
    if root is None:
        return ""
    return f"{1000 * root.q:.0f} {1000 * root.draw:.0f} {root.moves_left:.0f}"


def _text(branches: tuple[Branch, ...]) -> str:
    """Every move of a tree with its visits, in an order that does not depend on how the tree is
    stored.
    """
    moves = [f"{branch.move.uci()}={branch.visits}({_text(branch.replies)})" for branch in branches]
    return " ".join(sorted(moves))
