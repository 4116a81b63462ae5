"""`aino explain POSITION`: one web page about one position, and where the heads of a transformer
look on it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import chess
import numpy as np
from markupsafe import Markup

from engine.board.notation import board_after
from engine.cli.console import make_console, say, waiting
from engine.cli.live_lines import live_line
from engine.cli.option_forms import add_flags, options_from_flags
from engine.errors import ConfigError
from engine.evaluation.leaf_batches import leaves_of
from engine.files.atomic import write_file
from engine.files.output_files import free_names, output_file
from engine.network.fused.given_tensors import layers_with
from engine.network.input_formats import CANONICAL, canonical_turn, turned_batch, turned_square
from engine.network.planes import float_planes
from engine.network.transformer.maps import attention_maps
from engine.network.transformer.transformer_model import TransformerConfig
from engine.network.weights import load_planes
from engine.options import EngineOptions
from engine.player import Engine
from uci.common.limit_flags import MOST_NODES, checked
from uci.common.reading import add_source_flags, read_source
from uci.common.waiting import ready_engine
from uci.explain.insight import find_threat, judge_at_sight, piece_weights, value_parts, wins
from uci.explain.observe import Observation, observe_search
from uci.explain.position_page import render_position_page
from uci.language import speak

_SHADES = (0.03, 0.06, 0.12, 0.25, 0.5)  # least attention of each shade; 1/64 = 0.016 would be even
_KINDS = {
    "whole": "Attention",
    "content": "By content alone (queries and keys)",
    "smolgen": "By smolgen alone",
}


class AttentionView(NamedTuple):
    """What the page shows: a row of small boards, one for each head, for each kind of map and
    layer.
    """

    square: str
    kinds: list[tuple[str, list[Markup]]]


def view_attention(
    options: EngineOptions, board: chess.Board, square: chess.Square
) -> AttentionView | None:
    """Where the heads look from a square of the board; None for a network without attention in its
    body.
    """
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
                _row(row[:, seen[square], :][:, seen], number, square, board)
                for number, row in enumerate(rows, 1)
            ]
            kinds.append((title, boards))
    return AttentionView(chess.square_name(square), kinds)


def _row(heads: np.ndarray, layer: int, square: chess.Square, board: chess.Board) -> Markup:
    """One layer's heads, float [heads, 64] by square, side by side; each square is one unit
    wide.
    """
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
    return Markup(
        f'<svg class="attention" {size} role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def _corner(square: int, head: int, board: chess.Board) -> tuple[int, int]:
    """Return the upper left corner of a square on one head's board, seen from the mover's side."""
    file, rank = square & 7, square >> 3
    return 9 * head + (file if board.turn else 7 - file), 7 - rank if board.turn else rank


# Options may stand before and after the position.
parse = argparse.ArgumentParser.parse_intermixed_args

_DEFAULT_NODES = 100_000
_THREAT_SHARE = 4  # the search of the opponent's threat gets one node in this many
EXAMPLES = """\
examples:
  aino explain startpos
  aino explain "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR b KQkq - 3 3" --out scholar.html
  aino explain game.pgn --ply 24

The page is one file to open in a browser.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "aino explain POSITION [options]"
    add_source_flags(parser, "take a FEN, a PGN file, startpos, or - for standard input")
    text = "search this many positions, as `aino analyse --nodes N` does (default %(default)s)"
    parser.add_argument("--nodes", type=int, default=_DEFAULT_NODES, metavar="N", help=text)
    text = "write the page here (default %(default)s); where a file is, under the next free name"
    parser.add_argument(
        "--out", type=output_file, default=Path("aino-explain.html"), metavar="FILE", help=text
    )
    text = "show where a transformer's heads look from this square (default: the best move's first)"
    parser.add_argument("--square", metavar="SQUARE", help=text)
    add_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the page and print where it is. Raises AinoErrors."""
    speak("en")  # all of its words are English
    options = options_from_flags(arguments)
    if arguments.square is not None and arguments.square not in chess.SQUARE_NAMES:
        raise ConfigError(f"--square: expected a square such as e4, not {arguments.square!r}")
    nodes = checked("--nodes", arguments.nodes, 2, MOST_NODES)
    source = read_source(arguments.position, arguments.game, arguments.ply, options.chess960)
    if not any(source.board.legal_moves):
        raise ConfigError(f"{source.name}: the game is over, so there is no move to explain")
    console, problems = make_console(), make_console(stderr=True)
    for note in source.notes:
        say(problems, note)
    board = source.board
    with ready_engine(console, replace(options, analyse_mode=True)) as engine:
        with live_line("Searching") as line:
            observation = observe_search(
                engine,
                board,
                nodes,
                lambda done: line.update(done / (2 * nodes), f"{done:,} nodes"),
            )
        with waiting(console, "Looking at threats and pieces"):
            title = source.name if source.name != board.fen() else "A position explained"
            page = _page(engine, options, observation, title, arguments.square)
    (path,) = free_names(arguments.out)
    write_file(path, page)
    pv = board.variation_san(observation.result.infos[0].pv)
    say(console, f"{chess.COLOR_NAMES[board.turn].title()}: {observation.evaluation.text}, {pv}")
    say(console, f"wrote {path}")
    return 0


def _page(
    engine: Engine, options: EngineOptions, observation: Observation, title: str, square: str | None
) -> str:
    """Return the page of a search, with what it does not show."""
    board = observation.board
    passed = board_after(board, chess.Move.null())
    attention = None
    if engine.evaluator.name in ("network", "hybrid"):
        best = observation.result.infos[0].pv[0].from_square
        looks_from = chess.parse_square(square) if square else best
        attention = view_attention(options, board, looks_from)
    weights = None
    if engine.evaluator.name != "material":
        weights = piece_weights(engine.evaluator, board)
    nodes = max(100, observation.snapshots[-1].nodes // _THREAT_SHARE)
    return render_position_page(
        title=title,
        evaluator=engine.evaluator.name,
        observation=observation,
        first_sight=judge_at_sight(engine.evaluator, board),
        parts=value_parts(options, engine.evaluator, board),
        threat=find_threat(engine, board, nodes),
        wins={board.turn: wins(board), not board.turn: [] if board.is_check() else wins(passed)},
        weights=weights,
        attention=attention,
    )
