"""What an engine tells while it searches: `info` lines, read with their qualifiers.

Only an exact score of the best line is the engine's judgement. A bound, another line of MultiPV, a line about another
position, and what follows the word `string` are none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import chess

from selfplay.records.targets import MATE_SCORE_CP

LARGEST_SCORE = 30_000  # largest score in centipawns that is not a mate
FURTHEST_MATE = 999  # moves; a larger number, as some engines write, would give the mate to the other side


class Info(NamedTuple):
    """An `info` line. Fields are None where it does not have them."""

    rank: int = 1  # of the line among those of MultiPV
    move: str = ""  # the first of the line; empty without a line
    score_cp: int | None = None  # exact, from the side to move; a mate in n moves is MATE_SCORE_CP - n
    depth: int | None = None
    nodes: int | None = None


def read_info(line: str) -> Info | None:
    """Return the `info` line's content; None for another line. Words that are not understood count as not there."""
    words = line.split()
    if words[:1] != ["info"]:
        return None
    if "string" in words:
        words = words[: words.index("string")]
    move = next(_after("pv", words), "")
    is_exact = "lowerbound" not in words and "upperbound" not in words and (move or "currmove" not in words)
    rank, depth, nodes = (_number(_after(name, words)) for name in ("multipv", "depth", "nodes"))
    return Info(1 if rank is None else rank, move, _score(words) if is_exact else None, depth, nodes)


def last_judgement(lines: Sequence[str], board: chess.Board) -> Info:
    """Return the last exact score of the best line of a search of `board`, with its depth, and the nodes told last.

    A line that begins with an illegal move is about another position, such as that of an earlier search.
    """
    nodes = None
    for line in reversed(lines):
        info = read_info(line)
        if info is None or (info.move and not _is_legal(info.move, board)):
            continue
        nodes = info.nodes if nodes is None else nodes
        if info.rank == 1 and info.score_cp is not None:
            return info._replace(nodes=nodes)
    return Info(nodes=nodes)


def _score(words: Sequence[str]) -> int | None:
    after = _after("score", words)
    kind, value = next(after, ""), _number(after)
    if kind not in ("cp", "mate") or value is None:
        return None
    if kind == "mate":
        distance = min(abs(value), FURTHEST_MATE)
        return MATE_SCORE_CP - distance if value > 0 else distance - MATE_SCORE_CP
    return max(-LARGEST_SCORE, min(LARGEST_SCORE, value))


def _after(name: str, words: Sequence[str]) -> Iterator[str]:
    """Return the words after the first `name`."""
    return iter(words[words.index(name) + 1 :] if name in words else ())


def _number(words: Iterator[str]) -> int | None:
    with contextlib.suppress(ValueError):
        return int(next(words, ""))
    return None


def _is_legal(move: str, board: chess.Board) -> bool:
    try:
        return bool(board.parse_uci(move))
    except ValueError:
        return False
