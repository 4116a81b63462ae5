"""Shows an analysis: a table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import chess
from rich.console import Group
from rich.table import Table
from rich.text import Text

from engine.search.result import SearchInfo, SearchResult
from uci.terminal.reading import Source
from uci.terminal.verdict import Verdict

LINE_PLIES = 16  # plies shown of each line without a mate


def searched_lines(result: SearchResult) -> list[SearchInfo]:
    """Return the lines whose first move was visited: a proven win may end the search before it tries all."""
    tried = {child.move for child in result.children if child.visits > 0}
    return [info for info in result.infos if info.multipv == 1 or not result.children or info.pv[0] in tried]


def as_table(board: chess.Board, infos: Sequence[SearchInfo]) -> Group:
    """Return a row for each line: rank, White's score and chances, moves. Below them, the totals of the search."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("White", justify="right", no_wrap=True)
    table.add_column("W/D/L %", justify="right", no_wrap=True)
    table.add_column("line")
    for info in infos:
        verdict = Verdict.of_info(info).seen_by_white(board.turn)
        line = Text(board.variation_san(info.line(LINE_PLIES)))
        table.add_row(f"{info.multipv}.", Text(verdict.text, "bold"), verdict.shares_text, line)
    first = infos[0]
    work = (f"depth {first.depth}/{first.seldepth}, {first.nodes:,} nodes in {first.time_ms / 1000:.1f} s, "
            f"{first.nps:,} nodes/s, tree {first.hashfull / 10:.0f}% full")  # fmt: skip
    return Group(table, Text(work, "dim"))


def game_over_text(board: chess.Board) -> str:
    return f"the game is over: {board.result()}, {'checkmate' if board.is_checkmate() else 'stalemate'}"


def as_json(source: Source, result: SearchResult) -> dict[str, Any]:
    """Return a position's analysis in plain types; scores and chances (per mille) are seen by the side to move."""
    board = source.board
    return {
        "name": source.name,
        "fen": board.fen(),
        "side_to_move": chess.COLOR_NAMES[board.turn],
        "best_move": result.best_move.uci() if result.best_move else None,
        "nodes": result.nodes,
        "time_ms": result.time_ms,
        "lines": [_line_as_json(board, info) for info in searched_lines(result)],
    }


def _line_as_json(board: chess.Board, info: SearchInfo) -> dict[str, Any]:
    verdict = Verdict.of_info(info)
    return {
        "rank": info.multipv,
        "score_cp": info.score_cp if info.score_mate is None else None,
        "mate": info.score_mate,
        "wdl": list(verdict.wdl),
        "depth": info.depth,
        "seldepth": info.seldepth,
        "moves": [move.uci() for move in info.pv],
        "san": board.variation_san(info.pv),
    }
