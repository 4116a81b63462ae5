"""Where the heads of a transformer look from one square, as rows of small boards."""

from __future__ import annotations

from typing import NamedTuple

import chess
import numpy as np
from markupsafe import Markup

from engine.evaluation.leaves import leaves_of
from engine.network.families import layers_with
from engine.network.input_formats import CANONICAL, canonical_turn, turned_batch, turned_square
from engine.network.planes import float_planes
from engine.network.transformer.maps import attention_maps
from engine.network.transformer.model import TransformerConfig
from engine.network.weights import load_planes
from engine.options import EngineOptions

_SHADES = (0.03, 0.06, 0.12, 0.25, 0.5)  # least attention of each shade; 1/64 = 0.016 would be even
_KINDS = {"whole": "Attention", "content": "By content alone (queries and keys)", "smolgen": "By smolgen alone"}


class AttentionView(NamedTuple):
    """What the page shows: a row of small boards, one for each head, for each kind of map and layer."""

    square: str
    kinds: list[tuple[str, list[Markup]]]


def view_attention(options: EngineOptions, board: chess.Board, square: chess.Square) -> AttentionView | None:
    """Where the heads look from a square of the board; None for a network without attention in its body."""
    net = load_planes(options.weights_file)
    config = net.config
    if not isinstance(config, TransformerConfig):
        return None
    leaves = leaves_of([board], config.input_format)
    turn = int(canonical_turn(leaves.masks[0])) if config.input_format >= CANONICAL else 0
    turned, _ = turned_batch(config.input_format, leaves.masks[:1], leaves.policy_index[:1])
    # The network sees the board from the mover's side, and perhaps turned.
    seen = [turned_square(place if board.turn else place ^ 56, turn) for place in range(64)]
    maps = attention_maps(layers_with(net.tensors, config), float_planes(turned))
    kinds = []
    for kind, title in _KINDS.items():
        rows = [getattr(one, kind) for one in maps]
        if rows[0] is not None:
            boards = [
                _row(row[:, seen[square], :][:, seen], number, square, board) for number, row in enumerate(rows, 1)
            ]
            kinds.append((title, boards))
    return AttentionView(chess.square_name(square), kinds)


def _row(heads: np.ndarray, layer: int, square: chess.Square, board: chess.Board) -> Markup:
    """One layer's heads, float [heads, 64] by square, side by side; each square is one unit wide."""
    words, parts = [], []
    for number, weights in enumerate(heads):
        top = int(weights.argmax())
        words.append(f"head {number + 1} most at {chess.square_name(top)}, {weights[top]:.0%}")
        parts.append(f'<rect class="ground" x="{9 * number}" width="8" height="8"/>')
        for shade, least in enumerate(_SHADES):
            most = [*_SHADES, np.inf][shade + 1]
            places = [
                _corner(place, number, board)
                for place in np.flatnonzero((weights >= least) & (weights < most)).tolist()
            ]
            if places:
                path = "".join(f"M{x} {y}h1v1h-1z" for x, y in places)
                parts.append(f'<path class="look l{shade}" d="{path}"/>')
        x, y = _corner(square, number, board)
        parts.append(f'<rect class="from" x="{x + 0.1}" y="{y + 0.1}" width=".8" height=".8"/>')
    label = f"Layer {layer}: {'; '.join(words)}"
    size = f'viewBox="0 0 {9 * len(heads) - 1} 8" style="width:{4.5 * len(heads):g}rem"'
    return Markup(f'<svg class="attention" {size} role="img" aria-label="{label}">{"".join(parts)}</svg>')


def _corner(square: int, head: int, board: chess.Board) -> tuple[int, int]:
    """Return the upper left corner of a square on one head's board, seen from the mover's side."""
    file, rank = square & 7, square >> 3
    return 9 * head + (file if board.turn else 7 - file), 7 - rank if board.turn else rank
